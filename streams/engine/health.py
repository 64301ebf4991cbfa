"""Liveness, readiness and metrics over HTTP, in the worker's own event loop: if that hangs, the probe gets no answer."""

from collections.abc import Callable

from aiohttp import web

from streams.metrics import exposition


class HealthServer:
    """`/live` answers while the loop turns; `/ready` is 200 only while partitions are assigned, recovered and not moving."""

    def __init__(self, host: str, port: int, ready: Callable[[], bool]) -> None:
        self._host, self._port, self._ready = host, port, ready
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        app = web.Application()
        app.add_routes([web.get("/live", self._live), web.get("/ready", self._say_ready), web.get("/metrics", self._metrics)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(text="live")

    async def _say_ready(self, _request: web.Request) -> web.Response:
        return web.Response(text="ready") if self._ready() else web.Response(status=503, text="not ready")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
