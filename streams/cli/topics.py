"""`stockwire topics`: make the topics, look into them, write a record by hand."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import click
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams import read
from streams import topics as declared
from streams.cli import options
from streams.cli.failed import FailedError
from streams.kafka_client import confluent
from streams.read import Filter
from streams.settings import KafkaSettings, Settings


@click.group("topics")
def command() -> None:
    """Make the topics, and look into the flow."""


@command.command()
@options.settings
@options.as_json
def ls(settings: Settings, *, json: bool) -> None:
    """All topics: those that the configuration needs, and whatever else is there. Exit code 1 if one is missing or differs."""
    wanted = {topic.name: topic for topic in declared.topics(settings)}
    rows = _survey(AdminClient(confluent(settings.kafka)), wanted, embedded=settings.kafka.embedded)
    if json:
        for row in rows:
            options.line(row)
    else:
        cells = [(row["topic"], row["partitions"], row["records"], row["cleanup"], row["state"]) for row in rows]
        options.table(f"Topics at {settings.kafka.bootstrap}", ["topic", "partitions", "records", "cleanup", "state"], cells)
    if any(row["state"] not in {"ok", "not ours"} for row in rows):
        raise FailedError(
            "some topics are missing or differ; `stockwire topics create` makes the missing ones, the others are yours to change"
        )


@command.command()
@options.settings
@options.as_json
def create(settings: Settings, *, json: bool) -> None:
    """Make what is missing. What is there is never changed: differences are shown, and are exit code 1."""
    wanted, kafka = declared.topics(settings), settings.kafka
    if kafka.embedded:
        declared.touch(kafka.bootstrap, wanted)
        made = [declared.Made(name=topic.name, created=True) for topic in wanted]
    else:
        made = declared.create(kafka.bootstrap, wanted, replication=kafka.replication, client=confluent(kafka))
    if json:
        for one in made:
            options.line(one)
    else:
        rows = [(one.name, "created" if one.created else "; ".join(one.differences) or "as it should be") for one in made]
        options.table(f"Topics at {kafka.bootstrap}", ["topic", "result"], rows)
    differing = [one.name for one in made if one.differences]
    if differing:
        raise FailedError(f"differ from what they should be: {', '.join(differing)}; nothing was changed")


@command.command()
@click.argument("topic")
@options.wanted
@click.option("-n", "--count", type=click.IntRange(1), default=10, show_default=True, help="How many of the newest.")
@options.kafka
@options.as_json
def peek(topic: str, wanted: Filter, count: int, kafka: KafkaSettings, *, json: bool) -> None:
    """The newest records of TOPIC, oldest first. Reads outside any consumer group."""
    for record in read.last(confluent(kafka), topic, wanted, count):
        _show(record, json=json)


@command.command()
@click.argument("topic")
@options.wanted
@click.option("-n", "--count", type=click.IntRange(1), help="End after so many. Default: at Ctrl-C.")
@options.kafka
@options.as_json
def tail(topic: str, wanted: Filter, count: int | None, kafka: KafkaSettings, *, json: bool) -> None:
    """Records of TOPIC as they arrive, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        for record in islice(read.follow(confluent(kafka), topic, wanted), count):
            _show(record, json=json)


@command.command()
@click.argument("topic")
@click.argument("value", required=False)
@click.option("--key", help="The key; it chooses the partition as all our writers do.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header; may be repeated.")
@options.kafka
@options.as_json
def send(topic: str, value: str | None, key: str | None, *, headers: tuple[str, ...], kafka: KafkaSettings, json: bool) -> None:  # noqa: PLR0913  # one per option
    """Write one record to TOPIC: VALUE, or the standard input when VALUE is left out or "-"."""
    given = options.pairs(headers, "--header")
    body = sys.stdin.buffer.read() if value in (None, "-") else str(value).encode()
    record = _write(confluent(kafka), topic, key, body, given)
    place = {"topic": record.topic(), "partition": record.partition(), "offset": record.offset()}
    options.line(place) if json else click.echo(f"written: {topic}-{place['partition']}-{place['offset']}")


def _write(client: declared.Client, topic: str, key: str | None, value: bytes, headers: Mapping[str, str]) -> Message:
    # Java's partitioner, as Kafka Streams, Faust and aiokafka have it; librdkafka's own would choose another partition.
    producer = Producer({**client, "partitioner": "murmur2_random", "acks": "all", "message.timeout.ms": int(declared.ASK_WITHIN_S * 1000)})
    if topic not in producer.list_topics(timeout=declared.ASK_WITHIN_S).topics:
        raise FailedError(f"{topic}: no such topic; `stockwire topics ls` names them")
    refusals, records = list[object](), list[Message]()
    producer.produce(
        topic,
        value,
        key,
        headers=[(name, text) for name, text in headers.items()],
        on_delivery=lambda refusal, record: refusals.append(refusal) if refusal else records.append(record),
    )
    producer.flush(declared.ASK_WITHIN_S)
    if not records:
        raise FailedError(f"{topic}: not written: {refusals or 'Kafka did not answer'}")
    return records[0]


def _survey(admin: AdminClient, wanted: dict[str, declared.Topic], *, embedded: bool) -> list[dict[str, Any]]:
    present = admin.list_topics(timeout=declared.ASK_WITHIN_S).topics
    others = [name for name in sorted(present) if name not in wanted and not name.startswith("__")]
    differences = declared.compare(admin, list(wanted.values()), embedded=embedded)
    records = _records(admin, {name: list(topic.partitions) for name, topic in present.items()})
    rows = [_row(name, present, records, wanted[name].config["cleanup.policy"], _state(differences.get(name))) for name in wanted]
    return rows + [_row(name, present, records, None, "not ours") for name in others]


def _row(name: str, present: dict[str, Any], records: dict[str, int], cleanup: str | None, state: str) -> dict[str, Any]:
    partitions = len(present[name].partitions) if name in present else None
    return {"topic": name, "partitions": partitions, "records": records.get(name), "cleanup": cleanup, "state": state}


def _state(differences: list[str] | None) -> str:
    if differences is None:
        return "missing"
    return "; ".join(differences) or "ok"


def _records(admin: AdminClient, partitions: dict[str, list[int]]) -> dict[str, int]:
    """End minus beginning: compacted away records count too."""
    places = [TopicPartition(topic, part) for topic, parts in partitions.items() for part in parts]
    found = dict.fromkeys(partitions, 0)
    for sign, moment in ((1, declared.LATEST), (-1, declared.EARLIEST)):
        for place, answer in (admin.list_offsets(dict.fromkeys(places, moment)) if places else {}).items():
            found[place.topic] += sign * answer.result(declared.ASK_WITHIN_S).offset
    return found


def _show(record: Message, *, json: bool) -> None:
    found = read.plain(record)
    if json:
        options.line(found)
        return
    headers = " ".join(f"{name}={value}" for name, value in found["headers"].items())
    click.secho(f"{found['time']}  {record.partition()}-{record.offset()}  {found['key'] or '-'}  {headers}", bold=True)
    value = record.value()
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else "(no value: deleted)"
    click.echo(f"  {text}")
