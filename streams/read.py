"""Looking into topics from outside any consumer group: nothing is committed, nobody is disturbed."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from confluent_kafka import OFFSET_END, Consumer, KafkaError, Message, TopicPartition

from models.errors import StockwireError
from streams.topics import ASK_WITHIN_S, Client

POLL_S = 0.5
LOOK_BACK_RECORDS = 5_000
SPAN = re.compile(r"(\d+)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What of a topic is wanted. `headers`: each must be there with this value. `since_ms`: Unix ms, by the record's time."""

    key: str | None = None
    headers: Mapping[str, str] = {}
    since_ms: int | None = None

    def takes(self, record: Message) -> bool:
        """Whether the record is wanted."""
        found = headers_of(record)
        return (
            (self.key is None or key_of(record) == self.key)
            and all(found.get(name) == value for name, value in self.headers.items())
            and (self.since_ms is None or record.timestamp()[1] >= self.since_ms)
        )

    @property
    def narrow(self) -> bool:
        """Whether records must be looked at one by one."""
        return self.key is not None or bool(self.headers)


def last(client: Client, topic: str, wanted: Filter, count: int) -> list[Message]:
    """The newest `count` records that the filter takes, oldest first. Raises `StockwireError` when there is no such topic."""
    with closing(_consumer(client)) as consumer:
        ends = _ends(consumer, topic)
        if wanted.since_ms is None:
            back = None if wanted.narrow else count
            starts = {part: low if back is None else max(low, high - back) for part, (low, high) in ends.items()}
        else:
            starts = _since(consumer, topic, ends, wanted.since_ms)
        _assign(consumer, topic, starts)
        found = {part: deque[Message](maxlen=count) for part in ends}
        for record in _until_ends(consumer, {part: high for part, (low, high) in ends.items() if high > low}):
            if wanted.takes(record):
                found[record.partition() or 0].append(record)
    newest = sorted((record for records in found.values() for record in records), key=_moment)
    return newest[-count:]


def follow(client: Client, topic: str, wanted: Filter) -> Iterator[Message]:
    """What arrives from now on (or since `since_ms`), without end."""
    with closing(_consumer(client)) as consumer:
        ends = _ends(consumer, topic)
        since_ms = wanted.since_ms
        _assign(consumer, topic, dict.fromkeys(ends, OFFSET_END) if since_ms is None else _since(consumer, topic, ends, since_ms))
        while True:
            record = consumer.poll(POLL_S)
            if record is not None and _usable(record) and wanted.takes(record):
                yield record


def one(client: Client, topic: str, partition: int, offset: int) -> Message:
    """The record at exactly this place. Raises `StockwireError` when it is not there (any more)."""
    with closing(_consumer(client)) as consumer:
        low, high = _ends(consumer, topic).get(partition, (0, 0))
        if not low <= offset < high:
            raise StockwireError(
                f"{topic}-{partition} has no record {offset}: it holds {low} to {high - 1}" if high > low else f"{topic}: empty"
            )
        consumer.assign([TopicPartition(topic, partition, offset)])
        for record in _until_ends(consumer, {partition: offset + 1}):
            if record.offset() == offset:
                return record
    raise StockwireError(f"{topic}-{partition} has no record {offset} any more")


def plain(record: Message) -> dict[str, Any]:
    """The record as plain data: JSON values stand as they are, digits untouched; other bytes as text."""
    value = record.value()
    return {
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "time": datetime.fromtimestamp(record.timestamp()[1] / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "key": key_of(record),
        "headers": headers_of(record),
        "value": msgspec.Raw(value) if value is not None and _is_json(value) else _text(value),
    }


def key_of(record: Message) -> str | None:
    """The key as text."""
    return _text(record.key())


def headers_of(record: Message) -> dict[str, str | None]:
    """The headers as text; of a name given twice the last."""
    return {name: _text(value) for name, value in dict(record.headers() or []).items()}


def moment(text: str) -> int:
    """Unix ms of `15m` (so long ago; s, m, h, d) or of an RFC 3339 time. Raises `ValueError` with what is accepted."""
    span = SPAN.fullmatch(text)
    if span:
        found = datetime.now(UTC) - timedelta(**{UNITS[span[2]]: int(span[1])})
    else:
        try:
            found = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is neither a time such as 2026-01-31T08:00:00Z nor a span such as 15m, 2h, 1d") from error
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000)


def _consumer(client: Client) -> Consumer:
    own = {"group.id": "stockwire-look", "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest"}
    return Consumer({**client, **own})


def _ends(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """First offset and the one after the last, per partition."""
    metadata = consumer.list_topics(timeout=ASK_WITHIN_S).topics.get(topic)
    if metadata is None:
        raise StockwireError(f"{topic}: no such topic; `stockwire topics ls` names them")
    return {part: consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=ASK_WITHIN_S) for part in metadata.partitions}


def _since(consumer: Consumer, topic: str, ends: Mapping[int, tuple[int, int]], since_ms: int) -> dict[int, int]:
    """The offsets of the first records since then, or a little before: the filter looks at each again."""
    starts = {}
    for place in consumer.offsets_for_times([TopicPartition(topic, part, since_ms) for part in ends], timeout=ASK_WITHIN_S):
        low, high = ends[place.partition]
        # Below 0: nothing since then - or the embedded broker, which knows no times.
        starts[place.partition] = place.offset if place.offset >= 0 else max(low, high - LOOK_BACK_RECORDS)
    return starts


def _assign(consumer: Consumer, topic: str, starts: Mapping[int, int]) -> None:
    """Once per consumer: a second assignment right after the first may lose against it."""
    consumer.assign([TopicPartition(topic, part, offset) for part, offset in starts.items()])


def _until_ends(consumer: Consumer, ends: dict[int, int]) -> Iterator[Message]:
    """Records up to the ends as they were when asked; a topic that keeps growing does not hold us."""
    open_parts = dict(ends)
    while open_parts:
        record = consumer.poll(ASK_WITHIN_S)
        if record is None:
            raise StockwireError(f"Kafka sent nothing for {ASK_WITHIN_S:.0f} s; is it running?")
        part, offset = record.partition() or 0, record.offset() or 0
        if _usable(record) and part in open_parts and offset < ends[part]:
            yield record
        if part in open_parts and (record.error() is not None or offset >= ends[part] - 1):
            del open_parts[part]


def _usable(record: Message) -> bool:
    error = record.error()
    if error is None:
        return True
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for "nothing more yet"
        return False
    raise StockwireError(f"reading failed: {error.str()}")


def _moment(record: Message) -> tuple[int, int, int]:
    return record.timestamp()[1], record.partition() or 0, record.offset() or 0


def _text(value: str | bytes | None) -> str | None:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def _is_json(value: str | bytes) -> bool:
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
