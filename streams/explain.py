"""Kafka ─▶ the story of one SKU: its partition of the facts, its rows in the table's changelog, and the outcomes of its numbers.

Reads outside any consumer group and only the partition of the key. Nearly all records there are of other keys: they are
known by their raw key and never decoded.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from msgspec.structs import replace

from agents.explain.replay import Replay, Table, Unusable
from agents.explain.step import Became, Begin, End, Step
from agents.explain.words import concerns
from agents.stock.correction import SWEEP
from models import topics
from models.agent import Record
from models.codec import Decoder
from models.config import StockConfig
from models.errors import PoisonError, StockwireError
from models.facts import StockFact
from models.message import ConfigRow
from models.outcome import AnyOutcome, Done, Refused, Superseded
from models.stock_row import StockRow, SweepRow
from streams.configure import stock_config
from streams.engine.intake import CONFIG_KEY, TICK_KEY, Intake, Poison
from streams.engine.table_agent import TICK_SLICE
from streams.kafka_client import confluent
from streams.receiver.commit import partition_of
from streams.settings import Settings
from streams.topics import ASK_WITHIN_S, Client, changelog_topic, group

AT_ONCE = 10_000
GATHER_S = 0.2
"""How long to wait for so many."""

FETCH: Client = {
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "fetch.message.max.bytes": 16 * 1024 * 1024,
    "fetch.max.bytes": 64 * 1024 * 1024,
    "queued.min.messages": 200_000,
    "queued.max.messages.kbytes": 128 * 1024,
}
"""librdkafka's own are meant for many small partitions; `group.id` is set by each use."""

TABLE = "stock"
"""The stock agent, and its table."""

_decode_row = msgspec.json.Decoder(StockRow).decode
_decode_sweeps = msgspec.json.Decoder(SweepRow).decode
_decode_told = msgspec.json.Decoder(ConfigRow).decode

Progress = Callable[[str, int, int], None]
"""Told the topic, how many records were looked at so far, and how many there are."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """`begin`, `steps` and `end`, as they are shown."""

    begin: Begin
    steps: tuple[Step, ...]
    end: End


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Offsets `first` to before `end` of one partition."""

    topic: str
    partition: int
    first: int
    end: int


def explain_sku(settings: Settings, sku: str, *, since_ms: int | None, channel: str | None, progress: Progress) -> Story:
    """The story of `sku`; its steps since `since_ms` (None: all that are kept), only those that concern `channel` if given.

    Raises `StockwireError` when a topic is missing or Kafka sends nothing.
    """
    client = confluent(settings.kafka)
    key = sku.encode()
    with closing(_consumer(client)) as consumer:
        span = _span(consumer, topics.FACT_STOCK, key, since_ms)
        done = _committed(client, span)
        begins = _sequence(settings, span.first)
        table = _table(consumer, sku, begins=begins, done=_sequence(settings, done), progress=progress)
        config = stock_config(settings)
        replay = Replay(sku, table, config, begins=begins, whole=span.first == 0 and not settings.kafka.epoch)
        for record in _records(consumer, settings, span, sku, progress):
            replay.take(record)
        steps, end = replay.end()
        older, newer = _parted(steps, since_ms)
        shown = [step for step in newer if channel is None or _concerns(step, channel, config)]
        became = _outcomes(consumer, shown, channel, key, progress)
    rows = [step.row for step in older if step.row is not None]
    begin = Begin(
        sku=sku,
        topic=span.topic,
        partition=span.partition,
        first_offset=older[-1].offset + 1 if older else span.first,
        end_offset=span.end,
        row_known=older[-1].exact if older else replay.row_known,
        row=rows[-1] if rows else replay.first_row,
        notes=end.notes,
    )
    return Story(begin=begin, steps=tuple(_joined(step, became, channel) for step in shown), end=end)


def _parted(steps: list[Step], since_ms: int | None) -> tuple[list[Step], list[Step]]:
    """Those before the moment, which a broker that knows no times gives as well, and those to be shown."""
    first = 0 if since_ms is None else next((at for at, step in enumerate(steps) if step.time_ms >= since_ms), len(steps))
    return steps[:first], steps[first:]


def _joined(step: Step, became: dict[tuple[str, int], list[Became]], channel: str | None) -> Step:
    """The step with what became of its numbers, of one channel if given."""
    said = tuple(
        replace(one, became=tuple(replace(was, after_ms=was.time_ms - step.time_ms) for was in became.get((one.channel, one.sequence), ())))
        for one in step.said
        if channel in (None, one.channel)
    )
    return replace(step, said=said, silent={name: why for name, why in step.silent.items() if channel in (None, name)})


def _concerns(step: Step, channel: str, config: StockConfig) -> bool:
    places = config.channels[channel].places if channel in config.channels else ()
    return concerns(step, channel, places)


def _sequence(settings: Settings, offset: int) -> int:
    return (settings.kafka.epoch << 40) + offset


def _consumer(client: Client, group_id: str = "stockwire-look") -> Consumer:
    return Consumer({**client, **FETCH, "group.id": group_id})


def _span(consumer: Consumer, topic: str, key: bytes, since_ms: int | None) -> Span:
    """The partition of the key, from then on or from its oldest record; the latter also where the broker knows no times."""
    metadata = consumer.list_topics(topic, timeout=ASK_WITHIN_S).topics.get(topic)
    if metadata is None or metadata.error is not None or not metadata.partitions:
        raise StockwireError(f"{topic}: no such topic; `stockwire topics create` makes what is missing")
    partition = partition_of(key, len(metadata.partitions))
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ASK_WITHIN_S)
    first = low
    if since_ms is not None:
        found = _offset_at(consumer, topic, partition, since_ms)
        if found is not None:
            first = found
        elif _offset_at(consumer, topic, partition, 0) is not None:  # so times are known, and nothing was written since then
            first = high
    return Span(topic=topic, partition=partition, first=first, end=high)


def _offset_at(consumer: Consumer, topic: str, partition: int, time_ms: int) -> int | None:
    """Of the first record at or after the time. None: there is none - or the embedded broker, which knows no times."""
    offset = consumer.offsets_for_times([TopicPartition(topic, partition, time_ms)], timeout=ASK_WITHIN_S)[0].offset
    return None if offset < 0 else offset


def _committed(client: Client, span: Span) -> int:
    """Up to which offset the worker has surely worked; asking does not join its group."""
    with closing(_consumer(client, group("worker"))) as consumer:
        try:
            place = consumer.committed([TopicPartition(span.topic, span.partition)], timeout=ASK_WITHIN_S)[0]
        except KafkaException:  # the embedded broker forgets groups; then nothing is certain
            return 0
    return max(0, place.offset)


def table_of(records: Iterable[tuple[bytes, bytes]], sku: str, *, begins: int, done: int = 0) -> Table:
    """What keys and values of a partition of the changelog, in order, say of the SKU and of the partition as a whole.

    `begins` and `done` are sequences: of the first record of the story, and of the first that may not be in the table yet.

    An older row behind a newer one was written by an owner that had lost the partition: as in recovery, it does not count.
    """
    key = sku.encode()
    keys: set[bytes] = set()
    rows: list[StockRow] = []
    shared, told, latest = dict[str, Any](), ConfigRow(), ConfigRow()
    for found, value in records:
        keys.add(found)
        if found == key and value:
            row = _decode_row(value)
            while rows and rows[-1].at == row.at:
                rows.pop()
            if not rows or row.at > rows[-1].at:
                rows.append(row)
        elif found == SWEEP.encode() and value:
            shared[SWEEP] = _decode_sweeps(value)
        elif found == CONFIG_KEY.encode() and value:
            latest = _decode_told(value)
            told = latest if latest.at < begins else told
    others = [other for other in keys if not other.startswith(b"@")]
    said_up_to = None if told.said_up_to is None else told.said_up_to.encode()
    untold = 0 if said_up_to is None else sum(said_up_to < other < key for other in others)
    return Table(
        rows=tuple(rows),
        shared=shared,
        config=_config_of(told),
        digest=told.digest,
        told_in=None if said_up_to is None or key <= said_up_to else untold // TICK_SLICE + 1,
        latest=_config_of(latest),
        before=sum(other < key for other in others),
        slice_size=TICK_SLICE,
        done=done,
    )


def _config_of(told: ConfigRow) -> StockConfig | None:
    return msgspec.json.decode(told.config, type=StockConfig) if told.digest else None


def _table(consumer: Consumer, sku: str, *, begins: int, done: int, progress: Progress) -> Table:
    """What the changelog still holds."""
    span = _span(consumer, changelog_topic(group("worker"), TABLE), sku.encode(), None)
    found = _messages(consumer, span, None, progress)
    return table_of(((_raw(record.key()), _raw(record.value())) for record in found), sku, begins=begins, done=done)


def _records(consumer: Consumer, settings: Settings, span: Span, sku: str, progress: Progress) -> Iterator[Record]:
    """Those of the SKU and of the engine, as agents see them."""
    decode: Decoder[StockFact] = Decoder(StockFact)
    intake = Intake(TABLE, decode, settings.kafka.epoch)
    wanted = {sku.encode(), TICK_KEY.encode(), CONFIG_KEY.encode()}
    for message in _messages(consumer, span, wanted, progress):
        raw = _Raw(message)
        record = intake.take(raw)  # type: ignore[arg-type]  # it looks at no more than these members
        if isinstance(record, Poison):
            yield _unusable(settings, raw, sku, record.dead.reason)
        elif isinstance(record, Record):
            yield record


class _Raw:
    """A record of one Kafka client in the words of the other."""

    def __init__(self, message: Message) -> None:
        self.topic, self.partition, self.offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        self.timestamp = message.timestamp()[1]
        self.key, self.value = message.key(), message.value()
        self.headers = [(name, _raw(value)) for name, value in dict(message.headers() or []).items()]


def _unusable(settings: Settings, raw: _Raw, sku: str, reason: str) -> Record:
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        sequence=_sequence(settings, raw.offset),
        time_ms=raw.timestamp,
        key=sku,
        value=b"",
        headers={},
        body=Unusable(reason),
    )


def _outcomes(
    consumer: Consumer, steps: list[Step], channel: str | None, key: bytes, progress: Progress
) -> dict[tuple[str, int], list[Became]]:
    """By channel and sequence, what is said of the numbers of these steps, of one channel if given."""
    found: dict[tuple[str, int], list[Became]] = {}
    decode: Decoder[AnyOutcome] = Decoder(AnyOutcome)
    for name in sorted({said.channel for step in steps for said in step.said if channel in (None, said.channel)}):
        try:
            span = _span(consumer, topics.outcome(name), key, steps[0].time_ms)
        except StockwireError:  # a channel that is no longer configured: its outcomes may be gone
            continue
        for message in _messages(consumer, span, {key}, progress):
            try:
                outcome = decode(_raw(message.value()))
            except PoisonError:
                continue
            if outcome.sequence is not None:
                found.setdefault((name, outcome.sequence), []).append(_became(outcome, message.timestamp()[1]))
    return found


def _became(outcome: Done | Refused | Superseded, time_ms: int) -> Became:
    exchange = outcome.exchange
    return Became(
        outcome=type(outcome).__name__,
        time_ms=time_ms,
        after_ms=0,
        attempts=outcome.attempts,
        status=None if exchange is None else exchange.status,
        took_ms=None if exchange is None else exchange.took_ms,
        reason=outcome.reason if isinstance(outcome, Refused) else "",
    )


def _messages(consumer: Consumer, span: Span, wanted: Collection[bytes] | None, progress: Progress) -> Iterator[Message]:
    """Those whose key is wanted (None: all), up to the end as it was when asked: a topic that keeps growing does not hold us."""
    if span.first >= span.end:
        return
    consumer.assign([TopicPartition(span.topic, span.partition, span.first)])
    at = span.first
    while at < span.end:
        batch = consumer.consume(min(AT_ONCE, span.end - at), timeout=GATHER_S) or consumer.consume(1, timeout=ASK_WITHIN_S)
        if not batch:
            raise StockwireError(f"Kafka sent nothing of {span.topic}-{span.partition} for {ASK_WITHIN_S:.0f} s; is it running?")
        for message in batch:
            if (error := message.error()) is not None:
                at = _after(error, span)
                continue
            at = (message.offset() or 0) + 1
            if (wanted is None or message.key() in wanted) and at <= span.end:
                yield message
        progress(span.topic, min(at, span.end) - span.first, span.end - span.first)
    consumer.unassign()


def _after(error: KafkaError, span: Span) -> int:
    """At the end of a compacted partition the last records may be missing."""
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for "nothing more yet"
        return span.end
    raise StockwireError(f"reading {span.topic} failed: {error.str()}")


def _raw(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
