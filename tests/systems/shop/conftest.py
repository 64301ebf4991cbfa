"""A simulated shop over real HTTP, and our side of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from models.message import Json
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.secret import Secret
from streams.systems.shop.settings import ShopSettings
from streams.systems.shop.simulator import simulator

SECRET = "whsec_c3RhbmRhcmQtd2ViaG9va3MtZGVtby1rZXktMDAwMSE="
NEXT_SECRET = "whsec_YW5vdGhlci1rZXktYWZ0ZXItdGhlLXJvdGF0aW9uLTI="


class Remote:
    """The admin side of a simulated system."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str) -> Json:
        async with self._session.get(f"{self.url}/admin/{path}") as response:
            return msgspec.json.decode(await response.read())

    async def post(self, path: str, **body: Json) -> Json:
        async with self._session.post(f"{self.url}/admin/{path}", json=body) as response:
            return msgspec.json.decode(await response.read())

    async def calls(self, endpoint: str = "POST /stockwire") -> list[dict[str, Any]]:
        return [call for call in await self.get("calls") if call["endpoint"] == endpoint]


Start = Callable[[web.Application], Awaitable[Remote]]
StartShop = Callable[..., Awaitable[Remote]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Serve any application on a free port."""
    servers: list[TestServer] = []
    async with aiohttp.ClientSession() as session:

        async def started(app: web.Application) -> Remote:
            server = TestServer(app)
            servers.append(server)
            await server.start_server()
            return Remote(session, str(server.make_url("")).rstrip("/"))

        yield started
        for server in reversed(servers):
            await server.close()


@pytest.fixture
async def start_shop(start: Start) -> StartShop:
    """Serve a simulated shop with these options."""

    async def started(**options: Json) -> Remote:
        return await start(simulator({"secrets": [SECRET], **options}))

    return started


def settings_for(shop: Remote | None, **changes: Json) -> ShopSettings:
    """Our configuration of that shop."""
    url = "http://shop.invalid" if shop is None else shop.url
    known: dict[str, Any] = {"webhook_url": f"{url}/stockwire", "api_url": url, "webhook_secret": SECRET, "inbound_secret": SECRET}
    return msgspec.convert({**known, **changes}, ShopSettings, dec_hook=lambda _kind, value: Secret(value))


@pytest.fixture
async def client() -> AsyncIterator[Callable[[ShopSettings], HttpClient]]:
    """The way out to that shop."""
    clients: list[HttpClient] = []

    def made(settings: ShopSettings) -> HttpClient:
        hosts = (settings.webhook_url, settings.api_url or "")
        http = HttpClient(hosts=hosts, budget=Budget(per_second=1e5), purpose=Purpose.SEND, redactor=Redactor.of(settings))
        clients.append(http)
        return http

    yield made
    for http in clients:
        await http.close()
