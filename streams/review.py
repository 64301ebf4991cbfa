"""review.v1 ─▶ what needs a person, newest first; and its resolution ─▶ audit.v1, then review.v1."""

import heapq

import msgspec
from confluent_kafka import Message

from models.audit import MatterResolved
from models.topics import AUDIT, REVIEW
from streams import read, scan
from streams.by_hand import Hand, as_record
from streams.kafka_client import confluent
from streams.letter import Outgoing
from streams.matter import Matter, is_settled, matter_of
from streams.settings import KafkaSettings


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """The newest `matters`, of `count` open ones."""

    matters: list[Matter]
    count: int


def open_matters(kafka: KafkaSettings, most: int, on_read: scan.Heard = scan.deaf) -> Open:
    """At most `most` of what is open at this moment, newest first. `on_read` hears how many offsets are left.

    Of all that is open only keys and places are kept in memory, however long the topic is; values only of the newest.
    Raises `StockwireError` when there is no such topic.
    """
    newest: dict[bytes, tuple[int, int, int]] = {}
    with scan.reader(confluent(kafka)) as consumer:
        for record in scan.complete(consumer, REVIEW, scan.whole(consumer, REVIEW), on_read):
            _enter(newest, record)
        chosen = heapq.nlargest(most, newest.values())
        found = [_matter(record) for record in scan.at(consumer, REVIEW, [place[1:] for place in chosen])]
    return Open(matters=sorted(found, key=lambda one: (-one.since_ms, one.key)), count=len(newest))


def matter(kafka: KafkaSettings, key: str, on_read: scan.Heard = scan.deaf) -> Matter | None:
    """The matter of this key, also a report that all is well; None: there is none."""
    newest: Message | None = None
    with scan.reader(confluent(kafka)) as consumer:
        for record in scan.complete(consumer, REVIEW, scan.whole(consumer, REVIEW), on_read):
            if read.key_of(record) == key:
                newest = record
    return None if newest is None or newest.value() is None else _matter(newest)


def resolve(kafka: KafkaSettings, settled: Matter, *, by: str, note: str, at_ms: int) -> None:
    """Say who has settled it, then take it out. Raises `StockwireError` when Kafka does not take that; it may be done again."""
    hand = Hand(kafka)
    entry = MatterResolved(by=by, at_ms=at_ms, matter=settled.key, was=bytes(settled.value).decode(), note=note)
    hand.write([as_record(AUDIT, settled.key, entry)])
    hand.write([Outgoing(REVIEW, None, settled.key.encode(), None, [])])


def _enter(newest: dict[bytes, tuple[int, int, int]], record: Message) -> None:
    """Time, partition and offset of what is open under the key."""
    key, value = record.key(), record.value()
    if not isinstance(key, bytes):
        return
    if isinstance(value, bytes) and not is_settled(value):
        newest[key] = (record.timestamp()[1], record.partition() or 0, record.offset() or 0)
    else:
        newest.pop(key, None)


def _matter(record: Message) -> Matter:
    value = record.value()
    return matter_of(read.key_of(record) or "", value if isinstance(value, bytes) else b"", record.timestamp()[1])
