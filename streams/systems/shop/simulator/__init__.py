"""A shop as a real server: `POST /stockwire`, `GET /stock`, and `/admin/` to sell, to misbehave and to read the truth."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from aiohttp import web

from streams.systems.shop.simulator.admin import Admin
from streams.systems.shop.simulator.api import Api
from streams.systems.shop.simulator.gate import Gate, Handler, answer
from streams.systems.shop.simulator.options import Options
from streams.systems.shop.simulator.orders import Orders
from streams.systems.shop.simulator.shop import Shelf, Shop


def simulator(options: Mapping[str, Any]) -> web.Application:
    """One simulated shop; `options` are the members of `Options`. Its `webhook_url` is `/stockwire`, its `api_url` the root."""
    start = msgspec.convert(options, Options)
    shop = Shop(start.mode, start.memory, start.order_prefix, {sku: Shelf(shown) for sku, shown in start.stock.items()})
    gate = Gate(start.seed)
    orders = None if start.thetis is None else Orders(start.thetis)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await gate.guard(request, handler)
        except msgspec.DecodeError as error:
            return answer({"error": str(error)}, 400)

    async def closed_at_the_end(_app: web.Application) -> AsyncIterator[None]:
        yield
        if orders is not None:
            await orders.close()

    app = web.Application(middlewares=[guard])
    app.router.add_routes([*Api(start, shop).routes(), *Admin(start, shop, gate, orders).routes()])
    app.cleanup_ctx.append(closed_at_the_end)
    return app
