"""Two warehouses, two shops and two CRM accounts over all roles as real processes: numbers meet, store by store, also when asked for."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from models.topics import FACT_STOCK, POLL, REVIEW, inbound
from streams.broker import RealBroker
from streams.demo.world import CALL_POINT, SECRETS, Crm, Shop, World
from tests.eventually import eventually
from tests.installation import (
    UPLOAD,
    calls,
    move,
    new_sku,
    offered,
    put,
    sell,
    shown,
    stored,
    stores_of,
    until_agreed,
    until_shown,
    until_stores,
    uploads,
)
from tests.meanwhile import meanwhile

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
BOTH = ("north", "south")
SHOPS = {"web": Shop(mode="incremental", warehouses=BOTH), "kiosk": Shop(mode="absolute", warehouses=("north",))}
CRMS = {"crm": Crm(warehouses=BOTH), "solo": Crm(warehouses=("north",))}
BUFFER = 2
CHAOS = {"duplicate_rate": 0.4, "duplicate_after_s": 0.5, "late_rate": 0.3, "late_s": 1.0, "shuffle_window": 4}
CALM = {"duplicate_rate": 0, "late_s": 0, "shuffle_window": 1}
STRANGER = 90_199_999
INSTANT_WITHIN_S = 5.0
ANSWERED_WITHIN_MS = 1_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(empty_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    warehouses: dict[str, dict[str, object]] = {"north": {}, "south": {}}
    async with World(
        bootstrap=empty_broker.bootstrap,
        embedded=False,
        folder=folder,
        shops=SHOPS,
        warehouses=warehouses,
        crms=CRMS,
        buffer=BUFFER,
    ) as running:
        yield running


async def _shelved(world: World, name: str, north: str | int, south: str | int) -> str:
    """A new SKU in both warehouses and accounts, known to all channels."""
    sku = new_sku(name)
    for crm in CRMS:
        await offered(world, crm, sku)
    await put(world, sku, north=north, south=south)
    await until_agreed(world, [sku], looks=1)
    return sku


# --- scenario 4: stock of one area, and of two, to shops and CRM sites ---


@pytest.mark.req("R-16", "R-18", "R-20", "X-12")
async def test_one_move_then_one_upload_with_that_sku_alone_within_seconds(world: World) -> None:
    sku, other = await _shelved(world, "instant", 10, 3), await _shelved(world, "other", 10, 3)
    before = len(await uploads(world, "crm"))
    moved_ms = time.time() * 1_000
    await move(world, "north", sku, "0.125")
    await until_stores(world, "crm", sku, north="8.125", south=3)
    (upload,) = (await uploads(world, "crm"))[before:]
    assert upload.status == 200
    assert upload.rows == {sku: [{"code": "north-store", "available": Decimal("8.125")}, {"code": "south-store", "available": 3}]}
    assert upload.at_ms - moved_ms < INSTANT_WITHIN_S * 1_000
    assert await stores_of(world, "crm", other) == {"north": 8, "south": 3}
    await until_shown(world, sku, web="11.125", kiosk="8.125")
    await until_stores(world, "solo", sku, north="8.125")


@pytest.mark.req("R-22")
async def test_sold_out_is_said_as_zero(world: World) -> None:
    sku = await _shelved(world, "out", 4 + BUFFER, 0)
    assert await stores_of(world, "crm", sku) == {"north": 4, "south": 0}
    await move(world, "north", sku, -4)
    await until_stores(world, "crm", sku, north=0, south=0)
    await until_stores(world, "solo", sku, north=0)
    rows = (await uploads(world, "crm", sku))[-1].rows[sku]
    assert rows == [{"code": "north-store", "available": 0}, {"code": "south-store", "available": 0}]
    raw = [call["form"]["offers"] for call in await calls(world, "solo") if call["endpoint"] == UPLOAD and sku in call["form"]["offers"]]
    assert '"available":0' in raw[-1]
    await move(world, "north", sku, -3)  # below what is kept back: a store never shows less than nothing
    await until_agreed(world, [sku])
    assert await stores_of(world, "crm", sku) == {"north": 0, "south": 0}


@pytest.mark.req("R-23", "X-18")
@pytest.mark.parametrize(("north", "south", "at_north", "at_south"), [(10, 5, 8, 5), (1, 5, 0, 4), (0, 2, 0, 0), (0, 1, 0, 0)], ids=str)
async def test_two_warehouses_are_two_stores_whose_sum_is_for_sale(
    world: World, north: int, south: int, at_north: int, at_south: int
) -> None:
    sku = await _shelved(world, "parts", north, south)
    assert await stores_of(world, "crm", sku) == {"north": at_north, "south": at_south}
    assert await stores_of(world, "solo", sku) == {"north": max(0, north - BUFFER)}
    assert [row["code"] for row in (await uploads(world, "crm", sku))[0].rows[sku]] == ["north-store", "south-store"]
    if north + south >= BUFFER:
        assert await shown(world, "web", sku) in {at_north + at_south, None if north + south == BUFFER else at_north + at_south}


@pytest.mark.req("R-16", "R-18", "X-07")
@pytest.mark.parametrize("duplicate_rate", [0.0, 1.0], ids=["single", "doubled"])
async def test_webhooks_come_once_or_twice_then_each_delta_counts_once_and_no_store_is_told_too_much(
    world: World, duplicate_rate: float
) -> None:
    sku, most = await _shelved(world, "doubled", 10, 3), Decimal(8)
    await world.warehouse.post("/admin/chaos", {"duplicate_rate": duplicate_rate, "duplicate_after_s": 0.1})
    for delta, seller in ((5, None), (-3, STRANGER), (-1, world.seller("crm")), (1, None)):  # the account itself owns no stock
        seen = len(await uploads(world, "crm", sku))
        await move(world, "north", sku, delta, seller=seller)
        await until_agreed(world, [sku], looks=1)
        said = [upload.rows[sku][0]["available"] for upload in (await uploads(world, "crm", sku))[seen:]]
        assert max(said) <= max(most, most + delta)
        most += delta
    await world.warehouse.post("/admin/chaos", CALM)
    await _delivered(world, "north")
    await until_agreed(world, [sku])
    assert await stores_of(world, "crm", sku) == {"north": 10, "south": 3}
    assert await shown(world, "web", sku) == 13


@pytest.mark.req("R-30", "X-17")
async def test_sku_without_an_offer_is_shown_once_and_holds_up_nothing(world: World) -> None:
    sku = new_sku("no-offer")
    await offered(world, "solo", sku)
    await put(world, sku, north=5, south=0)
    await until_stores(world, "solo", sku, north=3)
    matter = f"offer/crm/{sku}"
    await eventually(lambda: _reviewed(world, matter), what="the missing offer is shown")
    others = await _shelved(world, "beside", 7, 7)
    await move(world, "north", sku, 4)
    await until_stores(world, "solo", sku, north=7)
    await eventually(lambda: _tried(world, sku, 2), what="the next number is tried all the same")
    await move(world, "north", others, 1)
    await until_agreed(world, [others])
    assert [record.value is not None for record in await stored(world, REVIEW, matter)] == [True]
    await offered(world, "crm", sku)  # and nothing moves any more
    await until_stores(world, "crm", sku, north=7, south=0)
    await eventually(lambda: _settled(world, matter), what="the matter is deleted")
    assert [record.value is not None for record in await stored(world, REVIEW, matter)] == [True, False]


@pytest.mark.req("R-30", "X-17")
async def test_offer_without_our_sku_is_shown_once_until_it_has_one_and_holds_up_nothing(world: World) -> None:
    crm, sku = world.remote("crm"), new_sku("named-late")
    made = await crm.post("/admin/offers", {"offers": [{"external_id": f"shop-{sku}"}]})
    matter = f"unnamed/crm/{made[f'shop-{sku}']}"
    await eventually(lambda: _reviewed(world, matter), what="the offer is shown")
    before = await _readings(world)
    await put(world, sku, north=6, south=1)
    others = await _shelved(world, "beside", 7, 7)
    await eventually(lambda: _read_since(world, before, 3), what="it was read again and again")
    await until_agreed(world, [others])
    assert [record.value is not None for record in await stored(world, REVIEW, matter)] == [True]
    await crm.post("/admin/offer", {"offer": f"shop-{sku}", "rename": sku})
    await eventually(lambda: _settled(world, matter), what="the matter is deleted")
    assert [record.value is not None for record in await stored(world, REVIEW, matter)] == [True, False]
    await move(world, "south", sku, 1)
    await until_stores(world, "crm", sku, north=4, south=2)


async def _readings(world: World) -> int:
    return sum(call["endpoint"] == "GET /store/inventories" for call in await calls(world, "crm"))


async def _read_since(world: World, before: int, times: int) -> bool:
    return await _readings(world) >= before + times


async def _reviewed(world: World, matter: str) -> bool:
    return bool(await stored(world, REVIEW, matter))


async def _settled(world: World, matter: str) -> bool:
    return (await stored(world, REVIEW, matter))[-1].value is None


async def _tried(world: World, sku: str, times: int) -> bool:
    return len(await uploads(world, "crm", sku)) >= times


@pytest.mark.req("R-16", "R-18", "R-22", "R-23", "X-07", "X-18", "T-35", "T-36", "T-37", "T-38", "T-39", "T-40")
async def test_shops_and_crm_sites_in_chaos_then_all_numbers_agree(world: World) -> None:
    skus = [await _shelved(world, f"town-{number}", 15, 10) for number in range(4)]
    async with _traffic(world, skus, seed=4):
        await asyncio.sleep(6)
    await until_agreed(world, skus)
    stock = {name: await world.remote(name).get("/admin/truth") for name in BOTH}
    for sku in skus:
        for_sale = sum(Decimal(stock[name][sku]) for name in BOTH) - BUFFER
        there = await stores_of(world, "crm", sku)
        assert there is not None
        assert sum(there.values()) == max(Decimal(0), for_sale)
        assert await shown(world, "web", sku) == for_sale


# --- scenario 6: the account asks, and is read back ---


async def _ask(world: World, crm: str, offers: Iterable[object] | None, **how: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # of the simulator's `CallPoint`
    """What the account's calls met."""
    asked = {"module": f"stockwire-{crm}", "offers": None if offers is None else list(offers), **how}
    made: list[dict[str, Any]] = (await world.remote(crm).post("/admin/call-point", asked))["calls"]
    return made


def _in_time(made: list[dict[str, Any]], status: int = 200) -> None:
    assert [call["status"] for call in made] == [status] * len(made), made
    assert max(call["took_ms"] for call in made) < ANSWERED_WITHIN_MS


@pytest.mark.req("R-24", "R-26", "R-12", "R-18")
async def test_three_questions_at_once_in_traffic_then_all_are_answered_in_time_and_no_stale_number_wins(world: World) -> None:
    skus = [await _shelved(world, f"asked-{number}", 15, 10) for number in range(4)]
    async with _traffic(world, skus, seed=6):
        for _ in range(4):
            made = await _ask(world, "crm", skus, at_once=3)
            assert len(made) == 3
            _in_time(made)
            assert [(call["error"], call["applied"]) for call in made] == [(None, [len(skus), []])] * 3
            await asyncio.sleep(0.7)
    await until_agreed(world, skus)


@pytest.mark.req("R-15", "R-17", "R-24")
async def test_costs_are_told_by_upload_and_answer_and_an_unknown_one_keeps_what_was(world: World) -> None:
    sku, bare = new_sku("cost"), new_sku("no-cost")
    await offered(world, "crm", sku, bare)
    await world.remote("crm").post("/admin/edit", {"offer": bare, "store": "north-store", "cost": 7})
    for warehouse, cost in (("north", Decimal("310.125")), ("south", Decimal("299.90"))):
        items = [{"sku": sku, "available": 5, "cost": cost}, {"sku": bare, "available": 5}]
        await world.remote(warehouse).post("/admin/items", {"items": items})
    await until_agreed(world, [sku, bare], looks=1)
    assert await _costs(world, sku) == {"north-store": Decimal("310.125"), "south-store": Decimal("299.9")}
    await world.warehouse.post("/admin/item", {"sku": sku, "cost": Decimal("311.5")})  # of which the warehouse tells nobody
    await world.reconcile()
    new = {"north-store": Decimal("311.5"), "south-store": Decimal("299.9")}
    await eventually(lambda: _costs_are(world, sku, new), within_s=30, what="the new cost is told")
    (call,) = await _ask(world, "crm", [sku, bare])
    _in_time([call])
    assert '"purchasePrice":311.5' in call["body"]
    await eventually(lambda: _costs_are(world, sku, new))
    assert await _costs(world, bare) == {"north-store": 7}
    rows = [row for upload in await uploads(world, "crm", bare) for row in upload.rows[bare]]
    assert rows
    assert [row for row in rows if "purchasePrice" in row] == []


async def _costs(world: World, sku: str) -> dict[str, Any]:
    costs: dict[str, Any] = (await world.remote("crm").get("/admin/costs"))[sku]
    return costs


async def _costs_are(world: World, sku: str, wanted: dict[str, Decimal]) -> bool:
    return await _costs(world, sku) == wanted


@pytest.mark.req("R-24", "R-26")
async def test_answer_that_the_account_applies_late_is_healed(world: World) -> None:
    sku = await _shelved(world, "late", 10, 3)
    (held,) = await _ask(world, "crm", [sku], callback={"hold": True})
    assert (held["held"], held["applied"]) == (True, None)
    await move(world, "north", sku, 5)
    await until_stores(world, "crm", sku, north=13, south=3)
    await world.remote("crm").post("/admin/callbacks/apply", {})
    assert await stores_of(world, "crm", sku) == {"north": 8, "south": 3}
    await until_stores(world, "crm", sku, north=13, south=3, within_s=40)


@pytest.mark.req("R-08", "R-24")
@pytest.mark.parametrize("client_id", ["", "somebody-elses-client-id"], ids=["missing", "wrong"])
async def test_question_without_our_client_id_gets_nothing_and_leaves_nothing(world: World, client_id: str) -> None:
    sku = await _shelved(world, "stranger", 10, 3)
    await world.remote("crm").post("/admin/edit", {"offer": sku, "store": "north-store", "quantity": 8})  # the account writes the same
    before = len(await _webhooks(world, "crm"))
    made = await _ask(world, "crm", [sku], callback={"client_id": client_id})
    _in_time(made, 401)
    assert [(call["applied"], sku in call["body"], SECRETS["DEMO_CLIENT"] in call["body"]) for call in made] == [(None, False, False)]
    assert len(await _webhooks(world, "crm")) == before
    assert await stores_of(world, "crm", sku) == {"north": 8, "south": 3}


async def _webhooks(world: World, crm: str) -> list[bytes]:
    found = await stored(world, inbound(crm))
    return [record.value or b"" for record in found if dict(record.headers).get("kind") == b"webhook"]


@pytest.mark.req("R-24", "R-30")
async def test_unknown_offers_are_left_out_and_the_known_one_is_answered(world: World) -> None:
    sku, never = await _shelved(world, "known", 10, 3), new_sku("never")
    await offered(world, "crm", never)
    await world.remote("crm").post("/admin/edit", {"offer": never, "store": "north-store", "quantity": 6})
    made = await _ask(world, "crm", [never, sku, "of-nobody", {"id": 1}, {"externalId": "x"}])
    _in_time(made)
    assert [call["applied"] for call in made] == [[1, []]]
    assert await stores_of(world, "crm", never) == {"north": 6}
    assert await stores_of(world, "crm", sku) == {"north": 8, "south": 3}
    assert await stored(world, FACT_STOCK, "of-nobody") == []


@pytest.mark.req("R-19", "R-24")
@pytest.mark.parametrize("offers", [[], None], ids=["an empty list", "no list"])
async def test_question_about_nothing_in_particular_then_every_offer_is_told_again(world: World, offers: list[str] | None) -> None:
    skus = [await _shelved(world, f"every-{number}", 10, 3) for number in range(3)]
    await world.remote("crm").delete("/admin/calls")
    asked = len(await stored(world, POLL, "crm/catalogue"))
    made = await _ask(world, "crm", offers)
    _in_time(made)
    assert len(await stored(world, POLL, "crm/catalogue")) > asked

    async def all_told() -> bool:
        return set(skus) <= {sku for upload in await uploads(world, "crm") if upload.status == 200 for sku in upload.rows}

    await eventually(all_told, within_s=30, what="every offer is told again")
    await until_agreed(world, skus)


@pytest.mark.req("R-01", "R-15", "R-23")
async def test_store_written_by_hand_is_read_back_and_put_right_though_the_sum_is_right(world: World) -> None:
    sku = await _shelved(world, "by-hand", 10, 3)
    for store, number in (("north-store", 3), ("south-store", 8)):
        await world.remote("crm").post("/admin/edit", {"offer": sku, "store": store, "quantity": number})
    await until_stores(world, "crm", sku, north=8, south=3, within_s=40)
    await world.remote("solo").post("/admin/edit", {"offer": sku, "store": "north-store", "quantity": 99})
    await until_stores(world, "solo", sku, north=8, within_s=40)
    read = [call for call in await calls(world, "crm") if call["endpoint"] == "GET /store/inventories"]
    assert read
    assert {(call["query"]["filter[details]"], call["query"]["filter[sites][]"]) for call in read} == {("1", "main")}


@pytest.mark.req("R-01", "R-03", "R-02")
async def test_after_all_that_only_documented_calls_were_made_and_none_too_fast(world: World) -> None:
    modules = await world.remote("crm").get("/admin/modules")
    assert modules["stockwire-crm"]["integrations"]["store"]["actions"][0]["callPoints"] == [CALL_POINT]
    for crm in CRMS:
        counts = (await world.remote(crm).get("/admin/calls?only=counts"))["counts"]
        assert {UPLOAD, "GET /store/inventories"} <= set(counts)
        assert set(counts) <= {UPLOAD, "GET /store/inventories", "GET /integration-modules/{code}", "POST /integration-modules/{code}/edit"}
        statuses = Counter({int(status): n for count in counts.values() for status, n in count["statuses"].items()})
        assert not {403, 429, 503} & set(statuses)


# --- traffic ---


async def _delivered(world: World, warehouse: str) -> None:
    async def nothing_waits() -> bool:
        return bool((await world.remote(warehouse).get("/admin/deliveries"))["pending"] == 0)

    await eventually(nothing_waits, what="all webhooks delivered")


@asynccontextmanager
async def _traffic(world: World, skus: list[str], *, seed: int) -> AsyncIterator[None]:
    """Shops sell, goods come and go, strangers and the accounts' own customers order; webhooks come twice, late and shuffled."""
    for warehouse in BOTH:
        await world.remote(warehouse).post("/admin/chaos", CHAOS)
    async with meanwhile(_trade(world, skus, random.Random(seed))):  # noqa: S311  # a test wants the same numbers again
        yield
    for warehouse in BOTH:
        await world.remote(warehouse).post("/admin/chaos", CALM)
        await _delivered(world, warehouse)
        assert (await world.remote(warehouse).get("/admin/deliveries"))["repeated"] > 0


async def _trade(world: World, skus: list[str], chance: random.Random) -> None:
    nobodies = (None, None, STRANGER, world.seller("crm"), world.seller("solo"))
    while True:
        await sell(world, chance.choice(("web", "kiosk")), chance.choice(skus), chance.choice((1, 1, 2)))
        await move(world, chance.choice(BOTH), chance.choice(skus), chance.choice((-1, 2, 3)), seller=chance.choice(nobodies))
        await asyncio.sleep(0.1)
