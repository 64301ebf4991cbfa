"""`/admin/`: sell, cancel, edit by hand, make it misbehave, and read the truth."""

import time
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from models.codec import encode
from streams.systems.shop import wire
from streams.systems.shop.signature import key_of, sign
from streams.systems.shop.simulator.gate import Gate, answer
from streams.systems.shop.simulator.options import Fault, Options
from streams.systems.shop.simulator.orders import Orders
from streams.systems.shop.simulator.shop import CONFLICT, Shop


class Sale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer buys. `force`: even what is not there. Without `order` the shop numbers it."""

    sku: str
    quantity: Decimal = Decimal(1)
    order: str | None = None
    force: bool = False


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer takes an order back."""

    order: str


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody writes another number by hand."""

    sku: str
    quantity: Decimal


class OwnEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event of the shop, to be signed and sent to `hook_url`. `id` and `timestamp_s`: for replays."""

    type: str
    data: dict[str, Any]
    id: str | None = None
    timestamp_s: int | None = None


class Admin:
    """The handlers below `/admin`."""

    def __init__(self, options: Options, shop: Shop, gate: Gate, orders: Orders | None) -> None:
        self._options = options
        self._shop = shop
        self._gate = gate
        self._orders = orders

    def routes(self) -> list[web.RouteDef]:
        """Method and path of every lever."""
        return [
            web.get("/admin/truth", self.truth),
            web.get("/admin/stock", self.stock),
            web.get("/admin/calls", self.calls),
            web.delete("/admin/calls", self.forget_calls),
            web.get("/admin/orders", self.orders),
            web.get("/admin/busy", self.busy),
            web.post("/admin/sell", self.sell),
            web.post("/admin/cancel", self.cancel),
            web.post("/admin/edit", self.edit),
            web.post("/admin/events", self.event),
            web.post("/admin/faults", self.fault),
            web.delete("/admin/faults", self.no_faults),
        ]

    async def truth(self, _request: web.Request) -> web.Response:
        """What is shown, by SKU."""
        return answer({sku: shelf.shown for sku, shelf in self._shop.shelves.items()})

    async def stock(self, _request: web.Request) -> web.Response:
        """Everything known per SKU: shown, sum of deltas, last total and sequence."""
        return answer({sku: asdict(shelf) for sku, shelf in self._shop.shelves.items()})

    async def calls(self, _request: web.Request) -> web.Response:
        """The calls taken, oldest first, with id, bytes and status."""
        return answer(list(self._gate.calls))

    async def forget_calls(self, _request: web.Request) -> web.Response:
        """Count from here."""
        self._gate.calls.clear()
        return answer({})

    async def orders(self, _request: web.Request) -> web.Response:
        """The shop's own orders and how they stand in the warehouse."""
        return answer([asdict(order) for order in self._shop.orders.values()])

    async def busy(self, _request: web.Request) -> web.Response:
        """How many orders are on their way to the warehouse."""
        return answer({"busy": 0 if self._orders is None else self._orders.busy})

    async def sell(self, request: web.Request) -> web.Response:
        """Sell: the own number falls at once, the order goes to the warehouse by itself. 409 when there is not enough."""
        sale = msgspec.json.decode(await request.read(), type=Sale)
        order = self._shop.sell(sale.sku, sale.quantity, sale.order, force=sale.force)
        if order is None:
            return answer({"order": None, "shown": self._shop.shelf(sale.sku).shown}, CONFLICT)
        if self._orders is not None:
            self._orders.place(order)
        return answer({"order": order.order, "shown": self._shop.shelf(sale.sku).shown})

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel: the own number rises at once. 409 when there is no such live order."""
        order = self._shop.cancel(msgspec.json.decode(await request.read(), type=Cancel).order)
        if order is None:
            return answer({"order": None}, CONFLICT)
        if self._orders is not None:
            self._orders.cancel(order)
        return answer({"order": order.order, "shown": self._shop.shelf(order.sku).shown})

    async def edit(self, request: web.Request) -> web.Response:
        """Overwrite the own number."""
        edit = msgspec.json.decode(await request.read(), type=Edit)
        self._shop.shelf(edit.sku).shown = edit.quantity
        return answer({"sku": edit.sku, "shown": edit.quantity})

    async def event(self, request: web.Request) -> web.Response:
        """Send an event of the shop's own once; answers the status it was met with."""
        event = msgspec.json.decode(await request.read(), type=OwnEvent)
        if self._options.hook_url is None or self._options.hook_secret is None:
            return answer({"error": "hook_url and hook_secret are not set"}, CONFLICT)
        now_s = int(time.time()) if event.timestamp_s is None else event.timestamp_s
        body = encode(wire.Event(event.type, wire.rfc3339(now_s * 1_000), event.data))
        headers = sign([key_of(self._options.hook_secret)], event.id or f"msg_{time.time_ns()}", now_s, body)
        async with aiohttp.ClientSession() as session, session.post(self._options.hook_url, data=body, headers=headers) as response:
            return answer({"status": response.status, "id": headers["webhook-id"]})

    async def fault(self, request: web.Request) -> web.Response:
        """Add one fault."""
        self._gate.faults.append(msgspec.json.decode(await request.read(), type=Fault))
        return answer({})

    async def no_faults(self, _request: web.Request) -> web.Response:
        """Behave again."""
        self._gate.faults.clear()
        return answer({})
