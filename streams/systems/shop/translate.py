"""Shop elements in our words: what it shows. Orders, items and customers are kept and counted, and mean nothing yet. Pure."""

from models.errors import PoisonError
from models.inbound import Inbound
from models.observation import Ignored, Observation, ShownSeen
from streams.systems.shop import wire

KNOWN = frozenset(
    {
        "order.placed",
        "order.changed",
        "order.cancelled",
        "item.created",
        "item.changed",
        "customer.created",
        "customer.changed",
    }
)


def translate(value: bytes, inbound: Inbound) -> list[Observation]:
    """One element: a row of `GET /stock`, or an event by its webhook. Raises `PoisonError`."""
    if inbound.kind == "reading":
        row = wire.decode_row(value)
        if not row.sku or not wire.is_quantity(row.available):
            limits = f"at most {wire.DIGITS_MAX} digits before the point and {wire.DECIMALS_MAX} behind"
            raise PoisonError(f"a row needs a sku, and available with {limits}; found {row}")
        return [ShownSeen(row.sku, row.available)]
    event = wire.decode_received(value)
    return [Ignored(event.type if event.type in KNOWN else "unknown")]
