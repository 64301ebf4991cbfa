"""The shop protocol's payloads, stock part, in the protocol's words. Unknown members are ignored."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import msgspec

from models.codec import ForeignDecoder

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
THOUSANDTH = Decimal("0.001")
DECIMALS_MAX = 3
DIGITS_MAX = 12
STOCK_ADJUSTED = "stock.adjusted"
STOCK_SET = "stock.set"
CONNECTION_CHECKED = "connection.checked"


class StockAdjusted(msgspec.Struct, frozen=True):
    """Add `delta`; or, where the shop stores it per SKU, `total` minus the stored total."""

    sku: str
    delta: Decimal
    total: Decimal
    sequence: int
    reason: str


class StockSet(msgspec.Struct, frozen=True):
    """Show `quantity`, unless a higher `sequence` has been seen."""

    sku: str
    quantity: Decimal
    sequence: int
    as_of: str


class Event(msgspec.Struct, frozen=True):
    """What is posted, in either direction; `timestamp` is when it happened (RFC 3339, UTC)."""

    type: str
    timestamp: str
    data: Any


class Subject(msgspec.Struct, frozen=True):
    """What an event is about, as far as it says."""

    order: str | int | None = None
    sku: str | None = None
    number: str | int | None = None


class Received(msgspec.Struct, frozen=True):
    """An event of the shop, as far as it must be understood to be kept."""

    type: str
    timestamp: str
    data: Subject


class ShownRow(msgspec.Struct, frozen=True):
    """One row of `GET /stock`."""

    sku: str
    available: Decimal


class ShownPage(msgspec.Struct, frozen=True):
    """One page of `GET /stock`; `next` is what to ask after, None at the end."""

    rows: list[msgspec.Raw]
    next: str | None = None


SENT = "what a shop sends"
decode_received = ForeignDecoder[Received](Received, SENT)
decode_row = ForeignDecoder[ShownRow](ShownRow, SENT)
decode_page = ForeignDecoder[ShownPage](ShownPage, SENT)


def rfc3339(ms: int) -> str:
    """Unix ms as text with milliseconds, UTC."""
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fits(quantity: Decimal) -> bool:
    """Whether a quantity is finite and has at most 3 decimals."""
    exponent = quantity.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMALS_MAX


def is_quantity(quantity: Decimal) -> bool:
    """Whether a quantity that came from outside can be reckoned with exactly: at most 12 digits before the point, 3 behind."""
    return fits(quantity) and quantity.adjusted() < DIGITS_MAX


def cut(quantity: Decimal) -> Decimal:
    """At most 3 decimals, never more than the quantity is; its own digits otherwise (`100.50` stays `100.50`)."""
    return quantity if fits(quantity) else quantity.quantize(THOUSANDTH, rounding=ROUND_FLOOR)
