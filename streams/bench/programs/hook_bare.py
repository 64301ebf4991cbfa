"""J1 on aiohttp and aiokafka: one `send_and_wait` per request, 200 after acks=all. It checks nothing and adds no headers."""

import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from streams.bench.hooks import Setup
from streams.bench.programs import client

BATCH_BYTES = 262_144


def main(setup: Setup) -> None:
    """Until SIGTERM."""
    uvloop.install()
    producer = web.AppKey[Any]("producer")

    async def hook(request: web.Request) -> web.Response:
        await request.app[producer].send_and_wait(setup.topic, await request.read())
        return web.Response()

    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    async def life(app: web.Application) -> AsyncIterator[None]:
        app[producer] = client.producer(setup.bootstrap, batch_bytes=BATCH_BYTES)
        await app[producer].start()
        yield
        await app[producer].stop()

    app = web.Application()
    app.router.add_post("/hook", hook)
    app.router.add_get("/ready", ready)
    app.cleanup_ctx.append(life)
    web.run_app(app, host="127.0.0.1", port=setup.port, access_log=None, print=None)


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Setup))
