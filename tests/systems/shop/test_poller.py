"""Reading what a shop shows."""

from collections.abc import Callable

import pytest
from aiohttp import web

from models.cursor import Cursor
from models.errors import OperatorError, TransientError
from models.observation import ShownSeen
from streams.http import HttpClient
from streams.systems.shop.poller import ShownPager
from streams.systems.shop.settings import ShopSettings
from streams.systems.shop.translate import translate
from tests.systems.shop.conftest import Start, StartShop, settings_for

Client = Callable[[ShopSettings], HttpClient]


def cursor(position: str = "") -> Cursor:
    return Cursor(connection="web", what="shown", due_ms=0, sweep="s-1", position=position)


@pytest.mark.req("X-11")
async def test_pages_when_2500_skus_then_three_pages_each_row_an_element(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop(stock={f"SKU/{number:04}": number for number in range(2_500)})
    settings = settings_for(shop)
    pager = ShownPager("web", settings, client(settings))
    position: str | None = ""
    seen = {}
    while position is not None:
        page = await pager.page(cursor(position))
        position = page.position
        for element in page.elements:
            assert element.inbound.kind == "reading"
            assert element.inbound.sweep == "s-1"
            assert element.inbound.asked_ms is not None
            (shown,) = translate(element.value, element.inbound)
            assert isinstance(shown, ShownSeen)
            assert element.key == shown.sku
            seen[shown.sku] = int(shown.shown)
    assert seen == {f"SKU/{number:04}": number for number in range(2_500)}
    queries = [call["query"] for call in await shop.calls("GET /stock")]
    assert queries == [{"limit": "1000"}, {"after": "SKU/0999", "limit": "1000"}, {"after": "SKU/1999", "limit": "1000"}]


async def test_page_when_the_api_key_is_wrong_then_a_person_is_needed(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop(api_key="right", stock={"A": 1})
    good, bad = settings_for(shop, api_key="right"), settings_for(shop, api_key="wrong")
    assert len((await ShownPager("web", good, client(good)).page(cursor())).elements) == 1
    with pytest.raises(OperatorError):
        await ShownPager("web", bad, client(bad)).page(cursor())


@pytest.mark.parametrize("body", ["<html>", "{}", '{"rows":{}}', '{"rows":[],"next":""}', '{"rows":[],"next":"M"}'])
async def test_page_when_it_is_none_or_would_never_end_then_later(start: Start, client: Client, body: str) -> None:
    async def stock(_request: web.Request) -> web.Response:
        return web.Response(text=body)

    app = web.Application()
    app.router.add_get("/stock", stock)
    settings = settings_for(await start(app))
    with pytest.raises(TransientError) as caught:
        await ShownPager("web", settings, client(settings)).page(cursor("M"))
    assert caught.value.exchange is not None


async def test_page_when_one_row_is_unreadable_then_the_others_pass(start: Start, client: Client) -> None:
    async def stock(_request: web.Request) -> web.Response:
        return web.Response(text='{"rows":[{"sku":"A","available":1},{"sku":7},{"sku":"B","available":2}],"next":null}')

    app = web.Application()
    app.router.add_get("/stock", stock)
    settings = settings_for(await start(app))
    page = await ShownPager("web", settings, client(settings)).page(cursor())
    assert [(element.key, element.value) for element in page.elements] == [
        ("A", b'{"sku":"A","available":1}'),
        ("web", b'{"sku":7}'),
        ("B", b'{"sku":"B","available":2}'),
    ]
