"""The simulated shop itself: what it shows, what it was told, what it sold. No I/O."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

from streams.systems.shop import wire

OK, MALFORMED, CONFLICT, UNPROCESSABLE = 200, 400, 409, 422
IDS_KEPT_S = 8 * 86_400


@dataclass
class Shelf:
    """One SKU. `shown` is what may be bought; `added` the sum of all deltas; `total` and `sequence` what was told last."""

    shown: Decimal = Decimal(0)
    added: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    sequence: int = -1


@dataclass
class Order:
    """One sale. `state`: kept (no warehouse), placing, placed, cancelling, cancelled or refused."""

    order: str
    sku: str
    quantity: Decimal
    state: str = "kept"
    shipment: int | None = None
    cancelled: bool = False


@dataclass
class Shop:
    """Takes the protocol's events, and sells by itself."""

    mode: Literal["incremental", "absolute"]
    memory: Literal["ids", "total"]
    order_prefix: str
    shelves: dict[str, Shelf] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    _seen: dict[str, float] = field(default_factory=dict)

    def shelf(self, sku: str) -> Shelf:
        """The shelf of a SKU, empty at first."""
        return self.shelves.setdefault(sku, Shelf())

    def take(self, delivery: str, body: bytes, now_s: float) -> int:
        """One genuine event; returns the status to answer. What has been seen is dropped, unknown types are ignored."""
        try:
            event = msgspec.json.decode(body, type=wire.Event)
        except msgspec.DecodeError:
            return MALFORMED
        if self._known(delivery, now_s):
            return OK
        status = self._apply(event)
        if status == OK:
            self._seen[delivery] = now_s
        return status

    def sell(self, sku: str, quantity: Decimal, order: str | None, *, force: bool = False) -> Order | None:
        """Lower the own number at once; None when there is not enough."""
        shelf = self.shelf(sku)
        if shelf.shown < quantity and not force:
            return None
        shelf.shown -= quantity
        number = order or f"{self.order_prefix}{len(self.orders) + 1}"
        self.orders[number] = Order(number, sku, quantity)
        return self.orders[number]

    def cancel(self, number: str) -> Order | None:
        """Raise the own number at once; None when there is no such live order."""
        order = self.orders.get(number)
        if order is None or order.cancelled:
            return None
        order.cancelled = True
        self.shelf(order.sku).shown += order.quantity
        return order

    def _known(self, delivery: str, now_s: float) -> bool:
        if len(self._seen) % 1_000 == 0:
            self._seen = {known: at_s for known, at_s in self._seen.items() if now_s - at_s < IDS_KEPT_S}
        return self.memory == "ids" and delivery in self._seen

    def _apply(self, event: wire.Event) -> int:
        """`stock.*` of the other mode makes no sense here; types that are not about stock are taken and ignored."""
        try:
            if event.type == wire.STOCK_ADJUSTED:
                adjusted = msgspec.convert(event.data, wire.StockAdjusted)
                return self._adjust(adjusted) if self.mode == "incremental" else UNPROCESSABLE
            if event.type == wire.STOCK_SET:
                level = msgspec.convert(event.data, wire.StockSet)
                return self._set(level) if self.mode == "absolute" else UNPROCESSABLE
        except msgspec.ValidationError:
            return MALFORMED
        return OK

    def _set(self, data: wire.StockSet) -> int:
        if not wire.fits(data.quantity) or data.quantity < 0:
            return UNPROCESSABLE
        shelf = self.shelf(data.sku)
        if data.sequence >= shelf.sequence:
            shelf.shown, shelf.sequence = data.quantity, data.sequence
        return OK

    def _adjust(self, data: wire.StockAdjusted) -> int:
        if not wire.fits(data.delta) or not wire.fits(data.total):
            return UNPROCESSABLE
        shelf = self.shelf(data.sku)
        newer = data.sequence >= shelf.sequence
        delta = data.delta
        if self.memory == "total":
            delta = data.total - shelf.total if newer else Decimal(0)
        shelf.shown += delta
        shelf.added += delta
        if newer:
            shelf.total, shelf.sequence = data.total, data.sequence
        return OK
