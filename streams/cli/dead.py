"""`stockwire dead`: what could not be used, and why."""

import re
from typing import Any

import click

from models.topics import DEAD
from streams import read
from streams.cli import options
from streams.kafka_client import confluent
from streams.settings import KafkaSettings

PLACE = re.compile(r"(\d+)-(\d+)")


@click.group("dead")
def command() -> None:
    """What could not be used (`dead.v1`): the original bytes, and why."""


@command.command()
@options.wanted
@click.option("-n", "--count", type=click.IntRange(1), default=50, show_default=True, help="How many of the newest.")
@options.kafka
@options.as_json
def ls(wanted: read.Filter, count: int, kafka: KafkaSettings, *, json: bool) -> None:
    """The newest dead letters, oldest first; `id` is what `show` wants. `--header connection=NAME` picks one connection."""
    rows = [_row(read.plain(record)) for record in read.last(confluent(kafka), DEAD, wanted, count)]
    if json:
        for row in rows:
            options.line(row)
    else:
        columns = ["id", "time", "error", "key", "from", "reason"]
        options.table(f"{len(rows)} dead letters", columns, [[row[name] for name in columns] for row in rows])


@command.command()
@click.argument("letter", metavar="ID")
@options.kafka
@options.as_json
def show(letter: str, kafka: KafkaSettings, *, json: bool) -> None:
    """One dead letter whole. ID as `ls` shows it: PARTITION-OFFSET."""
    place = PLACE.fullmatch(letter)
    if place is None:
        raise click.UsageError(f"{letter!r}: expected PARTITION-OFFSET as `stockwire dead ls` shows it, for instance 3-120")
    record = read.one(confluent(kafka), DEAD, int(place[1]), int(place[2]))
    found = read.plain(record)
    if json:
        options.line(found)
        return
    for name, value in _row(found).items():
        click.echo(f"{name + ':':<12}{'' if value is None else value}")
    for name, value in found["headers"].items():
        if not name.startswith("dead_"):
            click.echo(f"  {name} = {value}")
    if exchange := found["headers"].get("dead_exchange"):
        click.echo(f"exchange:   {exchange}")
    value = record.value()
    click.echo(value.decode(errors="backslashreplace") if isinstance(value, bytes) else "(no value)")


def _row(found: dict[str, Any]) -> dict[str, Any]:
    headers = found["headers"]
    origin = "-".join(headers[name] for name in ("dead_topic", "dead_partition", "dead_offset") if headers.get(name))
    return {
        "id": f"{found['partition']}-{found['offset']}",
        "time": found["time"],
        "error": headers.get("dead_error"),
        "key": found["key"],
        "from": origin or headers.get("dead_agent"),
        "reason": headers.get("dead_reason"),
    }
