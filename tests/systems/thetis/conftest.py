"""A simulated Thetis over real HTTP, and a receiver that writes down what it is sent."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.secret import Secret
from streams.systems.thetis import SYSTEM
from streams.systems.thetis.client import ThetisClient
from streams.systems.thetis.settings import ThetisSettings


class Remote:
    """A running simulator, its settings, and its levers."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self._session = session
        self.settings = ThetisSettings(
            api_url=f"{base}/2",
            auth_url=base,
            api_key=Secret("simulated-key"),
            client_id=Secret("simulated-id"),
            client_secret=Secret("simulated-secret"),
            webhook_secret=Secret("an-unguessable-segment"),
            page_rows=1_000,
        )
        self._token = ""

    async def admin(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401  # any JSON
        """Pull one lever."""
        data = None if body is None else msgspec.json.encode(body)
        async with self._session.request(method, f"{self.base}/admin/{path}", data=data) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:  # noqa: ANN401
        """Call the documented API, as a client of ours would; status and body."""
        form = {"grant_type": "client_credentials"}
        if not self._token:
            basic = {"Authorization": aiohttp.encode_basic_auth("simulated-id", "simulated-secret")}
            async with self._session.post(f"{self.base}/oauth2/token", data=form, headers=basic) as answer:
                self._token = (await answer.json())["access_token"]
        sent = {"Authorization": f"Bearer {self._token}", "x-api-key": "simulated-key", **headers}
        data = None if body is None else msgspec.json.encode(body)
        async with self._session.request(method, f"{self.base}/2/{path}", data=data, headers=sent) as answer:
            return answer.status, await answer.json()

    async def counts(self) -> dict[str, int]:
        """How often each endpoint was called."""
        counts: dict[str, int] = (await self.admin("GET", "calls"))["counts"]
        return counts


class Start(Protocol):
    """Starts a simulator."""

    async def __call__(self, **options: Any) -> Remote:  # noqa: ANN401  # any option
        """With these options."""


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start simulators that stop with the test."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def started(**options: Any) -> Remote:  # noqa: ANN401  # any option
            server = await stack.enter_async_context(TestServer(SYSTEM.simulator(options)))
            return Remote(str(server.make_url("")).rstrip("/"), session)

        yield started


class Clock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def http() -> AsyncIterator[Callable[[ThetisSettings], HttpClient]]:
    """Make HTTP clients for settings; all are closed with the test."""
    async with AsyncExitStack() as stack:
        made: list[HttpClient] = []

        def make(settings: ThetisSettings) -> HttpClient:
            client = HttpClient(
                hosts=SYSTEM.hosts(settings),
                budget=Budget(per_second=10_000),
                purpose=Purpose.SEND,
                redactor=Redactor.of(settings),
            )
            made.append(client)
            stack.push_async_callback(client.close)
            return client

        yield make


@pytest.fixture
def client(http: Callable[[ThetisSettings], HttpClient]) -> Callable[..., ThetisClient]:
    """Make Thetis clients."""
    return lambda settings, clock=time.monotonic: ThetisClient(settings, http(settings), clock)


class Inbox:
    """A receiver of webhooks. `statuses` are answered first, one per request; then 200."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []

    async def take(self, request: web.Request) -> web.Response:
        """Write down and answer."""
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.bodies.append(await request.json())
            self.headers.append(dict(request.headers))
        return web.Response(status=status)

    async def deltas(self) -> list[int]:
        """The deltas taken so far, in order."""
        details = [body.get("detail", body) for body in self.bodies]
        return [detail["delta"] for detail in details if "delta" in detail]

    def got(self, deltas: list[int]) -> Callable[[], Any]:
        """A probe for `eventually`."""

        async def probe() -> bool:
            await asyncio.sleep(0)
            return await self.deltas() == deltas

        return probe


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    """A running receiver."""
    box = Inbox()
    app = web.Application()
    app.router.add_post("/hooks/wh/secret", box.take)
    async with TestServer(app) as server:
        box.url = str(server.make_url("/hooks/wh/secret"))
        yield box
