"""The simulated shop: strict about the protocol, selling by itself."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from streams.systems import discover
from streams.systems.shop.signature import key_of, sign
from tests.eventually import eventually
from tests.systems.shop.conftest import SECRET, Remote, Start, StartShop

NOW_S = 1_772_352_930


async def post(shop: Remote, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(f"{shop.url}/stockwire", data=body, headers=headers) as response:
        return response.status


async def signed(shop: Remote, body: bytes, delivery: str = "msg_1") -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{shop.url}/stock") as response:
        await response.read()
    now_s = (await shop.get("calls"))[-1]["at_ms"] // 1_000
    return await post(shop, body, sign([key_of(SECRET)], delivery, now_s, body))


ADJUSTED = b'{"type":"stock.adjusted","timestamp":"t","data":{"sku":"A","delta":%s,"total":%s,"sequence":1,"reason":"stock"}}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ADJUSTED % (b"2", b"2"), 200),
        (ADJUSTED % (b"0.0001", b"0.0001"), 422),
        (ADJUSTED % (b'"x"', b"2"), 400),
        (b'{"type":"stock.set","timestamp":"t","data":{"sku":"A","quantity":2,"sequence":1,"as_of":"t"}}', 422),
        (b'{"type":"moon.full","timestamp":"t","data":{}}', 200),
        (b"{", 400),
    ],
)
async def test_shop_then_strict_about_what_it_takes(start_shop: StartShop, body: bytes, status: int) -> None:
    assert await signed(await start_shop(), body) == status


async def test_shop_when_unsigned_or_old_then_401(start_shop: StartShop) -> None:
    shop = await start_shop()
    body = ADJUSTED % (b"2", b"2")
    assert await post(shop, body, {}) == 401
    assert await post(shop, body, sign([key_of(SECRET)], "msg_1", NOW_S, body)) == 401
    assert await shop.get("truth") == {}


async def test_shop_when_an_id_comes_again_then_dropped(start_shop: StartShop) -> None:
    shop = await start_shop()
    assert [await signed(shop, ADJUSTED % (b"2", b"2"), delivery) for delivery in ("a", "a", "b")] == [200, 200, 200]
    assert await shop.get("truth") == {"A": 4}


async def test_shop_when_it_sells_then_its_number_falls_at_once_and_never_below_zero_by_itself(start_shop: StartShop) -> None:
    shop = await start_shop(stock={"A": 3})
    assert await shop.post("sell", sku="A", quantity=2) == {"order": "W-1", "shown": 1}
    assert await shop.post("sell", sku="A", quantity=2) == {"order": None, "shown": 1}
    assert await shop.post("sell", sku="A", quantity=2, force=True) == {"order": "W-2", "shown": -1}
    assert await shop.post("cancel", order="W-1") == {"order": "W-1", "shown": 1}
    assert await shop.post("cancel", order="W-1") == {"order": None}
    assert await shop.post("edit", sku="A", quantity=99) == {"sku": "A", "shown": 99}
    assert "error" in await shop.post("sell", sku="A", quantity="many")


@pytest.fixture
async def warehouse(start: Start) -> Remote:
    options = {
        "items": [{"sku": "A", "available": 10}],
        "sellers": [{"id": 90_100_042, "number": "WEB"}],
    }
    return await start(discover()["thetis"].simulator(options))


async def states(shop: Remote) -> list[str]:
    return [order["state"] for order in await shop.get("orders")]


async def settled(shop: Remote, *expected: str) -> None:
    async def as_expected() -> bool:
        return await states(shop) == list(expected)

    await eventually(as_expected, what=str(expected))


@pytest.mark.req("T-38")
async def test_shop_when_it_sells_then_the_order_reaches_the_warehouse_once_whatever_breaks(
    start_shop: StartShop, warehouse: Remote
) -> None:
    shop = await start_shop(stock={"A": 10}, thetis={"url": warehouse.url, "seller_id": 90_100_042})
    await warehouse.post("faults", endpoint="POST /shipments", status=0, acts=True)
    await warehouse.post("faults", endpoint="POST /shipments", status=503, times=2)
    await shop.post("sell", sku="A", quantity=3)
    await settled(shop, "placed")
    assert await warehouse.get("truth") == {"A": 7}
    await warehouse.post("faults", endpoint="PUT /shipments/{id}/cancelled", status=500)
    await shop.post("cancel", order="W-1")
    await settled(shop, "cancelled")
    assert await warehouse.get("truth") == {"A": 10}
    assert await shop.get("truth") == {"A": 10}
    assert await shop.get("busy") == {"busy": 0}


async def test_shop_when_an_order_is_cancelled_before_it_is_placed_then_both_end_even(start_shop: StartShop, warehouse: Remote) -> None:
    thetis = {"url": warehouse.url, "seller_id": 90_100_042, "delay_s": 0.3}
    shop = await start_shop(stock={"A": 10}, thetis=thetis)
    await shop.post("sell", sku="A", quantity=3)
    await shop.post("cancel", order="W-1")
    await settled(shop, "cancelled")
    assert await warehouse.get("truth") == {"A": 10}


async def test_shop_when_the_warehouse_refuses_then_said(start_shop: StartShop, warehouse: Remote) -> None:
    shop = await start_shop(stock={"B": 10}, thetis={"url": warehouse.url, "seller_id": 90_100_042})
    await shop.post("sell", sku="B")
    await settled(shop, "refused")


async def test_shop_when_told_to_then_sends_events_of_its_own(start: Start, start_shop: StartShop) -> None:
    got: list[Any] = []

    async def hook(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/hooks/web", hook)
    receiver = await start(app)
    shop = await start_shop(hook_url=f"{receiver.url}/hooks/web", hook_secret=SECRET)
    answered = await shop.post("events", type="order.placed", data={"order": "SO-1"}, id="msg_x", timestamp_s=NOW_S)
    assert answered == {"status": 202, "id": "msg_x"}
    ((headers, body),) = got
    assert headers["webhook-signature"] == sign([key_of(SECRET)], "msg_x", NOW_S, body)["webhook-signature"]
