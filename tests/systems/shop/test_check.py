"""`stockwire check` of a shop."""

import base64
from collections.abc import Callable

from streams.http import HttpClient
from streams.systems.shop.check import check
from streams.systems.shop.settings import ShopSettings
from streams.systems.spec import Context
from tests.systems.shop.conftest import NEXT_SECRET, StartShop, settings_for

Client = Callable[[ShopSettings], HttpClient]


async def test_check_when_all_is_well_then_nothing(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop(stock={"A": 1})
    settings = settings_for(shop)
    assert await check(Context(connection="web"), settings, client(settings)) == []
    assert [call["type"] for call in await shop.calls()] == ["connection.checked"]
    assert await shop.get("truth") == {"A": 1}


async def test_check_when_much_is_wrong_then_all_of_it_with_its_key(start_shop: StartShop, client: Client) -> None:
    shop = await start_shop(api_key="needed")
    short = "whsec_" + base64.b64encode(b"short").decode()
    settings = settings_for(shop, webhook_secret=NEXT_SECRET, inbound_secret=short)
    problems = await check(Context(connection="web"), settings, client(settings))
    assert [problem.partition(": ")[0] for problem in problems] == [
        "connections.web",
        "connections.web.webhook_url",
        "connections.web.api_url",
    ]
    assert short not in "".join(problems)
