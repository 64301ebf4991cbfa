"""`stockwire reconcile`: read lists or tell a channel everything now, see what came of it, and accept what was held back."""

import time
from collections.abc import Sequence

import click
import msgspec

from models import topics
from models.codec import Decoder
from models.cursor import Cursor
from models.facts import CorrectionAccepted
from models.review import CatalogueReported
from streams import read
from streams.by_hand import Written, write
from streams.catalogue import CATALOGUE, position_of, report_key
from streams.catalogue_report import Tally, is_complete, report
from streams.cli import options
from streams.cli.failed import FailedError
from streams.held import HeldReading, held
from streams.kafka_client import confluent
from streams.settings import KafkaSettings, Settings

ALL = ""
LOOK_S = 40.0
OUTCOMES_KEPT_MS = 13 * 86_400_000
WRITTEN_AT_ONCE = 10_000

_cursor = Decoder[Cursor](Cursor)
_reported = Decoder[CatalogueReported](CatalogueReported)


@click.command("reconcile")
@click.option("--catalogue", metavar="CHANNEL", help="Tell this channel its whole catalogue again now, also what did not change.")
@click.option(
    "--report", "reported", metavar="CHANNEL", help="Show the last or current catalogue run; exit code 0 only when it is complete."
)
@click.option("--held", "listed", is_flag=True, help="List the readings that are held back for being too far off.")
@click.option(
    "--accept",
    "accepted",
    is_flag=False,
    flag_value=ALL,
    metavar="[SKU]",
    help="Accept the reading of this SKU that is held back; without a SKU all, after they were shown.",
)
@click.option("--yes", is_flag=True, help="Do not ask before all are accepted.")
@options.settings
@options.as_json
def command(  # noqa: PLR0913  # the command's options
    settings: Settings, *, catalogue: str | None, reported: str | None, listed: bool, accepted: str | None, yes: bool, json: bool
) -> None:
    """Read every warehouse's full list now; it may run at any hour, also under full traffic. With an option do that instead."""
    if sum((catalogue is not None, reported is not None, listed, accepted is not None)) > 1:
        raise click.UsageError("--catalogue, --report, --held and --accept are each for themselves")
    if catalogue is not None:
        _known(settings, catalogue)
        _begin(settings, [(catalogue, CATALOGUE)], "is told again from now on", json=json)
    elif reported is not None:
        _known(settings, reported)
        _report(settings.kafka, reported, json=json)
    elif listed:
        _list(_held(settings.kafka, json=json), json=json)
    elif accepted is not None:
        _accept(settings.kafka, accepted, yes=yes, json=json)
    else:
        warehouses = sorted({settings.places[name].warehouse for route in settings.stock for name in route.places})
        _begin(settings, [(name, "stock") for name in warehouses], "is read now", json=json)


def _known(settings: Settings, channel: str) -> None:
    known = [route.channel for route in settings.stock]
    if channel not in known:
        raise click.UsageError(f"{channel!r} is told no stock; known: {', '.join(known) or 'none'}")


def _begin(settings: Settings, lists: Sequence[tuple[str, str]], said: str, *, json: bool) -> None:
    now_ms = _now_ms()
    _write(
        settings.kafka,
        [(topics.POLL, f"{name}/{what}", Cursor(connection=name, what=what, due_ms=now_ms)) for name, what in lists],
        said,
        json=json,
    )


def _write(kafka: KafkaSettings, records: Sequence[Written], said: str, *, json: bool) -> None:
    for begin in range(0, len(records), WRITTEN_AT_ONCE):
        write(kafka, records[begin : begin + WRITTEN_AT_ONCE])
    for topic, key, message in records:
        options.line({"topic": topic, "key": key, "message": message}) if json else click.echo(f"{key}: {said}")


def _held(kafka: KafkaSettings, *, json: bool) -> list[HeldReading]:
    with options.progress("stock table", quiet=json) as on_read:
        return held(kafka, on_read)


def _list(found: Sequence[HeldReading], *, json: bool) -> None:
    if json:
        for reading in found:
            options.line(reading)
        return
    rows = [(one.sku, one.place, one.ours, one.said, options.utc(one.at_ms)) for one in found]
    options.table(f"{len(found)} readings held back", ["sku", "place", "ours", "warehouse says", "at"], rows)
    if found:
        click.echo("where the warehouse is right: stockwire reconcile --accept SKU, or without a SKU for all")


def _accept(kafka: KafkaSettings, sku: str, *, yes: bool, json: bool) -> None:
    found = [reading for reading in _held(kafka, json=json) if sku in {ALL, reading.sku}]
    skus = sorted({reading.sku for reading in found})
    if sku != ALL and not skus:
        raise FailedError(f"no reading of {sku!r} is held back; `stockwire reconcile --held` lists those that are")
    if sku == ALL:
        if not yes:
            _list(found, json=json)
        if not skus or not (yes or click.confirm(f"Accept what the warehouses say of these {len(skus)} SKUs?", err=True)):
            click.echo("nothing is accepted", err=True)
            return
    records: list[Written] = [(topics.FACT_STOCK, one, CorrectionAccepted(sku=one)) for one in skus]
    _write(kafka, records, "is accepted", json=json)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the last or current run of `connection`: `phase` in words, `said` (0 to 1) of it, when the next one is due."""

    connection: str
    phase: str
    said: float | None = None
    complete: bool = False
    next: str | None = None
    report: CatalogueReported | None = None


def _report(kafka: KafkaSettings, channel: str, *, json: bool) -> None:
    seen = _look(kafka, channel, json=json)
    if json:
        options.line(seen)
    else:
        _show(seen)
    if not seen.complete:
        raise FailedError(f"{channel}: the catalogue is not complete: {seen.phase}")


def _look(kafka: KafkaSettings, channel: str, *, json: bool) -> Seen:
    cursor_text = _newest(kafka, topics.POLL, f"{channel}/{CATALOGUE}")
    cursor = None if cursor_text is None else _cursor(cursor_text)
    position = None if cursor is None else position_of(cursor)
    if cursor is not None and position is not None:
        found = _tallied(kafka, channel, cursor.sweep, position.began_ms, json=json)
        phase = "it is being said" if position.settling_ms is None else "all is said, outcomes are awaited"
        return Seen(connection=channel, phase=phase, said=position.said, report=found)
    last = _newest(kafka, topics.REVIEW, report_key(channel))
    ended = None if last is None else _reported(last)
    if cursor is not None and cursor.due_ms <= _now_ms():
        return Seen(connection=channel, phase="about to begin (if a poller runs)", report=ended)
    following = None if cursor is None else options.utc(cursor.due_ms)
    if ended is None:
        return Seen(connection=channel, phase="it was never told again", next=following)
    if not is_complete(ended) and ended.began_ms > _now_ms() - OUTCOMES_KEPT_MS:
        ended = _tallied(kafka, channel, ended.run, ended.began_ms, json=json)  # what was left may have come
    return Seen(connection=channel, phase="it has ended", said=1.0, complete=is_complete(ended), next=following, report=ended)


def _newest(kafka: KafkaSettings, topic: str, key: str) -> bytes | None:
    """The value of a register."""
    for record in read.last(confluent(kafka), topic, read.Filter(key=key), 1):
        value = record.value()
        return value if isinstance(value, bytes) else None
    return None


def _tallied(kafka: KafkaSettings, channel: str, run: str, began_ms: int, *, json: bool) -> CatalogueReported:
    tally = Tally(kafka, channel, began_ms)
    with options.progress("outcomes", quiet=json) as on_read:
        while not tally.look(within_s=LOOK_S, on_read=on_read):
            pass
    return report(tally, run, _now_ms())


def _show(seen: Seen) -> None:
    found = seen.report
    rows: list[tuple[str, object]] = [("phase", seen.phase), ("said", None if seen.said is None else f"{seen.said:.0%}")]
    if found is not None:
        rows += [("run", found.run), ("began", options.utc(found.began_ms)), ("as of", options.utc(found.at_ms))]
        rows += [("offers", found.offers), ("taken", found.taken), ("left", found.left)]
        rows += [("missing", found.missing_count), ("refused", found.refused_count)]
    rows += [("complete", "yes" if seen.complete else "no"), ("next", seen.next)]
    options.table(f"Catalogue of {seen.connection}", ["", ""], rows)
    if found is not None and (found.missing or found.refused):
        reasons = [(sku, "missing", "the channel does not know it: make it there, or give the offer our SKU") for sku in found.missing]
        reasons += [(sku, "refused", reason) for sku, reason in found.refused.items()]
        options.table(f"The first {len(reasons)}", ["sku", "is", "reason"], reasons)


def _now_ms() -> int:
    return int(time.time() * 1_000)
