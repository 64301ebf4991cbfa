"""The readings that wait for a person: the stock table's changelog, read from outside, newest row per SKU."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from agents.stock.warehouse import value_of
from models.stock_row import StockRow
from streams import scan
from streams.kafka_client import confluent
from streams.settings import KafkaSettings
from streams.topics import changelog_topic, group

TABLE = "stock"
MARK = b'"held"'
"""Stands in the JSON of every row that holds a reading, and in hardly any other: those are not decoded."""

_row: Callable[[bytes], StockRow] = msgspec.json.Decoder(StockRow).decode


class HeldReading(msgspec.Struct, frozen=True, kw_only=True):
    """The warehouse of `place` said `said`, in an answer of `at_ms` (Unix ms), where we know of `ours` for certain (None: never read)."""

    sku: str
    place: str
    ours: Decimal | None
    said: Decimal
    at_ms: int


def held(kafka: KafkaSettings, on_read: scan.Heard = scan.deaf) -> list[HeldReading]:
    """All readings held back at this moment, by SKU and place. `on_read` hears how many offsets are left.

    Memory grows with the readings held, not with the table. Raises `StockwireError` when Kafka or the table is not there.
    """
    topic = changelog_topic(group("worker"), TABLE)
    rows: dict[bytes, StockRow] = {}
    with scan.reader(confluent(kafka)) as consumer:
        for record in scan.complete(consumer, topic, scan.whole(consumer, topic), on_read):
            _take(rows, record.key(), record.value())
    found = [reading for key, row in rows.items() for reading in _held(key.decode(errors="backslashreplace"), row)]
    return sorted(found, key=lambda reading: (reading.sku, reading.place))


def _take(rows: dict[bytes, StockRow], key: object, value: object) -> None:
    """Keep the row if it may hold a reading. An earlier owner of the partition may have written an older row behind a newer one."""
    if not isinstance(key, bytes) or key.startswith(b"@"):
        return
    known = rows.get(key)
    if not isinstance(value, bytes):
        rows.pop(key, None)
    elif MARK in value or known is not None:
        row = _row(value)
        if known is not None and row.at < known.at:
            return
        if any(place.held for place in row.wh.values()):
            rows[key] = row
        else:
            rows.pop(key, None)


def _held(sku: str, row: StockRow) -> list[HeldReading]:
    found = []
    for name, place in row.wh.items():
        if place.held is not None:
            value = value_of(place)
            ours = None if value is None else value.low
            found.append(HeldReading(sku=sku, place=name, ours=ours, said=place.held.value, at_ms=place.held.t1))
    return found
