"""`stockwire dead redrive`: try dead letters again, once each."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from models.topics import DEAD
from streams import read
from streams.cli import options
from streams.cli.failed import FailedError
from streams.letter import Letter
from streams.redrive import Plan, choose, plan, redrive
from streams.settings import KafkaSettings

SHOWN = 100
PLACE = re.compile(rf"(?:{re.escape(DEAD)}-)?(\d+)-(\d+)")
COLUMNS = ["id", "error", "key", "from", "to", "hops", "what"]


@click.command("redrive")
@click.option("--where", multiple=True, metavar="NAME=VALUE", help="Only letters with this header; may be repeated.")
@click.option("--error", metavar="ERROR", help="Only letters with this error, as `ls` shows it, for instance PoisonError.")
@click.option("--connection", metavar="NAME", help="Only letters of this connection.")
@click.option("--key", help="Only letters with this key.")
@click.option("--since", metavar="TIME", help="Only since then: 15m, 2h, 1d ago, or 2026-01-31T08:00:00Z.")
@click.option(
    "--ids", multiple=True, metavar="ID[,ID...]", help="Only these letters, PARTITION-OFFSET as `ls` shows them; may be repeated."
)
@click.option("--rate", type=click.FloatRange(min=0.1), default=100.0, show_default=True, help="At most so many a second.")
@click.option("--dry-run", is_flag=True, help="Show what would go where, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.by
@options.kafka
@options.as_json
def command(  # noqa: PLR0913  # the command's options
    kafka: KafkaSettings,
    *,
    where: tuple[str, ...],
    error: str | None,
    connection: str | None,
    key: str | None,
    since: str | None,
    ids: tuple[str, ...],
    rate: float,
    dry_run: bool,
    yes: bool,
    by: str,
    json: bool,
) -> None:
    """Write letters back to where they came from: original bytes and key, the letters of a key in their old order, each once.

    It may be killed and run again: what was written is found, nothing is written twice or left out. A letter that dies again is a
    new letter with one more hop; after 10 it is left. A number that a channel did not take is not written again: the stock
    agent says the one that holds now. What is done, by whom and when stands in audit.v1.
    """
    wanted = _wanted(where, error=error, connection=connection, key=key, since=since)
    places = _places(ids)
    with options.progress("dead letters", quiet=json) as on_read:
        letters = choose(kafka, wanted, places, on_read)
    with options.progress("what was done", quiet=json) as on_read:
        found = plan(kafka, letters, on_read)
    if dry_run or not (yes and json):
        _show(found, json=json)
    if dry_run:
        return
    if letters and (yes or (found.due and click.confirm(f"Write these {len(found.due)} letters again?", err=True))):
        _redrive(kafka, letters, found, by=by, chosen=_said(wanted, ids), per_s=rate, json=json)
    else:
        click.echo("nothing is written", err=True)


def _wanted(where: tuple[str, ...], *, error: str | None, connection: str | None, key: str | None, since: str | None) -> read.Filter:
    named = {"dead_error": error, "connection": connection}
    headers = {**options.pairs(where, "--where"), **{name: value for name, value in named.items() if value is not None}}
    try:
        since_ms = None if since is None else read.moment(since)
    except ValueError as problem:
        raise click.UsageError(f"--since: {problem}") from problem
    return read.Filter(key=key, headers=headers, since_ms=since_ms)


def _places(ids: tuple[str, ...]) -> list[tuple[int, int]]:
    found = []
    for text in (part for given in ids for part in re.split(r"[,\s]+", given) if part):
        place = PLACE.fullmatch(text)
        if place is None:
            raise click.UsageError(f"--ids {text!r}: expected PARTITION-OFFSET as `stockwire dead ls` shows it, for instance 3-120")
        found.append((int(place[1]), int(place[2])))
    return found


def _said(wanted: read.Filter, ids: tuple[str, ...]) -> str:
    """The choice in words, for those who read what was done."""
    parts = [f"{name}={value}" for name, value in wanted.headers.items()]
    parts += [] if wanted.key is None else [f"key {wanted.key}"]
    parts += [] if wanted.since_ms is None else [f"since {options.utc(wanted.since_ms)}"]
    parts += [f"ids {','.join(ids)}"] if ids else []
    return ", ".join(parts) or "all"


def _redrive(  # noqa: PLR0913  # what the command was given
    kafka: KafkaSettings, letters: list[Letter], found: Plan, *, by: str, chosen: str, per_s: float, json: bool
) -> None:
    with _progress(len(found.due), quiet=json) as (on_written, say):
        ended = redrive(
            kafka,
            letters,
            by=by,
            chosen=chosen,
            per_s=per_s,
            on_written=on_written,
            on_wait=lambda: say("waiting: another redrive runs, or was killed a moment ago"),
        )
    left = Counter(letter.problem for letter in found.left)
    if json:
        options.line({"run": ended.run, "written": ended.written, "found": ended.found, "gone": ended.gone, "left": len(found.left)})
    else:
        earlier = f", {ended.found} were written by a run that was broken off" if ended.found else ""
        click.echo(
            f"{ended.written} letters written again{earlier}; {len(found.done)} were before, {sum(left.values())} are left as they are"
        )
    if ended.gone:
        raise FailedError(f"{ended.gone} letters are no longer in {DEAD}: they were older than it keeps them")


@contextmanager
def _progress(due: int, *, quiet: bool) -> Iterator[tuple[Any, Any]]:
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("writing again", total=due)
        yield lambda: bar.advance(task), lambda text: bar.update(task, description=text)


def _show(found: Plan, *, json: bool) -> None:
    """What is to be written, in this order, then what is left; of what was written before only the number."""
    rows = [_row(letter, "write") for letter in found.due]
    rows += [_row(letter, f"leave: {letter.problem}") for letter in found.left]
    if json:
        for row in [*rows, *(_row(letter, "written before") for letter in found.done)]:
            options.line(row)
        return
    title = f"{len(found.due)} letters to write again, {len(found.left)} to leave, {len(found.done)} written before"
    options.table(title, COLUMNS, [[row[name] for name in COLUMNS] for row in rows[:SHOWN]])
    if len(rows) > SHOWN:
        click.echo(f"and {len(rows) - SHOWN} more; --dry-run --json shows all")


def _row(letter: Letter, what: str) -> Mapping[str, Any]:
    return {
        "id": f"{letter.place.partition}-{letter.place.offset}",
        "time": options.utc(letter.time_ms),
        "error": letter.error,
        "key": None if letter.key is None else letter.key.decode(errors="backslashreplace"),
        "from": None if letter.origin is None else str(letter.origin),
        "to": letter.to,
        "hops": letter.hops,
        "what": what,
    }
