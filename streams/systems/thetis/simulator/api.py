"""The documented API of the simulated context: items, sellers, customers, shipments."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from streams.systems.thetis.simulator.gate import API, answer, message
from streams.systems.thetis.simulator.options import SellerOption
from streams.systems.thetis.simulator.world import Item, Line, Shipment, World

T = TypeVar("T")
LINES_MAX = 1_000
ORDERED_MAX = 9_999_999
TEXT = re.compile(r"[^\t\n\v\f\r]{1,36}")


class RefusedError(Exception):
    """A business error: 422 with Thetis' message object."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class NewLine(msgspec.Struct, frozen=True, rename="camel"):
    """A line of a shipment to be made; unknown members are ignored, as the real API does."""

    num_items_ordered: int | None = None
    stock_keeping_unit: str | None = None
    global_trade_item_id: int | None = None
    sellers_reference: str | None = None


class NewShipment(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST /shipments`, as far as stock is concerned."""

    shipment_number: str | None = None
    sellers_reference: str | None = None
    seller_id: int | None = None
    seller_number: str | None = None
    customer_number: str | None = None
    shipment_lines: list[NewLine] = []


class NewCustomer(msgspec.Struct, frozen=True, rename="camel"):
    """The body of `POST /customers`."""

    customer_number: str | None = None


class Api:
    """The resources below `/2`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Method and path of everything that is simulated."""
        return [
            web.get(f"{API}/globalTradeItems", self.items),
            web.get(f"{API}/globalTradeItems/{{id}}", self.item),
            web.get(f"{API}/sellers", self.sellers),
            web.get(f"{API}/customers", self.customers),
            web.post(f"{API}/customers", self.new_customer),
            web.get(f"{API}/shipments", self.shipments),
            web.post(f"{API}/shipments", self.new_shipment),
            web.get(f"{API}/shipments/{{id}}", self.shipment),
            web.put(f"{API}/shipments/{{id}}/cancelled", self.cancel),
        ]

    async def items(self, request: web.Request) -> web.Response:
        """One page, by id; inactive items only with `onlyActive=false`."""
        active = request.query.get("onlyActive", "true") != "false"
        rows = [item for _, item in sorted(self._world.items.items()) if item.active or not active]
        rows = _matching(request, "stockKeepingUnitMatch", rows, lambda item: item.sku)
        return answer([self._item(item) for item in self._page(request, rows)])

    async def item(self, request: web.Request) -> web.Response:
        """One item."""
        item = self._world.items.get(_id(request))
        return _not_found() if item is None else answer(self._item(item))

    async def sellers(self, request: web.Request) -> web.Response:
        """The sales channels."""
        rows = _matching(request, "sellerNumberMatch", self._world.sellers.values(), lambda seller: seller.number)
        page = self._page(request, sorted(rows, key=lambda seller: seller.id))
        return answer([{"id": seller.id, "contextId": self._world.options.context_id, "sellerNumber": seller.number} for seller in page])

    async def customers(self, request: web.Request) -> web.Response:
        """The customers."""
        rows = _matching(request, "customerNumberMatch", sorted(self._world.customers), lambda number: number)
        return answer([{"customerNumber": number} for number in self._page(request, rows)])

    async def new_customer(self, request: web.Request) -> web.Response:
        """A customer with a number of its own."""
        number = _text(_decode(await request.read(), NewCustomer).customer_number, "Customer", "customerNumber")
        if number in self._world.customers:
            raise RefusedError("duplicate_Customer", f"A customer with the number {number} already exists.")
        self._world.customers.add(number)
        return answer({"customerNumber": number})

    async def shipments(self, request: web.Request) -> web.Response:
        """Shipments by number, or by the seller's own reference."""
        rows = _matching(request, "shipmentNumberMatch", self._world.shipments.values(), lambda shipment: shipment.number)
        rows = _matching(request, "sellersReferenceMatch", rows, lambda shipment: shipment.reference or "")
        return answer([self._shipment(shipment) for shipment in self._page(request, rows)])

    async def shipment(self, request: web.Request) -> web.Response:
        """One shipment with its lines."""
        shipment = self._world.shipments.get(_id(request))
        return _not_found() if shipment is None else answer(self._shipment(shipment))

    async def new_shipment(self, request: web.Request) -> web.Response:
        """An order: reserves what its lines order."""
        new = _decode(await request.read(), NewShipment)
        number = _text(new.shipment_number, "Shipment", "shipmentNumber")
        if any(shipment.number == number for shipment in self._world.shipments.values()):
            raise RefusedError("duplicate_Shipment", f"A shipment with the number {number} already exists.")
        if new.customer_number not in self._world.customers:
            raise RefusedError("unknown_Customer", f"No customer has the number {new.customer_number}.")
        if len(new.shipment_lines) > LINES_MAX:
            raise RefusedError("tooManyLines_Shipment", f"A shipment has at most {LINES_MAX} lines.")
        lines = [self._ordered(line) for line in new.shipment_lines]
        shipment = Shipment(
            id=self._world.new_id(),
            number=number,
            reference=new.sellers_reference,
            seller=self._seller(new),
            customer=new.customer_number,
            lines=[],
        )
        return answer(self._shipment(self._world.ship(shipment, lines)))

    async def cancel(self, request: web.Request) -> web.Response:
        """`true` cancels what has no delivery note yet."""
        shipment = self._world.shipments.get(_id(request))
        if shipment is None:
            return _not_found()
        if not _decode(await request.read(), bool):
            raise RefusedError("invalid_Shipment_cancelled", "A cancelled shipment stays cancelled.")
        if shipment.delivery_note is not None:
            raise RefusedError("alreadyPacked_Shipment", "The shipment has a delivery note.")
        if not shipment.cancelled:
            self._world.cancel(shipment)
        return answer(self._shipment(shipment))

    def _page(self, request: web.Request, rows: Iterable[T]) -> list[T]:
        """Rows `firstRow ..`; the list may have moved since its first page."""
        listed = list(rows)
        first = _number(request, "firstRow", 0)
        size = min(_number(request, "maxNumRows", len(listed)), self._world.options.page_rows_max)
        first = max(0, first + self._world.chaos.page_shift) if first else 0
        return listed[first : first + size]

    def _ordered(self, line: NewLine) -> tuple[Item, Decimal, str | None]:
        item = self._world.items.get(line.global_trade_item_id or 0)
        if item is None and line.stock_keeping_unit is not None:
            item = self._world.by_sku(line.stock_keeping_unit)
        if item is None:
            raise RefusedError("unknown_GlobalTradeItem", f"No trade item has the SKU {line.stock_keeping_unit}.")
        if line.num_items_ordered is None:
            raise RefusedError("notNull_ShipmentLine_numItemsOrdered", "The number of items is missing.")
        if not 1 <= line.num_items_ordered <= ORDERED_MAX:
            raise RefusedError("invalid_ShipmentLine_numItemsOrdered", f"The number of items is 1 to {ORDERED_MAX}.")
        return item, Decimal(line.num_items_ordered), line.sellers_reference

    def _seller(self, new: NewShipment) -> SellerOption | None:
        if new.seller_id is None and new.seller_number is None:
            return None
        for seller in self._world.sellers.values():
            if seller.id == new.seller_id or (new.seller_id is None and seller.number == new.seller_number):
                return seller
        raise RefusedError("unknown_Seller", "No sales channel has this id or number.")

    def _item(self, item: Item) -> dict[str, Any]:
        available = self._world.figure(item)
        return {
            "id": item.id,
            "contextId": self._world.options.context_id,
            "stockKeepingUnit": item.sku,
            "productNumber": item.sku,
            "numUnitsContained": 1,
            "numItemsAvailable": available,
            "numItemsSaleable": item.saleable,
            "numItemsReserved": item.reserved,
            "stocked": item.stocked,
            "available": (available or 0) > 0 or not item.stocked,
            "crossDock": False,
            "active": item.active,
            "standardCostPrice": item.cost,
        }

    def _shipment(self, shipment: Shipment) -> dict[str, Any]:
        status = "CANCELLED" if shipment.cancelled else "NEW" if shipment.delivery_note is None else "PACKED"
        return {
            "id": shipment.id,
            "contextId": self._world.options.context_id,
            "shipmentNumber": shipment.number,
            "sellersReference": shipment.reference,
            "sellerId": shipment.seller.id if shipment.seller else None,
            "sellerNumber": shipment.seller.number if shipment.seller else None,
            "customerNumber": shipment.customer,
            "cancelled": shipment.cancelled,
            "onHold": False,
            "shippingStatus": status,
            "deliveryNoteId": shipment.delivery_note,
            "consignmentNoteId": None,
            "shipmentLines": [_line(line) for line in shipment.lines],
            "shippingContainers": [],
        }


def _line(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "globalTradeItemId": line.item.id,
        "stockKeepingUnit": line.item.sku,
        "numItemsOrdered": line.quantity,
        "sellersReference": line.reference,
        "reservationId": line.reservation,
        "abandoned": not line.item.stocked,
    }


@web.middleware
async def refusals(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Business errors are 422 with a message object; JSON that cannot be read is 400."""
    try:
        response: web.StreamResponse = await handler(request)
    except RefusedError as error:
        return answer({"messageType": "ERROR", "messageCode": error.code, "messageText": str(error)}, 422)
    except msgspec.DecodeError as error:
        return message(str(error), 400)
    return response


def _decode(body: bytes, kind: type[T]) -> T:
    return msgspec.json.decode(body, type=kind)


def _text(value: str | None, entity: str, field: str) -> str:
    if value is None or not value.strip():
        raise RefusedError(f"notNull_{entity}_{field}", f"{field} is missing.")
    if not TEXT.fullmatch(value):
        raise RefusedError(f"invalid_{entity}_{field}", f"{field} has 1 to 36 characters and no line break.")
    return value


def _matching(request: web.Request, name: str, rows: Iterable[T], text: Callable[[T], str]) -> list[T]:
    """The rows that a `...Match` filter lets through: exact, with `*` and `%` as wildcards."""
    wanted = request.query.get(name)
    if wanted is None:
        return list(rows)
    pattern = re.compile(".*".join(re.escape(part) for part in re.split(r"[*%]", wanted)))
    return [row for row in rows if pattern.fullmatch(text(row))]


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise msgspec.DecodeError(f"{name} must be a number")
    return int(value)


def _id(request: web.Request) -> int:
    value = request.match_info["id"]
    return int(value) if value.isascii() and value.isdigit() else 0


def _not_found() -> web.Response:
    return answer({"messageType": "ERROR", "messageCode": "not_found", "messageText": "There is no such object."}, 404)
