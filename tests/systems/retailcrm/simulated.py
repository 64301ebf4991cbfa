"""A simulated CRM over real HTTP, spoken to in bytes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from models.message import Json
from streams.systems.retailcrm.simulator import simulator

KEY = "k-test"
FORM = "application/x-www-form-urlencoded"
STORES = ({"code": "msk-1", "name": "Moscow"}, {"code": "spb-1"}, {"code": "shown-1", "inventory_type": "available"})
TEA = {"id": 20282, "external_id": "sku-100", "xml_id": "wms-100", "name": "Tea, 33 g", "article": "A-38", "price": 624}
MUG = {"id": 20283, "external_id": "sku-101", "xml_id": "wms-101", "name": "Mug"}


class Got(NamedTuple):
    """An answer as it came."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Json:
        return msgspec.json.decode(self.body)


class Crm:
    """Both sides of a simulated account."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str, *, key: str | None = KEY, method: str = "GET") -> Got:
        return await self._send(method, f"{self.url}/api{path}", {} if key is None else {"X-API-KEY": key}, b"")

    async def post(self, path: str, body: str | bytes, *, key: str | None = KEY, kind: str = FORM) -> Got:
        """A literal body. The CRM's field values must be encoded by the caller where they have `&`, `+` or `%`."""
        data = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": kind, **({} if key is None else {"X-API-KEY": key})}
        return await self._send("POST", f"{self.url}/api{path}", headers, data)

    async def admin(self, path: str, body: Json = None, *, method: str | None = None) -> Json:
        data = b"" if body is None else msgspec.json.encode(body)
        return (await self._send(method or ("GET" if body is None else "POST"), f"{self.url}/admin/{path}", {}, data)).json

    async def _send(self, method: str, url: str, headers: dict[str, str], data: bytes) -> Got:
        async with self._session.request(method, url, headers=headers, data=data) as response:
            return Got(response.status, await response.read(), dict(response.headers))


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Any application; its address."""
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


@asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[Crm]:  # noqa: ANN401  # of the simulator
    """An account with the document's own offers, unless told otherwise."""
    given: dict[str, Any] = {"api_keys": [{"key": KEY}], "stores": STORES, "offers": [TEA, MUG], **options}
    given["rules"] = {"per_second": 1e4, "burst": 10_000, **given.get("rules", {})}
    async with serving(simulator(given)) as url, aiohttp.ClientSession() as session:
        yield Crm(session, url)
