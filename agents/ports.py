"""What the acting agents (fetch, poll, send) need of a system: one call each, no loops, no retry, no Kafka.

Every call has a deadline of at most 10 s inside and raises only the errors of `models.errors`.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from models.agent import Emit
from models.cursor import Cursor
from models.inbound import Inbound
from models.level import Level
from models.outcome import Exchange
from models.sent_row import Call


class Element(msgspec.Struct, frozen=True, kw_only=True):
    """One element to be written to `inbound.<connection>.v1` under `key`, with its original bytes."""

    key: str
    value: bytes
    inbound: Inbound


class Reader(Protocol):
    """Reads one entity at a connection."""

    async def read(self, item: str) -> list[Element]:
        """The entity as it is now; one that is gone is an element of kind `gone`."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The elements of one page. `position` of the next page, or None at the end of the list.

    `emits` are written besides the elements, and `pause_s` passes before the next page, for lists that are our own.
    """

    elements: list[Element]
    position: str | None
    emits: tuple[Emit, ...] = ()
    pause_s: float = 0.0


class Pager(Protocol):
    """Reads one list of a connection page by page."""

    every_s: float

    async def page(self, cursor: Cursor) -> Page:
        """The page at `cursor.position` (empty: the first)."""


class Sink(Protocol):
    """Tells a channel what to show."""

    def call_for(self, level: Level, acknowledged_total: Decimal) -> Call | None:
        """The call that brings the channel from what it acknowledged to `level`; None if there is nothing to say.

        Pure. `acknowledged_total` (0 before the first) means something for incremental channels only.
        Raises `PoisonError` for a level that this channel cannot be told.
        """

    async def send(self, call: Call) -> Exchange:
        """Make the call once; returns when the channel has taken it for good. Errors carry the exchange, if there was one."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one portion says of one SKU; `body` is the JSON of its row."""

    sku: str
    body: bytes


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What one call about many rows came to. Rows that stand nowhere here were taken; all are named by their index in the call.

    `missing`: unknown to the channel. `refused`: never to be taken as they are, with the reason. `again`: not taken for no fault
    of theirs, so they go out again at once.
    """

    exchange: Exchange
    missing: frozenset[int] = frozenset()
    refused: Mapping[int, str] = {}
    again: frozenset[int] = frozenset()


class BulkSink(Protocol):
    """Tells a channel levels of many SKUs in one call; such a channel is told levels outright, so that a repetition is harmless."""

    rows_max: int

    def row_for(self, level: Level) -> Row:
        """The row that says `level`. Pure. Raises `PoisonError` for a level that this channel cannot be told."""

    async def send(self, rows: Sequence[Row]) -> Judged:
        """Make one call for 1 to `rows_max` rows of different SKUs.

        Raises as `Sink.send` where the whole call failed. A `RefusedError` means that one row or more are at fault and the answer
        does not say which: whoever calls splits the portion.
        """
