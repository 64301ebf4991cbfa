"""`/admin/`: drive the simulated warehouse, make it misbehave, and read the truth."""

from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from streams.systems.thetis.simulator.gate import Gate, answer
from streams.systems.thetis.simulator.options import Fault, ItemOption, SellerOption, WebhookOption
from streams.systems.thetis.simulator.sender import Sender
from streams.systems.thetis.simulator.world import Item, World


class NewItems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items to make; with `announce`, each causes `globalTradeItemCreated`."""

    items: list[ItemOption]
    announce: bool = True


class ItemChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of the item with this SKU: another SKU (`rename`), inactive, not stocked, another `cost`, or `gone`."""

    sku: str
    rename: str | None = None
    active: bool | None = None
    stocked: bool | None = None
    cost: Decimal | None = None
    gone: bool = False


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Goods that come (`delta` above 0) or go; `silent`: the warehouse tells nobody."""

    sku: str
    delta: Decimal
    seller: int | None = None
    silent: bool = False


class OtherEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Any event: known, unknown or nonsense."""

    event_type: str
    detail: dict[str, Any] = {}


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shipment to be packed, by number."""

    shipment: str


class Clock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the source's clock is ahead of ours."""

    offset_s: float


class Admin:
    """The handlers below `/admin`."""

    def __init__(self, world: World, gate: Gate, sender: Sender) -> None:
        self._world = world
        self._gate = gate
        self._sender = sender

    def routes(self) -> list[web.RouteDef]:
        """Method and path of every lever."""
        return [
            web.get("/admin/truth", self.truth),
            web.get("/admin/items", self.items),
            web.post("/admin/items", self.new_items),
            web.post("/admin/item", self.change_item),
            web.post("/admin/move", self.move),
            web.post("/admin/pack", self.pack),
            web.post("/admin/events", self.event),
            web.post("/admin/sellers", self.new_seller),
            web.post("/admin/webhook", self.webhook),
            web.post("/admin/chaos", self.chaos),
            web.post("/admin/clock", self.clock),
            web.post("/admin/faults", self.fault),
            web.delete("/admin/faults", self.no_faults),
            web.post("/admin/tokens/expire", self.expire_tokens),
            web.get("/admin/calls", self.calls),
            web.delete("/admin/calls", self.forget_calls),
            web.get("/admin/deliveries", self.deliveries),
            web.post("/admin/dead/replay", self.replay_dead),
        ]

    async def truth(self, _request: web.Request) -> web.Response:
        """What may be sold, by SKU; an inactive or never stocked item has 0."""
        return answer({item.sku: (item.available or 0) if item.active else 0 for item in self._world.items.values()})

    async def items(self, _request: web.Request) -> web.Response:
        """SKU to item id."""
        return answer({item.sku: item.id for item in self._world.items.values()})

    async def new_items(self, request: web.Request) -> web.Response:
        """Make items; answers their ids by SKU."""
        new = msgspec.json.decode(await request.read(), type=NewItems)
        return answer({option.sku: self._world.create(option, announce=new.announce).id for option in new.items})

    async def change_item(self, request: web.Request) -> web.Response:
        """Change or remove an item; Thetis sends no event for it."""
        change = msgspec.json.decode(await request.read(), type=ItemChange)
        item = self._item(change.sku)
        item.sku = change.rename or item.sku
        item.active = item.active if change.active is None else change.active
        item.stocked = item.stocked if change.stocked is None else change.stocked
        item.cost = item.cost if change.cost is None else change.cost
        if change.gone:
            del self._world.items[item.id]
        return answer({"id": item.id})

    async def move(self, request: web.Request) -> web.Response:
        """Move goods; answers what may be sold then."""
        move = msgspec.json.decode(await request.read(), type=Move)
        item = self._item(move.sku)
        self._world.move(item, move.delta, seller=move.seller, silent=move.silent)
        return answer({"available": item.available})

    async def pack(self, request: web.Request) -> web.Response:
        """Pack a shipment and make its delivery note."""
        number = msgspec.json.decode(await request.read(), type=Pack).shipment
        shipment = next((shipment for shipment in self._world.shipments.values() if shipment.number == number), None)
        if shipment is None or shipment.cancelled or shipment.delivery_note is not None:
            raise msgspec.ValidationError(f"no shipment {number} waits to be packed")
        self._world.pack(shipment)
        return answer({"deliveryNoteId": shipment.delivery_note})

    async def event(self, request: web.Request) -> web.Response:
        """Put any event on the bus."""
        event = msgspec.json.decode(await request.read(), type=OtherEvent)
        self._world.emit(event.event_type, event.detail)
        return answer({})

    async def new_seller(self, request: web.Request) -> web.Response:
        """Make a sales channel."""
        seller = msgspec.json.decode(await request.read(), type=SellerOption)
        self._world.sellers[seller.id] = seller
        return answer({})

    async def webhook(self, request: web.Request) -> web.Response:
        """Configure the vendor's app; it holds from the next event on."""
        self._sender.webhook = msgspec.json.decode(await request.read(), type=WebhookOption)
        return answer({})

    async def chaos(self, request: web.Request) -> web.Response:
        """Change the given knobs, keep the others; answers all."""
        changes = msgspec.json.decode(await request.read(), type=dict[str, Any])
        self._world.chaos = msgspec.convert({**msgspec.to_builtins(self._world.chaos), **changes}, type(self._world.chaos))
        self._sender.wake()
        return answer(self._world.chaos)

    async def clock(self, request: web.Request) -> web.Response:
        """Set the source's clock."""
        self._world.offset_s = msgspec.json.decode(await request.read(), type=Clock).offset_s
        return answer({})

    async def fault(self, request: web.Request) -> web.Response:
        """Add one fault."""
        self._gate.faults.append(msgspec.json.decode(await request.read(), type=Fault))
        return answer({})

    async def no_faults(self, _request: web.Request) -> web.Response:
        """Behave again."""
        self._gate.faults.clear()
        return answer({})

    async def expire_tokens(self, _request: web.Request) -> web.Response:
        """Withdraw all tokens."""
        self._gate.expire_tokens()
        return answer({})

    async def calls(self, _request: web.Request) -> web.Response:
        """What was called: how often each endpoint, and each call with its query and status."""
        return answer({"counts": self._gate.counts, "calls": list(self._gate.calls)})

    async def forget_calls(self, _request: web.Request) -> web.Response:
        """Count from here."""
        self._gate.counts.clear()
        self._gate.calls.clear()
        return answer({})

    async def deliveries(self, _request: web.Request) -> web.Response:
        """How the events fare."""
        return answer({**self._sender.counts, "pending": len(self._sender.pending), "dead": self._sender.dead})

    async def replay_dead(self, _request: web.Request) -> web.Response:
        """Send again what was given up."""
        return answer({"replayed": self._sender.replay_dead()})

    def _item(self, sku: str) -> Item:
        item = self._world.by_sku(sku)
        if item is None:
            raise msgspec.ValidationError(f"no item has the SKU {sku}")
        return item
