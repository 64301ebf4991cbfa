"""What stands before the methods: nginx, the call log, faults, the key, its rate and its scopes."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from streams.systems.retailcrm.simulator.account import Account
from streams.systems.retailcrm.simulator.faults import OVER, Faults, misbehave
from streams.systems.retailcrm.simulator.options import KeyOption
from streams.systems.retailcrm.simulator.params import parameters
from streams.systems.retailcrm.simulator.protocol import API, Call, Method, RefusedError, html, printed, refusal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OVER_STATUS = {"503": 503, "429": 429, "html": 503}
UPLOADS = ("offers", "prices", "orders")
CALL = web.RequestKey("call", Call)
NOT_FOUND, NOT_ALLOWED = 404, 405


class Count(msgspec.Struct):
    """The calls of one endpoint: how many, how many rows they brought in all and at most, and how they were answered."""

    calls: int = 0
    offers: int = 0
    offers_max: int = 0
    statuses: dict[int, int] = {}


class Gate:
    """The middleware of everything but `/admin/`."""

    def __init__(self, account: Account, calls_kept: int, faults: Faults) -> None:
        self.calls: deque[dict[str, Any]] = deque(maxlen=calls_kept)
        self.counts: dict[str, Count] = {}
        self._account = account
        self._faults = faults
        self._buckets: dict[str, tuple[float, float]] = {}

    def forget_calls(self) -> None:
        """Count from here."""
        self.calls.clear()
        self.counts.clear()

    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Log the call, and carry it out as the first fault that fits says."""
        if request.path.startswith("/admin/"):
            return await handler(request)
        if not self._account.rules.account:
            status = NOT_ALLOWED if request.method == "POST" else NOT_FOUND
            return web.Response(body=html(status), status=status, content_type="text/html")
        try:
            params = await parameters(request)
        except RefusedError as error:
            return self._refused(error)
        call = await self._logged(request, params)
        chosen = self._faults.chosen(call["endpoint"], params)
        if chosen is None:
            response = await self._admit(request, params, handler)
        else:
            going_wrong = misbehave(request, *chosen, lambda: self._admit(request, params, handler))
            response = await asyncio.shield(going_wrong)  # what takes long happens also when nobody waits for it any more
        broken = request.transport is None or request.transport.is_closing()
        self._answered(call, 0 if broken else response.status)
        return response

    def handler(self, method: Method) -> Handler:
        """What answers the calls of a method."""

        async def run(request: web.Request) -> web.Response:
            call = request[CALL]
            if method.scope is not None and method.scope not in call.key.scopes:
                raise RefusedError("Access denied.", 403)
            payload, status = method.run(call)
            return self._print({"success": True, **payload}, status)

        return run

    async def _admit(self, request: web.Request, params: dict[str, Any], handler: Handler) -> web.Response:
        try:
            key = self._key(request, params)
            if self._over(key.key):
                return self._throttled()
            if request.match_info.http_exception is not None:
                known = request.match_info.http_exception.status == NOT_ALLOWED
                raise RefusedError("Method Not Allowed", NOT_ALLOWED) if known else RefusedError("API method not found", NOT_FOUND)
            sites = tuple(self._account.sites) if key.sites is None else key.sites
            request[CALL] = Call(key=key, sites=sites, path=dict(request.match_info), params=params)
            response = await handler(request)
        except RefusedError as error:
            return self._refused(error)
        return response if isinstance(response, web.Response) else web.Response(status=500)

    def _key(self, request: web.Request, params: dict[str, Any]) -> KeyOption:
        given = request.headers.get("X-API-KEY", params.get("apiKey"))
        if not given:
            raise RefusedError('"apiKey" is missing.', 403)
        key = self._account.keys.get(given) if isinstance(given, str) else None
        if key is None:
            raise RefusedError('Wrong "apiKey" value.', 403)
        return key

    def _over(self, key: str) -> bool:
        """Take a token from the key's bucket, if there is one."""
        rules, now_s = self._account.rules, time.monotonic()
        tokens, at_s = self._buckets.get(key, (float(rules.burst), now_s))
        tokens = min(float(rules.burst), tokens + (now_s - at_s) * rules.per_second)
        self._buckets[key] = (tokens if tokens < 1 else tokens - 1, now_s)
        return tokens < 1

    def _throttled(self) -> web.Response:
        over = self._account.rules.over
        status = OVER_STATUS[over]
        if over == "html":
            return web.Response(body=html(status), status=status, content_type="text/html")
        return self._refused(RefusedError(OVER, status))

    def _refused(self, error: RefusedError) -> web.Response:
        return self._print(refusal(error), error.status)

    def _print(self, body: dict[str, Any], status: int) -> web.Response:
        return web.Response(body=printed(body, escaped=self._account.rules.escaped), status=status, content_type="application/json")

    async def _logged(self, request: web.Request, params: dict[str, Any]) -> dict[str, Any]:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        call = {
            "endpoint": _endpoint(request),
            "path": request.path,
            "query": dict(request.query),
            "form": form,
            "offers": sum(_rows(params.get(name)) for name in UPLOADS),
            "at_ms": int(time.time() * 1_000),
            "status": 0,
        }
        self.calls.append(call)
        return call

    def _answered(self, call: dict[str, Any], status: int) -> None:
        call["status"] = status
        count = self.counts.setdefault(call["endpoint"], Count())
        count.calls += 1
        count.offers += call["offers"]
        count.offers_max = max(count.offers_max, call["offers"])
        count.statuses[status] = count.statuses.get(status, 0) + 1


def _endpoint(request: web.Request) -> str:
    """`POST /store/inventories/upload`: method and route, below the API's base."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else request.path
    return f"{request.method} {path.removeprefix(API)}"


def _rows(given: object) -> int:
    """How many rows an upload brings."""
    if isinstance(given, list):
        return len(given)
    try:
        return len(msgspec.json.decode(given, type=list[msgspec.Raw])) if isinstance(given, str) else 0
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
