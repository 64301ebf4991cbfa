"""What stands before the simulated API: token, key, limits, faults, the call log and the source's own clock."""

import asyncio
import base64
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import msgspec
from aiohttp import web

from streams.systems.thetis.simulator.options import Fault, Options
from streams.systems.thetis.simulator.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CALLS_KEPT = 20_000
DAY_S = 86_400
API = "/2"

encode = msgspec.json.Encoder(decimal_format="number").encode


def answer(value: Any, status: int = 200) -> web.Response:  # noqa: ANN401  # any JSON
    """A JSON answer."""
    return web.Response(body=encode(value), status=status, content_type="application/json")


def message(text: str, status: int) -> web.Response:
    """The gateway's own refusals."""
    return answer({"message": text}, status)


class Gate:
    """The middleware of the simulated API."""

    def __init__(self, options: Options, world: World) -> None:
        self.faults: list[Fault] = []
        self.calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)
        self.counts: Counter[str] = Counter()
        self._options = options
        self._world = world
        self._tokens: dict[str, float] = {}
        self._second: tuple[int, int] = (0, 0)
        self._day: tuple[int, int] = (0, 0)

    async def stamp(self, _request: web.Request, response: web.StreamResponse) -> None:
        """`Date` is the source's clock, which may be off."""
        response.headers["Date"] = formatdate(self._world.now_s(), usegmt=True)

    def expire_tokens(self) -> None:
        """Every token handed out so far is worthless now."""
        self._tokens = dict.fromkeys(self._tokens, 0.0)

    async def token(self, request: web.Request) -> web.Response:
        """`POST /oauth2/token`, client credentials."""
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            return answer({"error": "unsupported_grant_type"}, 400)
        pair = f"{self._options.client_id}:{self._options.client_secret}".encode()
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(pair).decode()}":
            return answer({"error": "invalid_client"}, 400)
        token = f"{self._world.random.getrandbits(256):064x}"
        self._tokens[token] = time.monotonic() + self._options.token_life_s
        return answer({"access_token": token, "expires_in": int(self._options.token_life_s), "token_type": "Bearer"})

    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Log the call, let a fault have its way, then refuse what the gateway would refuse."""
        if request.path.startswith("/admin/"):
            return await handler(request)
        endpoint = endpoint_of(request)
        fault = self._fault(endpoint)
        call = {"endpoint": endpoint, "path": request.path, "query": dict(request.query), "at_ms": int(time.time() * 1_000), "status": 0}
        self.calls.append(call)
        self.counts[endpoint] += 1
        if fault is None:
            response = await self._admit(request, handler)
        else:
            response = await self._misbehave(request, handler, fault)
        call["status"] = response.status
        return response

    async def _misbehave(self, request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
        await asyncio.sleep(fault.delay_s)
        response: web.StreamResponse | None = None
        if fault.acts or fault.status is None:
            response = await self._admit(request, handler)
        await asyncio.sleep(fault.hold_s)
        if fault.status == 0 and request.transport is not None:
            request.transport.abort()
            return web.Response(status=500)
        if response is not None and fault.status is None:
            return response
        return web.Response(text=fault.body, status=fault.status or 500, content_type="application/json")

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(f"{API}/"):
            return await handler(request)
        if request.match_info.http_exception is not None:
            return message("Missing Authentication Token", 403)
        refused = self._unknown_caller(request) or self._too_many()
        return refused or await handler(request)

    def _unknown_caller(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return message("Unauthorized", 401)
        if self._tokens[token] <= time.monotonic():
            return message("The incoming token has expired", 401)
        if request.headers.get("x-api-key") != self._options.api_key:
            return message("Forbidden", 403)
        return None

    def _too_many(self) -> web.Response | None:
        """The limits of the key: per second, and per UTC day."""
        second, day = int(time.time()), int(time.time()) // DAY_S
        self._second = (second, self._second[1] + 1 if self._second[0] == second else 1)
        self._day = (day, self._day[1] + 1 if self._day[0] == day else 1)
        if self._day[1] > self._options.per_day:
            return message("Limit Exceeded", 429)
        if self._second[1] > self._options.per_second:
            return message("Too Many Requests", 429)
        return None

    def _fault(self, endpoint: str) -> Fault | None:
        for index, fault in enumerate(self.faults):
            if fault.endpoint in {"*", endpoint}:
                left = fault.times - 1
                self.faults[index : index + 1] = [msgspec.structs.replace(fault, times=left)] if left > 0 else []
                return fault
        return None


def endpoint_of(request: web.Request) -> str:
    """`GET /globalTradeItems/{id}`: method and route, below the API's base."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else request.path
    return f"{request.method} {path.removeprefix(API)}"
