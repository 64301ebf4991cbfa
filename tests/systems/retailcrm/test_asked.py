"""A simulated account asks our own callback over real HTTP, and shows what it was answered."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web

from models.errors import PoisonError
from models.message import Json
from streams.systems.retailcrm.callback import CrmCallback
from streams.systems.retailcrm.register import register
from streams.systems.retailcrm.settings import RetailCrmSettings
from streams.systems.spec import Context, Hook, Taken
from tests.systems.retailcrm.conftest import CONTEXT, MODULE, Client, View, level, settings_for
from tests.systems.retailcrm.simulated import Crm, serving, simulated

NOTHING: tuple[Json, ...] = (None, [])


class Ours:
    """A door with our callback behind it; `taken` is what came through."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.taken: list[Taken] = []
        self.callback: CrmCallback | None = None

    def serve(self) -> AbstractAsyncContextManager[str]:
        app = web.Application()
        app.router.add_post("/hooks/crm/{secret:.*}", self._answer)
        return serving(app)

    async def _answer(self, request: web.Request) -> web.Response:
        assert self.callback is not None
        headers = {name.lower(): value for name, value in request.headers.items()}
        hook = Hook(request.match_info["secret"], headers, await request.read(), time.time())
        if self.callback.verify(hook) is not None:
            return web.Response(status=401)
        try:
            taken = self.callback.take(hook)
        except PoisonError:
            return web.Response(status=400)
        self.taken.append(taken)
        return web.Response(body=taken.answer, content_type="application/json")


async def join(crm: Crm, ours: Ours, url: str, client: Client, slash: str = "") -> RetailCrmSettings:
    """Register `ours` at the account."""
    context = Context(connection="crm", stores=CONTEXT.stores, hooks_url=f"{url}/hooks/crm{slash}")
    settings = settings_for(crm.url, module=MODULE)
    ours.callback = CrmCallback(context, settings, ours.view)
    await register(context, settings, client(settings), dry_run=False)
    return settings


def known() -> Ours:
    tea = level("wms-100", moscow="12.5", petersburg="0", costs={"moscow": "310.5"})
    return Ours(View(tea, level("wms-101", moscow="3", petersburg="7")))


@pytest.mark.req("R-01", "R-12", "R-17", "R-22", "R-24", "R-25")
@pytest.mark.parametrize("slash", ["", "/"])
async def test_asked_when_registered_then_the_account_shows_the_answer(client: Client, slash: str) -> None:
    ours = known()
    async with simulated() as crm, ours.serve() as url:
        with pytest.raises(KeyError):
            (await crm.admin("call-point", {"offers": ["wms-100"]}))["calls"]
        await join(crm, ours, url, client, slash)
        (call,) = (await crm.admin("call-point", {"offers": ["wms-100", "wms-101", "nope"]}))["calls"]
        assert (call["status"], call["error"], call["applied"]) == (200, None, [2, []])
        truth = await crm.admin("truth")
        assert (truth["wms-100"]["msk-1"], truth["wms-100"]["spb-1"], truth["wms-101"]["spb-1"]) == (12.5, 0, 7)
        assert (await crm.admin("costs"))["wms-100"]["msk-1"] == 310.5
        assert {emit.key for emit in ours.taken[0].emits} == {"wms-100", "wms-101"}


@pytest.mark.req("R-24", "R-26")
async def test_asked_when_three_at_once_then_all_are_answered(client: Client) -> None:
    ours = known()
    async with simulated() as crm, ours.serve() as url:
        await join(crm, ours, url, client)
        began_s = time.monotonic()
        asked: list[Json] = await asyncio.gather(
            *(crm.admin("call-point", {"offers": [sku], "at_once": 3}) for sku in ("wms-100", "wms-101"))
        )
        assert time.monotonic() - began_s < 1
        assert [call["status"] for answers in asked for call in answers["calls"]] == [200] * 6
        assert len({taken.delivery for taken in ours.taken}) >= 2


@pytest.mark.req("R-08", "R-24")
@pytest.mark.parametrize("client_id", ["", "another"])
async def test_asked_when_the_client_id_is_wrong_or_missing_then_refused_and_nothing_taken(client: Client, client_id: str) -> None:
    ours = known()
    async with simulated() as crm, ours.serve() as url:
        await join(crm, ours, url, client)
        (call,) = (await crm.admin("call-point", {"offers": ["wms-100"], "callback": {"client_id": client_id}}))["calls"]
        assert (call["status"], call["applied"], ours.taken) == (401, None, [])


@pytest.mark.req("R-24")
@pytest.mark.parametrize("way", [{"field": "inventoriesUpload"}, {"field": "offers", "bare": True}, {"bare": True}])
async def test_asked_when_in_another_form_then_answered(client: Client, way: dict[str, Json]) -> None:
    ours = known()
    async with simulated() as crm, ours.serve() as url:
        await join(crm, ours, url, client)
        (call,) = (await crm.admin("call-point", {"offers": ["wms-100"], "callback": way}))["calls"]
        assert call["applied"] == [1, []]


@pytest.mark.req("R-19", "R-24")
async def test_asked_when_about_nothing_then_an_empty_answer(client: Client) -> None:
    ours = known()
    async with simulated() as crm, ours.serve() as url:
        await join(crm, ours, url, client)
        for offers in NOTHING:
            (call,) = (await crm.admin("call-point", {"offers": offers}))["calls"]
            assert (call["status"], call["applied"]) == (200, [0, []])
        assert [taken.emits[0].key for taken in ours.taken] == ["crm/catalogue"] * 2


@pytest.mark.req("R-25")
async def test_told_when_switched_off_then_kept(client: Client) -> None:
    ours = known()
    async with simulated() as crm, ours.serve() as url:
        await join(crm, ours, url, client)
        told = await crm.admin("module", {"module": "wms-ab12", "active": False})
        assert told["call"]["status"] == 200
        assert (ours.taken[0].body or b"").startswith(b'{"action":"activity","activity":{"active":false,"freeze":false}')
