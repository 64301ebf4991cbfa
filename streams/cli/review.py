"""`stockwire review`: what needs a person, and to say that it is settled."""

import time

import click
import msgspec

from streams import review
from streams.cli import options
from streams.cli.failed import FailedError
from streams.matter import Matter
from streams.settings import KafkaSettings


@click.group("review")
def command() -> None:
    """What needs a person (`review.v1`), and what can be done."""


@command.command()
@click.option("-n", "--count", type=click.IntRange(1), default=50, show_default=True, help="How many of the newest.")
@options.kafka
@options.as_json
def ls(count: int, kafka: KafkaSettings, *, json: bool) -> None:
    """What is open, newest first."""
    with options.progress("matters", quiet=json) as on_read:
        found = review.open_matters(kafka, count, on_read)
    if json:
        for one in found.matters:
            options.line(one)
        return
    rows = [(options.utc(one.since_ms), one.key, one.what, one.todo) for one in found.matters]
    shown = f"{found.count} open" if found.count == len(rows) else f"{found.count} open, the newest {len(rows)} of them (-n shows more)"
    options.table(shown, ["since", "key", "what it is", "what can be done"], rows)


@command.command()
@click.argument("key")
@options.kafka
@options.as_json
def show(key: str, kafka: KafkaSettings, *, json: bool) -> None:
    """All of one matter. KEY as `ls` shows it."""
    found = _there(kafka, key, json=json)
    if json:
        options.line(found)
        return
    for name, text in (
        ("key", found.key),
        ("kind", found.kind),
        ("since", options.utc(found.since_ms)),
        ("what", found.what),
        ("do", found.todo),
    ):
        click.echo(f"{name + ':':<7}{text}")
    click.echo(msgspec.json.format(bytes(found.value), indent=2).decode())


@command.command()
@click.argument("key")
@click.option("--note", default="", metavar="TEXT", help="Why it is settled; stands in audit.v1.")
@options.by
@options.kafka
@options.as_json
def resolve(key: str, note: str, by: str, kafka: KafkaSettings, *, json: bool) -> None:
    """Say that a matter is settled: it goes from the list, and audit.v1 says who did that and when. What comes anew is listed anew."""
    found = _there(kafka, key, json=json)
    review.resolve(kafka, found, by=by, note=note, at_ms=int(time.time() * 1_000))
    options.line({"resolved": key, "by": by, "note": note}) if json else click.echo(f"{key}: resolved")


def _there(kafka: KafkaSettings, key: str, *, json: bool) -> Matter:
    with options.progress("matters", quiet=json) as on_read:
        found = review.matter(kafka, key, on_read)
    if found is None:
        raise FailedError(f"nothing is open under {key!r}; `stockwire review ls` shows what is")
    return found
