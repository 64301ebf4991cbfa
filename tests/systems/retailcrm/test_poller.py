"""Reading what an account shows."""

import pytest
from aiohttp import web

from models.cursor import Cursor
from models.errors import OperatorError, RefusedError, TransientError
from models.observation import ShownSeen
from streams.systems.retailcrm.poller import ShownPager
from streams.systems.retailcrm.translate import translate
from tests.systems.retailcrm.conftest import Client, answering, settings_for
from tests.systems.retailcrm.simulated import MUG, TEA, serving, simulated


def pager_for(url: str, client: Client, **changes: str) -> ShownPager:
    settings = settings_for(url, **changes)
    return ShownPager("crm", settings, client(settings))


def cursor(position: str = "") -> Cursor:
    return Cursor(connection="crm", what="shown", due_ms=0, sweep="s", position=position)


@pytest.mark.req("R-01", "R-15")
async def test_page_then_each_offer_of_the_site_with_a_row_per_store(client: Client) -> None:
    tea = {**TEA, "stock": {"msk-1": "12.5", "spb-1": 4}, "costs": {"msk-1": 310}}
    async with simulated(sites=[{"code": "main"}, {"code": "b2b"}], offers=[tea, {**MUG, "site": "b2b"}]) as crm:
        page = await pager_for(crm.url, client).page(cursor())
        assert [(element.key, element.inbound.kind, element.inbound.sweep) for element in page.elements] == [("20282", "reading", "s")]
        (element,) = page.elements
        assert element.inbound.asked_ms is not None
        (seen,) = translate(element.value, element.inbound)
        assert isinstance(seen, ShownSeen)
        assert (seen.sku, float(seen.shown), {code: float(shown) for code, shown in seen.stores.items() if shown}) == (
            "wms-100",
            16.5,
            {"msk-1": 12.5, "spb-1": 4.0},
        )
        assert page.position is None
        (call,) = (await crm.admin("calls"))["calls"]
        assert call["query"] == {"filter[details]": "1", "filter[sites][]": "main", "limit": "250", "page": "1"}


@pytest.mark.req("R-15")
async def test_page_when_there_are_many_then_any_process_can_go_on(client: Client) -> None:
    async with simulated(offers=501) as crm:
        keys: list[str] = []
        position: str | None = ""
        sizes = []
        while position is not None:
            page = await pager_for(crm.url, client).page(cursor(position))
            sizes.append(len(page.elements))
            keys += [element.key for element in page.elements]
            position = page.position
        assert sizes == [250, 250, 1]
        assert keys == [str(offer["id"]) for offer in await crm.admin("stock")]


async def test_page_when_the_account_is_empty_then_the_end(client: Client) -> None:
    async with simulated(offers=[]) as crm:
        page = await pager_for(crm.url, client).page(cursor())
        assert (page.elements, page.position) == ([], None)


async def test_page_when_an_offer_cannot_be_read_then_the_others_pass(client: Client) -> None:
    body = '{"success":true,"pagination":{"totalPageCount":1},"offers":[{"id":7,"xmlId":"A"},{"xmlId":[]},7,{"id":1},{"xmlId":"B"}]}'
    async with serving(answering(body)) as url:
        page = await pager_for(url, client).page(cursor())
        assert [(element.key, element.value) for element in page.elements] == [
            ("7", b'{"id":7,"xmlId":"A"}'),
            ("crm", b'{"xmlId":[]}'),
            ("crm", b"7"),
            ("1", b'{"id":1}'),
            ("crm", b'{"xmlId":"B"}'),
        ]


@pytest.mark.parametrize(
    "body", ["<", "", '{"success":true}', '{"success":true,"pagination":{},"offers":[]}', '{"success":true,"pagination":[],"offers":{}}']
)
async def test_page_when_it_is_none_then_later(client: Client, body: str) -> None:
    async with serving(answering(body)) as url:
        with pytest.raises((TransientError, OperatorError)) as caught:
            await pager_for(url, client).page(cursor())
        assert isinstance(caught.value, OperatorError if body == "<" else TransientError)
        assert caught.value.exchange is not None


async def test_page_when_the_site_is_unknown_or_the_key_wrong_then_said(client: Client) -> None:
    async with simulated() as crm:
        with pytest.raises(RefusedError, match="input parameters"):
            await pager_for(crm.url, client, site="nowhere").page(cursor())
        with pytest.raises(OperatorError, match="api_key"):
            await pager_for(crm.url, client, api_key="wrong").page(cursor())


async def test_page_when_members_are_added_then_ignored(client: Client) -> None:
    async with simulated(offers=[{**TEA, "stock": {"msk-1": 1}}]) as crm:
        await crm.admin("faults", {"extra": {"new": [{"x": 1}]}})
        (element,) = (await pager_for(crm.url, client).page(cursor())).elements
        assert translate(element.value, element.inbound)


async def test_page_when_more_pages_are_promised_than_there_are_then_it_ends(client: Client) -> None:
    async def endless(_request: web.Request) -> web.Response:
        return web.Response(text='{"success":true,"pagination":{"totalPageCount":1000000},"offers":[]}')

    app = web.Application()
    app.router.add_get("/api/v5/store/inventories", endless)
    async with serving(app) as url:
        assert (await pager_for(url, client).page(cursor("7"))).position is None
