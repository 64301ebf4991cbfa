"""Thetis as a real server: the documented API below `/2`, `/oauth2/token`, webhooks, and `/admin/` to make it misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from random import Random
from typing import Any

import msgspec
from aiohttp import web

from streams.systems.thetis.simulator.admin import Admin
from streams.systems.thetis.simulator.api import Api, refusals
from streams.systems.thetis.simulator.gate import Gate, Handler
from streams.systems.thetis.simulator.options import Options
from streams.systems.thetis.simulator.sender import Sender
from streams.systems.thetis.simulator.world import World

REQUEST_MAX_BYTES = 4 * 1024 * 1024


def simulator(options: Mapping[str, Any]) -> web.Application:
    """One simulated context; `options` are the members of `Options`. `auth_url` is its base URL, `api_url` that and `/2`.

    Raises `msgspec.ValidationError` for an option that is not one.
    """
    start = msgspec.convert(options, Options)
    random = Random(start.seed)  # noqa: S311  # chance, not secrecy
    sender = Sender(retry_s=start.retry_s, tries_max=start.tries_max, random=random, chaos=lambda: world.chaos)
    sender.webhook = start.webhook
    world = World(start, random, sender.publish)
    gate = Gate(start, world)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await gate.guard(request, handler)

    app = web.Application(middlewares=[guard, refusals], client_max_size=REQUEST_MAX_BYTES)
    app.on_response_prepare.append(gate.stamp)
    app.router.add_post("/oauth2/token", gate.token)
    app.router.add_routes([*Api(world).routes(), *Admin(world, gate, sender).routes()])
    app.cleanup_ctx.append(lambda _app: _running(sender))
    return app


async def _running(sender: Sender) -> AsyncIterator[None]:
    """Events are delivered while the server runs."""
    task = asyncio.create_task(sender.run(), name="thetis webhooks")
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
