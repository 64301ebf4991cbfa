"""The simulated warehouse: items, reservations and the events that each change causes."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from streams.systems.thetis.simulator.options import Chaos, ItemOption, Options, SellerOption

NONE = Decimal(0)
PAST_S = 300.0
FIRST_ID = 90_000_000


class Item(msgspec.Struct, kw_only=True):
    """A trade item. `past` holds figures that were true until a moment, for stale answers."""

    id: int
    sku: str
    saleable: Decimal | None
    reserved: Decimal = NONE
    active: bool = True
    stocked: bool = True
    cost: Decimal | None = None
    past: list[tuple[float, Decimal | None]] = []

    @property
    def available(self) -> Decimal | None:
        """What may be sold; None while there never was any. Negative when oversold."""
        return None if self.saleable is None and not self.reserved else (self.saleable or NONE) - self.reserved


class Line(msgspec.Struct, kw_only=True):
    """A shipment line; `reservation` is the id of its reservation while it has one."""

    id: int
    item: Item
    quantity: Decimal
    reference: str | None
    reservation: int | None


class Shipment(msgspec.Struct, kw_only=True):
    """A sales order as the warehouse sees it."""

    id: int
    number: str
    reference: str | None
    seller: SellerOption | None
    customer: str
    lines: list[Line]
    cancelled: bool = False
    delivery_note: int | None = None


class World:
    """One context. `publish` receives each event's envelope; `now_s` is the warehouse's own clock."""

    def __init__(self, options: Options, random: Random, publish: Callable[[dict[str, Any]], None]) -> None:
        self.options = options
        self.chaos: Chaos = options.chaos
        self.offset_s = options.clock_offset_s
        self.random = random
        self.items: dict[int, Item] = {}
        self.sellers = {seller.id: seller for seller in options.sellers}
        self.customers = set(options.customers)
        self.shipments: dict[int, Shipment] = {}
        self._publish = publish
        self._ids = count(FIRST_ID + 1)
        for item in options.items:
            self.create(item, announce=False)
        for number in range(1, options.bulk + 1):
            self.create(ItemOption(sku=f"{options.bulk_prefix}{number:05}", available=options.bulk_available), announce=False)

    def now_s(self) -> float:
        """The warehouse's time; its clock may be off."""
        return time.time() + self.offset_s

    def new_id(self) -> int:
        """Unique across everything, and growing."""
        return next(self._ids)

    def by_sku(self, sku: str) -> Item | None:
        """The item of a SKU."""
        return next((item for item in self.items.values() if item.sku == sku), None)

    def create(self, option: ItemOption, *, announce: bool) -> Item:
        """A new trade item."""
        item = Item(
            id=self.new_id(),
            sku=option.sku,
            saleable=option.available,
            active=option.active,
            stocked=option.stocked,
            cost=option.cost,
        )
        self.items[item.id] = item
        if announce:
            self.emit("globalTradeItemCreated", {"globalTradeItemId": item.id, "stockKeepingUnit": item.sku})
        return item

    def figure(self, item: Item) -> Decimal | None:
        """What an answer says: the available stock, or what it was `stale_s` ago."""
        moment_s = time.time() - self.chaos.stale_s
        return next((figure for until_s, figure in item.past if until_s > moment_s), item.available)

    def move(self, item: Item, delta: Decimal, *, seller: int | None = None, silent: bool = False) -> None:
        """Goods come, go or are found missing, outside any reservation. `silent`: no event reaches the bus."""
        self._remember(item)
        item.saleable = (item.saleable or NONE) + delta
        self._announce(item, delta, seller, silent=silent)

    def reserve(self, item: Item, quantity: Decimal, *, seller: int | None) -> None:
        """A channel's order takes (or, negative, gives back) what may be sold."""
        self._remember(item)
        item.reserved += quantity
        self._announce(item, -quantity, seller, silent=False)

    def ship(self, shipment: Shipment, lines: Iterable[tuple[Item, Decimal, str | None]]) -> Shipment:
        """Accept an order: each line of a stocked item reserves what it orders."""
        seller = shipment.seller.id if shipment.seller else None
        self.shipments[shipment.id] = shipment
        detail = {"shipmentId": shipment.id, "shipmentNumber": shipment.number}
        self.emit("shipmentCreated", detail if seller is None else {**detail, "sellerId": seller})
        for item, quantity, reference in lines:
            reservation = self.new_id() if item.stocked else None
            shipment.lines.append(Line(id=self.new_id(), item=item, quantity=quantity, reference=reference, reservation=reservation))
            if reservation is not None:
                self.reserve(item, quantity, seller=seller)
        return shipment

    def cancel(self, shipment: Shipment) -> None:
        """Give back what the shipment had reserved; the event names its seller."""
        shipment.cancelled = True
        for line in shipment.lines:
            if line.reservation is not None:
                line.reservation = None
                self.reserve(line.item, -line.quantity, seller=shipment.seller.id if shipment.seller else None)

    def pack(self, shipment: Shipment) -> None:
        """Reserved goods leave: physical stock changes, what may be sold does not; a delivery note is made."""
        for line in shipment.lines:
            if line.reservation is not None:
                line.reservation = None
                line.item.saleable = (line.item.saleable or NONE) - line.quantity
                line.item.reserved -= line.quantity
                detail = {"globalTradeItemId": line.item.id, "transactionId": self.new_id(), "transactionType": "SHIPPING"}
                self.emit("physicalStockChanged", detail)
        shipment.delivery_note = self.new_id()
        detail = {"documentType": "DELIVERY_NOTE", "documentId": shipment.delivery_note}
        self.emit("documentCreated", {**detail, "shipmentId": shipment.id, "shipmentNumber": shipment.number})

    def emit(self, kind: str, detail: dict[str, Any]) -> None:
        """Put one event on the bus, in EventBridge's envelope; its time has whole seconds."""
        common = {"eventId": self._uuid(), "eventType": kind, "subscriberId": "412", "contextId": str(self.options.context_id)}
        self._publish(
            {
                "version": "0",
                "id": self._uuid(),
                "detail-type": kind,
                "source": "public.thetis-ims.com",
                "account": "111122223333",
                "time": datetime.fromtimestamp(int(self.now_s()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": "eu-west-1",
                "resources": [],
                "detail": {**common, "userId": 90000017, **detail, **self.chaos.extra},
            }
        )

    def _announce(self, item: Item, delta: Decimal, seller: int | None, *, silent: bool) -> None:
        if silent:
            return
        moved = {"globalTradeItemId": item.id, "delta": delta}
        self.emit("availableStockChanged", moved if seller is None else {**moved, "sellerId": seller})
        self.emit("availabilityChanged", {"globalTradeItemId": item.id, "numItemsAvailable": item.available})

    def _remember(self, item: Item) -> None:
        now_s = time.time()
        item.past = [(until_s, figure) for until_s, figure in item.past if until_s > now_s - PAST_S]
        item.past.append((now_s, item.available))

    def _uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))
