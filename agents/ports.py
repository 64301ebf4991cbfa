"""What the acting agents (fetch, poll, send) need of a system: one call each, no loops, no retry, no Kafka.

Every call has a deadline of at most 10 s inside and raises only the errors of `models.errors`.
"""

from decimal import Decimal
from typing import Protocol

import msgspec

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
    """The elements of one page. `position` of the next page, or None at the end of the list."""

    elements: list[Element]
    position: str | None


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
