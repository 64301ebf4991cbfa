"""`stockwire dead`: what could not be used, why, and how to try it again."""

from typing import Any

import click
from confluent_kafka import Message

from models.audit import LetterRedriven
from models.topics import DEAD
from streams import audit, read, redrive, scan
from streams.cli import options
from streams.cli import redrive as again
from streams.kafka_client import confluent
from streams.settings import KafkaSettings


@click.group("dead")
def command() -> None:
    """What could not be used (`dead.v1`): the original bytes, and why; and to try it again."""


command.add_command(again.command)


@command.command()
@options.wanted
@click.option("-n", "--count", type=click.IntRange(1), default=50, show_default=True, help="How many of the newest.")
@options.kafka
@options.as_json
def ls(wanted: read.Filter, count: int, kafka: KafkaSettings, *, json: bool) -> None:
    """The newest dead letters, oldest first; `id` is what `show` wants. `--header connection=NAME` picks one connection."""
    records = read.last(confluent(kafka), DEAD, wanted, count)
    redriven = _redriven(kafka, records)
    rows = [_row(record, redriven) for record in records]
    if json:
        for row in rows:
            options.line(row)
    else:
        columns = ["id", "time", "error", "key", "from", "reason", "hops", "redriven"]
        cells = [[_redriven_said(row["redriven"]) if name == "redriven" else row[name] for name in columns] for row in rows]
        options.table(f"{len(rows)} dead letters", columns, cells)


@command.command()
@click.argument("letter", metavar="ID")
@options.kafka
@options.as_json
def show(letter: str, kafka: KafkaSettings, *, json: bool) -> None:
    """One dead letter whole. ID as `ls` shows it: PARTITION-OFFSET."""
    place = again.PLACE.fullmatch(letter)
    if place is None:
        raise click.UsageError(f"{letter!r}: expected PARTITION-OFFSET as `stockwire dead ls` shows it, for instance 3-120")
    record = read.one(confluent(kafka), DEAD, int(place[1]), int(place[2]))
    found, row = read.plain(record), _row(record, _redriven(kafka, [record]))
    if json:
        options.line(found | {name: row[name] for name in ("hops", "redriven")})
        return
    done = row.pop("redriven")
    for name, value in (row | {"redriven": done and f"{_redriven_said(done)} to {done.to}"}).items():
        click.echo(f"{name + ':':<12}{'' if value is None else value}")
    for name, value in found["headers"].items():
        if not name.startswith("dead_"):
            click.echo(f"  {name} = {value}")
    if exchange := found["headers"].get("dead_exchange"):
        click.echo(f"exchange:   {exchange}")
    value = record.value()
    click.echo(value.decode(errors="backslashreplace") if isinstance(value, bytes) else "(no value)")


def _redriven(kafka: KafkaSettings, records: list[Message]) -> dict[str, LetterRedriven]:
    """Which of the letters were written again, by what must not be written twice."""
    letters = [redrive.read_letter(record) for record in records]
    if not letters:
        return {}
    with scan.reader(confluent(kafka)) as consumer:
        return audit.books(consumer, min(one.time_ms for one in letters), {one.record for one in letters}).redriven


def _row(record: Message, redriven: dict[str, LetterRedriven]) -> dict[str, Any]:
    found, letter = read.plain(record), redrive.read_letter(record)
    headers = found["headers"]
    done = redriven.get(letter.record)
    return {
        "id": f"{found['partition']}-{found['offset']}",
        "time": found["time"],
        "error": headers.get("dead_error"),
        "key": found["key"],
        "from": str(letter.origin or headers.get("dead_agent") or "") or None,
        "reason": headers.get("dead_reason"),
        "hops": letter.hops,
        "redriven": done,
    }


def _redriven_said(done: LetterRedriven | None) -> str | None:
    return None if done is None else f"{options.utc(done.at_ms)} by {done.by}"
