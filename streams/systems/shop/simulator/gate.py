"""What stands before the simulated shop: the call log, and faults that have their way."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from models.codec import encode
from streams.systems.shop.simulator.options import Fault

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CALLS_KEPT = 20_000


class _Seen(msgspec.Struct, frozen=True):
    sku: Any = None
    sequence: Any = None


class _Event(msgspec.Struct, frozen=True):
    type: Any = None
    data: _Seen = _Seen()


def answer(value: Any, status: int = 200) -> web.Response:  # noqa: ANN401  # any JSON
    """A JSON answer with exact decimals."""
    return web.Response(body=encode(value), status=status, content_type="application/json")


class Gate:
    """The middleware of everything but `/admin/`."""

    def __init__(self, seed: int) -> None:
        self.faults: list[Fault] = []
        self.calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)
        self._random = random.Random(seed)  # noqa: S311  # chance that can be repeated

    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Log the call, and carry it out as the first fault that fits says."""
        if request.path.startswith("/admin/"):
            return await handler(request)
        call = await self._logged(request)
        fault = self._fault(call)
        response = await (handler(request) if fault is None else self._misbehave(request, handler, fault))
        call["status"] = response.status
        return response

    async def _logged(self, request: web.Request) -> dict[str, Any]:
        body = await request.read()
        try:
            event = msgspec.json.decode(body, type=_Event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            event = _Event()
        call = {
            "endpoint": f"{request.method} {request.path}",
            "query": dict(request.query),
            "id": request.headers.get("webhook-id"),
            "timestamp": request.headers.get("webhook-timestamp"),
            "type": event.type,
            "sku": event.data.sku,
            "sequence": event.data.sequence,
            "body": body.decode(errors="replace"),
            "at_ms": int(time.time() * 1_000),
            "status": 0,
        }
        self.calls.append(call)
        return call

    async def _misbehave(self, request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
        await asyncio.sleep(fault.delay_s)
        response: web.StreamResponse | None = None
        if fault.acts or fault.status is None:
            for _ in range(1 + fault.repeat):
                response = await handler(request)
        if fault.status == 0 and request.transport is not None:
            request.transport.abort()
        if response is not None and fault.status is None:
            return response
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        return web.Response(status=fault.status or 500, text="simulated fault", headers=headers)

    def _fault(self, call: dict[str, Any]) -> Fault | None:
        for index, fault in enumerate(self.faults):
            fits = fault.endpoint in {"*", call["endpoint"]} and fault.sku in {None, call["sku"]}
            if fits and self._random.random() < fault.rate:
                if fault.times == 1:
                    del self.faults[index]
                elif fault.times > 1:
                    self.faults[index] = msgspec.structs.replace(fault, times=fault.times - 1)
                return fault
        return None
