"""Thetis → observations: what one webhook body or one trade item says. Pure and total."""

from datetime import datetime
from decimal import Decimal

import msgspec

from models.codec import text_of
from models.errors import PoisonError
from models.inbound import Inbound
from models.observation import Ignored, ItemGone, MoveSeen, Observation, ReadingSeen, ReadWanted
from streams.systems.thetis import wire

MOVED = "availableStockChanged"
AVAILABLE = "availabilityChanged"
CREATED = "globalTradeItemCreated"
OTHERS = frozenset(
    (
        "physicalStockChanged",
        "documentCreated",
        "documentCancelled",
        "shipmentCreated",
        "inboundShipmentCreated",
        "packingCompleted",
        "shippingLabelRequest",
        "fileAttached",
    )
)
LARGEST = Decimal(10) ** 18
FINEST = -6
"""Stock that is no stock: beyond these, sums would not be exact."""


def translate(body: bytes, inbound: Inbound) -> list[Observation]:
    """What `body` says, for a connection that is told moves."""
    return _translate(body, inbound, hint=CREATED)


def translate_without_moves(body: bytes, inbound: Inbound) -> list[Observation]:
    """The same for a connection without `availableStockChanged`: `availabilityChanged` makes us read the item."""
    return _translate(body, inbound, hint=AVAILABLE)


def _translate(body: bytes, inbound: Inbound, *, hint: str) -> list[Observation]:
    match inbound.kind:
        case "webhook":
            return [_on_event(body, hints=(CREATED, hint))]
        case "reading":
            return [_on_item(wire.decode_item(body))]
        case "gone":
            return [ItemGone(_required(wire.decode_identified(body).id, "id"))]
        case other:
            raise PoisonError(f"an inbound record of kind {other!r} is none that Thetis is read by")


def _on_event(body: bytes, *, hints: tuple[str, ...]) -> Observation:
    envelope = wire.decode_body(body)
    kind = event_type(envelope)
    if kind == MOVED:
        return _on_move(body, envelope)
    if kind in hints:
        item = _event(body, envelope).global_trade_item_id
        return ReadWanted(_required(item, "globalTradeItemId"), "new item" if kind == CREATED else "changed availability")
    known = kind in OTHERS or kind == AVAILABLE
    return Ignored(kind if known else "other")


def event_type(envelope: wire.Body) -> str:
    """The event's type in either shape. A flat body without one that names an item and a delta is a move."""
    detail = envelope.detail if isinstance(envelope.detail, dict) else {}
    for name in (detail.get("eventType"), envelope.event_type, envelope.detail_type):
        if isinstance(name, str) and name:
            return name
    return MOVED if envelope.detail is None and envelope.global_trade_item_id is not None else ""


def _on_move(body: bytes, envelope: wire.Body) -> Observation:
    event = _event(body, envelope)
    item = _required(event.global_trade_item_id, "globalTradeItemId")
    if event.delta is None:
        return ReadWanted(item, "change without delta")
    return MoveSeen(
        item=item,
        delta=_quantity(event.delta, "delta"),
        id=text_of(event.event_id) or text_of(envelope.id),
        stamp_ms=_stamp_ms(envelope.time),
        seller=text_of(event.seller_id),
    )


def _event(body: bytes, envelope: wire.Body) -> wire.Event:
    return wire.decode_event(body) if envelope.detail is None else wire.decode_full_event(body).detail


def _on_item(item: wire.TradeItem) -> Observation:
    sku = (item.stock_keeping_unit or "").strip()
    if not sku:
        return Ignored("item without SKU")
    available = Decimal(0) if item.num_items_available is None or item.active is False else item.num_items_available
    return ReadingSeen(
        item=_required(item.id, "id"),
        sku=sku,
        value=_quantity(available, "numItemsAvailable"),
        stocked=item.stocked is not False,
        cost=_cost(item.standard_cost_price),
    )


def _cost(given: msgspec.Raw) -> Decimal | None:
    """A cost price, digit by digit; None for what is none."""
    try:
        cost = wire.decode_cost(bytes(given))
    except PoisonError:
        return None
    return cost if cost is not None and _is_exact(cost) and cost >= 0 else None


def _quantity(value: Decimal, name: str) -> Decimal:
    if not _is_exact(value):
        raise PoisonError(f"{name} is no quantity: {value}")
    return value


def _is_exact(value: Decimal) -> bool:
    """Whether sums of such numbers stay exact."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and value.adjusted() < LARGEST.adjusted() and exponent >= FINEST


def _required(identifier: object, name: str) -> str:
    text = text_of(identifier)
    if text is None:
        raise PoisonError(f"{name} is missing: if the webhook app has `fields` set, add it there or, better, drop `fields`")
    return text


def _stamp_ms(time: object) -> int | None:
    """The envelope's time in Unix ms; what cannot be read as one makes the move unclear, not unusable."""
    if not isinstance(time, str):
        return None
    try:
        moment = msgspec.convert(time, datetime)
    except msgspec.ValidationError:
        return None
    return int(moment.timestamp() * 1_000) if moment.tzinfo else None
