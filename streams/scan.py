"""Reading a topic piece by piece: where each partition stands is plain data, so a later piece, or process, goes on there."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from models.errors import StockwireError, TransientError
from streams.kafka_client import no_answer
from streams.read import LOOK_BACK_RECORDS
from streams.topics import ASK_WITHIN_S, Client

POLL_S = 0.2
PIECE_S = 20.0
NEAR = 1_000
"""Offsets that are rather read over than sought."""
TELL_EVERY = 1_000
OWN: Client = {
    "group.id": "stockwire-scan",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    # Pieces are small and partitions change often: little is fetched ahead, and no fetch waits long at the end of a partition.
    "max.partition.fetch.bytes": 131_072,
    "queued.max.messages.kbytes": 2_048,
    "fetch.wait.max.ms": 10,
}


class Span(msgspec.Struct, array_like=True):
    """What is still to be read of one partition: from offset `next` up to, but without, `end`."""

    next: int
    end: int


Spans = dict[int, Span]
"""By partition."""

Heard = Callable[[int], Any]
"""Told now and then how many offsets are left to read."""


def deaf(_left: int) -> None:
    """Whom it does not concern how many are left."""


@contextmanager
def reader(client: Client) -> Iterator[Consumer]:
    """A consumer outside any group, closed at the end. Raises `TransientError` when Kafka does not answer meanwhile."""
    try:
        with closing(Consumer({**client, **OWN})) as consumer:
            yield consumer
    except KafkaException as error:
        raise TransientError(no_answer(client["bootstrap.servers"], error)) from error


def whole(consumer: Consumer, topic: str) -> Spans:
    """All that is in the topic at this moment. Raises `StockwireError` when there is no such topic."""
    metadata = consumer.list_topics(topic, timeout=ASK_WITHIN_S).topics[topic]
    if metadata.error is not None:
        raise StockwireError(f"{topic}: no such topic; `stockwire topics ls` names them")
    return {part: Span(*consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=ASK_WITHIN_S)) for part in metadata.partitions}


def since(consumer: Consumer, topic: str, since_ms: int) -> Spans:
    """What was written since then (Unix ms, by the records' times), and perhaps some records before."""
    spans = whole(consumer, topic)
    found = consumer.offsets_for_times([TopicPartition(topic, part, since_ms) for part in spans], timeout=ASK_WITHIN_S)
    for place in found:
        span = spans[place.partition]
        # No such record - or the embedded broker, which knows no times.
        span.next = place.offset if place.offset >= 0 else max(span.next, span.end - LOOK_BACK_RECORDS)
    return spans


def lengthen(consumer: Consumer, topic: str, spans: Spans) -> None:
    """Move the ends to where they are at this moment."""
    for part, span in whole(consumer, topic).items():
        spans[part] = Span(spans[part].next if part in spans else span.next, span.end)


def left(spans: Mapping[int, Span]) -> int:
    """Offsets still to be read; compaction may have left fewer records."""
    return sum(max(0, span.end - span.next) for span in spans.values())


def records(consumer: Consumer, topic: str, spans: Spans, *, within_s: float, on_read: Heard = deaf) -> Iterator[Message]:
    """Records from where the spans stand, moving them on, until their ends or for `within_s`; it may be left at any record.

    Raises `TransientError` when nothing at all comes in this time.
    """
    open_parts = {part for part, span in spans.items() if span.next < span.end}
    consumer.assign([TopicPartition(topic, part, spans[part].next) for part in sorted(open_parts)])
    deadline, silent, taken = time.monotonic() + within_s, True, 0
    while open_parts and time.monotonic() < deadline:
        record = consumer.poll(POLL_S)
        if record is None:
            continue
        silent = False
        part = record.partition() or 0
        if part not in open_parts:
            continue
        span, is_in = spans[part], _move_on(spans[part], record)
        if span.next >= span.end:
            open_parts.discard(part)
        if is_in:
            yield record
            if taken % TELL_EVERY == 0:
                on_read(left(spans))
            taken += 1
    if open_parts and silent:
        raise TransientError(f"{topic}: Kafka sent nothing for {within_s:.0f} s; is it running?")


def complete(consumer: Consumer, topic: str, spans: Spans, on_read: Heard = deaf) -> Iterator[Message]:
    """All records from where the spans stand up to their ends. Raises `TransientError` when nothing comes for 20 s."""
    while left(spans):
        yield from records(consumer, topic, spans, within_s=PIECE_S, on_read=on_read)


def at(consumer: Consumer, topic: str, places: Iterable[tuple[int, int]]) -> Iterator[Message]:
    """The records at these partitions and offsets, as far as they are still there; those near each other are read in one go."""
    for part, offsets in _runs(places):
        wanted = set(offsets)
        for record in complete(consumer, topic, {part: Span(offsets[0], offsets[-1] + 1)}):
            if record.offset() in wanted:
                yield record


def _runs(places: Iterable[tuple[int, int]]) -> list[tuple[int, list[int]]]:
    """Partition and offsets that lie near each other."""
    runs: list[tuple[int, list[int]]] = []
    for part, offset in sorted(set(places)):
        if runs and runs[-1][0] == part and offset - runs[-1][1][-1] <= NEAR:
            runs[-1][1].append(offset)
        else:
            runs.append((part, [offset]))
    return runs


def _move_on(span: Span, record: Message) -> bool:
    """Put the span behind the record; False for one that is not in it, as at the end of a partition whose last offsets are no records."""
    error, offset = record.error(), record.offset() or 0
    if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name for "nothing more yet"
        raise TransientError(f"reading failed: {error.str()}")
    is_in = error is None and offset < span.end
    span.next = offset + 1 if is_in else span.end
    return is_in
