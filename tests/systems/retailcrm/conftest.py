"""Our side of a simulated account: settings that fit it, the way there, and a view of levels."""

from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web

from models.level import Level
from models.message import Json
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.secret import Secret
from streams.systems.retailcrm.settings import RetailCrmSettings
from streams.systems.spec import Context
from tests.systems.retailcrm.simulated import KEY

CLIENT_ID = "7c1f7a3e-5d0e-4c38-9a53-0f0a1f0d1b11"
CONTEXT = Context(connection="crm", stores={"moscow": "msk-1", "petersburg": "spb-1"}, hooks_url="https://wms.example/hooks/crm")
MODULE: dict[str, Json] = {
    "name": "Acme WMS",
    "code": "wms-ab12",
    "client_id": CLIENT_ID,
    "call_points": ["order-card", "offer-list"],
    "logo": "https://wms.example/logo.svg",
    "account_url": "https://wms.example/cabinet",
}

Client = Callable[[RetailCrmSettings], HttpClient]


def settings_for(url: str = "https://acme.retailcrm.ru", **changes: Json) -> RetailCrmSettings:
    """Our configuration of the account."""
    known: dict[str, Any] = {"account_url": url, "api_key": KEY, "site": "main", **changes}
    return msgspec.convert(known, RetailCrmSettings, dec_hook=lambda _kind, value: Secret(value))


def level(sku: str = "wms-100", *, sequence: int = 1, costs: Mapping[str, str] | None = None, **parts: str) -> Level:
    """A level with its parts by place."""
    numbers = {place: Decimal(part) for place, part in parts.items()}
    return Level(
        connection="crm",
        sku=sku,
        sequence=sequence,
        level=sum(numbers.values(), Decimal(0)),
        parts=numbers,
        costs={place: Decimal(cost) for place, cost in (costs or {}).items()},
    )


class View:
    """Levels as the receiver has read them."""

    def __init__(self, *levels: Level, complete: bool = True) -> None:
        self.complete = complete
        self.levels = {one.sku: one for one in levels}

    def get(self, sku: str) -> Level | None:
        return self.levels.get(sku)


def answering(body: str, status: int = 200, kind: str = "application/json") -> web.Application:
    """A server that says the same to everything."""

    async def say(_request: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type=kind)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", say)
    return app


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """The way out to that account."""
    clients: list[HttpClient] = []

    def made(settings: RetailCrmSettings) -> HttpClient:
        budget, redactor = Budget(per_second=1e5), Redactor.of(settings)
        clients.append(HttpClient(hosts=(settings.base_url,), budget=budget, purpose=Purpose.SEND, redactor=redactor))
        return clients[-1]

    yield made
    for http in clients:
        await http.close()
