"""Bad input to a running installation: a clear answer, a dead letter that a person can read, and everything else goes on."""

import io
import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal

import aiohttp
import pytest
import pytest_asyncio

from models.topics import FACT_STOCK, POLL, hint, inbound, level
from streams.broker import RealBroker
from streams.demo.world import SHOP_SECRET, Shop, World
from streams.systems.shop.signature import key_of, sign
from tests.eventually import eventually
from tests.installation import dead_letters, move, new_sku, put, stored, told, until_shown

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
WRONG_SECRET = "whsec_YW5vdGhlci1zaG9wLXNlY3JldC1vZi1ub2JvZHktMDAwMA=="
SHOPS = {
    "web": Shop(mode="incremental", keys='inbound_secret = {env = "DEMO_SHOP"}'),
    "outlet": Shop(mode="absolute"),
}
TEN_MB = 10 * 1024 * 1024
DEEP = b"[" * 300 + b"]" * 300
STAMP = "2026-01-31T08:00:00Z"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(empty_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    async with World(bootstrap=empty_broker.bootstrap, embedded=False, folder=folder, shops=SHOPS, buffer=0) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def good(world: World) -> str:
    """The SKU of a good item, known to both shops."""
    sku = new_sku("good")
    await put(world, sku, warehouse=1)
    await until_shown(world, sku, web=1, outlet=1)
    return sku


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _everything_else_goes_on(world: World, good: str) -> AsyncIterator[None]:
    """After every bad input goods still travel the whole way, and no role has ended."""
    starts = {name: child.starts for name, child in world.roles.items()}
    yield
    await move(world, "warehouse", good, 1)
    now = int((await world.warehouse.get("/admin/truth"))[good])
    await until_shown(world, good, web=now, outlet=now)
    assert {name: child.starts for name, child in world.roles.items()} == starts


async def _post(url: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=io.BytesIO(body), headers=headers) as answer:
        return answer.status


def _door(world: World, connection: str) -> str:
    return f"http://127.0.0.1:{world.ports['receiver']}/hooks/{connection}"


async def _letter(world: World, begin: bytes) -> str:
    """What `stockwire dead show` says of the newest dead letter whose bytes begin so."""

    async def found() -> str:
        for letter in reversed(await dead_letters(world)):
            shown = await world.command("dead", "show", letter["id"])
            if begin.decode(errors="backslashreplace") in shown:
                return shown
        return ""

    return await eventually(found, within_s=20, every_s=0.5, what=f"a dead letter with {begin!r}")


def _moved(**detail: object) -> bytes:
    """A webhook of Thetis as it should not be."""
    event = {"id": new_sku("e"), "detail-type": "availableStockChanged", "time": STAMP}
    return json.dumps({**event, "detail": {"eventType": "availableStockChanged", **detail}}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"detail-type": "availableStockChanged", "detail": {', "not what Thetis sends"),
        (b"\xff\xfe not even text", "not what Thetis sends"),
        (b'"just a text, no object"', "not what Thetis sends"),
        (DEEP, "nests deeper"),
        (b'{"ten": "' + b"x" * TEN_MB + b'"}', "above the limit"),
        (_moved(globalTradeItemId=1, delta={"a": 1}), "not what Thetis sends"),
        (_moved(globalTradeItemId=2, delta="many"), "not what Thetis sends"),
        (_moved(globalTradeItemId=[3], delta=1), "not what Thetis sends"),
        (_moved(globalTradeItemId=4, delta=1e30), "no quantity"),
        (_moved(delta=1), "globalTradeItemId is missing"),
    ],
    ids=["malformed", "no-text", "no-object", "deep", "10-mb", "object-delta", "text-delta", "list-id", "huge-delta", "no-item"],
)
@pytest.mark.req("T-22")
async def test_webhook_of_the_warehouse_that_cannot_be_used_is_taken_and_parked(world: World, body: bytes, reason: str) -> None:
    assert await _post(world.hook("warehouse"), body) == 204
    shown = await _letter(world, body[:120])
    assert "PoisonError" in shown
    assert reason in shown


@pytest.mark.parametrize(
    "body", [b"{ cut off by the door", _moved(globalTradeItemId=6, delta="from the worker")], ids=["receiver", "worker"]
)
async def test_dead_letter_is_found_by_its_connection_whoever_parked_it(world: World, body: bytes) -> None:
    assert await _post(world.hook("warehouse"), body) == 204
    shown = await _letter(world, body)
    letter = next(line.split()[1] for line in shown.splitlines() if line.startswith("id:"))
    assert letter in [found["id"] for found in await dead_letters(world, connection="warehouse")]


@pytest.mark.req("T-22")
async def test_event_of_an_unknown_type_is_stored_and_means_nothing(world: World) -> None:
    body = json.dumps({"detail-type": "somethingNew", "detail": {"eventId": new_sku("e"), "globalTradeItemId": 77}}).encode()
    assert await _post(world.hook("warehouse"), body) == 204
    assert body in [record.value for record in await stored(world, inbound("warehouse"), "77")]
    await eventually(lambda: _counted(world, 'inbound_ignored_total{connection="warehouse",event="other"}'), what="it is counted")


async def _counted(world: World, metric: str) -> bool:
    url = f"http://127.0.0.1:{world.ports['worker']}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return metric in await answer.text()


@pytest.mark.parametrize("path", ["warehouse/wrong-secret", "warehouse", "nobody/wrong-secret", "web"])
async def test_delivery_without_the_right_secret_is_refused_and_not_stored(world: World, path: str) -> None:
    body = _moved(globalTradeItemId=5, delta=1)
    assert await _post(_door(world, path), body) == 401
    topics = [inbound("warehouse"), inbound("web"), "dead.v1"]
    assert [record for topic in topics for record in await stored(world, topic) if record.value == body] == []


def _signed(body: bytes, *, age_s: int = 0, secret: str = SHOP_SECRET, delivery: str | None = None) -> dict[str, str]:
    return sign([key_of(secret)], delivery or new_sku("msg"), int(time.time()) - age_s, body)


def _order(number: str) -> bytes:
    return json.dumps({"type": "order.placed", "timestamp": STAMP, "data": {"order": number}}).encode()


@pytest.mark.parametrize(
    ("secret", "age_s", "status"), [(WRONG_SECRET, 0, 401), (SHOP_SECRET, 301, 401), (SHOP_SECRET, -302, 401), (SHOP_SECRET, 200, 204)]
)
async def test_event_of_a_shop_must_be_signed_and_fresh(world: World, secret: str, age_s: int, status: int) -> None:
    number = new_sku("o")
    body = _order(number)
    assert await _post(_door(world, "web"), body, _signed(body, secret=secret, age_s=age_s)) == status
    assert [record.value for record in await stored(world, inbound("web"), number)] == ([body] if status == 204 else [])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"type": "order.placed"', 400),
        (b'{"type": 5, "timestamp": "now", "data": []}', 400),
        (DEEP, 400),
        (b'{"type": "' + b"x" * TEN_MB + b'"}', 413),
    ],
    ids=["malformed", "wrong-types", "deep", "10-mb"],
)
async def test_event_of_a_shop_that_cannot_be_used_is_refused(world: World, body: bytes, status: int) -> None:
    assert await _post(_door(world, "web"), body, _signed(body)) == status


@pytest.mark.req("X-07")
async def test_replay_of_a_shops_event_carries_the_same_id(world: World) -> None:
    number, delivery = new_sku("o"), new_sku("msg")
    body = _order(number)
    headers = _signed(body, delivery=delivery)
    assert [await _post(_door(world, "web"), body, headers) for _ in range(2)] == [204, 204]
    kept = await stored(world, inbound("web"), number)
    assert {dict(record.headers)["delivery"] for record in kept} == {delivery.encode()}


async def test_move_of_an_item_that_does_not_exist_is_looked_up_and_let_go(world: World) -> None:
    assert await _post(world.hook("warehouse"), _moved(globalTradeItemId=123_456_789, delta=4, eventId=new_sku("e"))) == 204
    gone = 'inbound_ignored_total{connection="warehouse",event="move of an item that is gone"}'
    await eventually(lambda: _counted(world, gone), what="it is counted")


@pytest.mark.req("T-43", "X-12")
async def test_negative_stock_is_shown_as_nothing_by_a_shop_that_is_told_levels(world: World) -> None:
    sku = new_sku("oversold")
    await put(world, sku, warehouse=2)
    await until_shown(world, sku, web=2, outlet=2)
    await move(world, "warehouse", sku, -5)
    await until_shown(world, sku, web=-3, outlet=0)
    await move(world, "warehouse", sku, 4)
    await until_shown(world, sku, web=1, outlet=1)


@pytest.mark.req("X-12")
async def test_fraction_finer_than_a_shop_takes_is_never_rounded_up(world: World) -> None:
    sku = new_sku("fine")
    await put(world, sku, warehouse=0)
    await until_shown(world, sku, outlet=0)
    await move(world, "warehouse", sku, "0.1239")
    await until_shown(world, sku, web="0.123", outlet="0.123")


async def test_shop_refuses_a_sku_then_a_person_can_read_why_and_others_go_on(world: World) -> None:
    bad, good = new_sku("refused"), new_sku("taken")
    await world.shop("web").post("/admin/faults", {"sku": bad, "status": 422, "times": 1})
    await put(world, bad, warehouse=3)
    await put(world, good, warehouse=4)
    await until_shown(world, good, web=4, outlet=4)
    await until_shown(world, bad, outlet=3)
    shown = await _letter(world, f'"sku":"{bad}"'.encode())
    assert "RefusedError" in shown
    assert "simulated fault" in shown
    await move(world, "warehouse", bad, 1)
    await until_shown(world, bad, web=4, outlet=4)
    assert await told(world, "web", bad) == [4]


async def test_shop_shows_a_sku_that_no_warehouse_has_then_it_is_left_alone(world: World) -> None:
    sku = new_sku("unheard")
    await world.shop("outlet").post("/admin/edit", {"sku": sku, "quantity": Decimal(9)})
    await eventually(lambda: _shown_is_a_fact(world, sku), what="it was read")
    assert await told(world, "outlet", sku) == []


async def _shown_is_a_fact(world: World, sku: str) -> bool:
    return bool(await stored(world, FACT_STOCK, sku))


@pytest.mark.parametrize("topic", [FACT_STOCK, inbound("warehouse"), hint("warehouse"), level("web"), POLL])
async def test_garbage_in_a_topic_becomes_a_dead_letter(world: World, topic: str) -> None:
    garbage = f'{{"type": "Garbage", "mark": "{new_sku("g")}"}}'
    await world.command("topics", "send", topic, garbage, "--key", new_sku("k"))
    shown = await _letter(world, garbage.encode())
    assert topic in shown
    assert "PoisonError" in shown
