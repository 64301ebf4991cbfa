"""10,000 offers over a whole installation: told in portions while orders come in, and everything goes wrong at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from streams.broker import RealBroker
from streams.demo.world import Crm, Shop, World
from tests.eventually import eventually
from tests.installation import (
    UPLOAD,
    Upload,
    calls,
    differences,
    ended,
    killed,
    move,
    rss_mb,
    sells_on,
    until_agreed,
    uploads,
)
from tests.meanwhile import meanwhile

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
OFFERS = 10_000
PORTION_MAX = 250
PORTIONS = OFFERS // PORTION_MAX
PREFIX = "bulk-"
BOTH = ("north", "south")
GHOST, NAMED, NAMELESS = "ghost", f"{PREFIX}{5_000:05}", f"{PREFIX}{7_500:05}"
"""What no offer has at first, and the offers that the account refuses: by the index of their row, or without saying which."""

LIVE = tuple(f"{PREFIX}{number:05}" for number in range(1, 41))
CALLS_PER_S_MAX = 10
GROWTH_MAX_MB = 15.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(empty_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    bulk = {"bulk": OFFERS, "bulk_prefix": PREFIX}
    async with World(
        bootstrap=empty_broker.bootstrap,
        embedded=False,
        folder=folder,
        shops={"web": Shop(mode="incremental", warehouses=("north",))},
        warehouses={"north": {**bulk, "items": [{"sku": GHOST, "available": 4}]}, "south": {**bulk, "items": [{"sku": GHOST}]}},
        crms={"crm": Crm(warehouses=BOTH, options={"offers": OFFERS, "bulk_prefix": PREFIX, "calls_kept": 20_000})},
        buffer=0,
        shown_every_s=600,
    ) as running:
        yield running


@pytest.mark.req("R-16", "R-19", "R-20", "R-21", "R-22", "T-41", "T-42", "T-43", "T-44", "X-11", "X-18")
async def test_full_overwrite_of_10000_items_while_orders_come_in_then_every_offer_has_its_number(world: World) -> None:
    async with _traffic(world):
        await world.reconcile()
        await eventually(lambda: _told_at_least(world, OFFERS // 2), within_s=90, every_s=0.5, what="half of the offers were told")
    await until_agreed(world, within_s=100)
    truth = await world.remote("crm").get("/admin/truth")
    assert len(truth) == OFFERS
    assert {len(stores) for stores in truth.values()} == {len(BOTH)}  # also what is sold out
    assert await _largest(world) <= PORTION_MAX


@pytest.mark.req("R-02", "R-19", "R-20", "R-21", "R-30", "X-11", "X-17")
async def test_catalogue_run_with_everything_going_wrong_then_every_offer_arrives_that_can_and_the_report_names_the_rest(
    world: World,
) -> None:
    crm = world.remote("crm")
    await crm.delete("/admin/calls")
    for fault in (
        {"offer": NAMED, "status": 400, "times": 0},
        {"offer": NAMELESS, "status": 400, "times": 0, "names_row": False},
        {"status": 503, "body": "html", "times": 2},
        {"status": 0, "acts": True},
        {"status": 500, "body": "empty"},
    ):
        await crm.post("/admin/faults", {"endpoint": UPLOAD, **fault})
    async with _traffic(world):
        await world.command("reconcile", "--catalogue", "crm")
        await eventually(lambda: _told_at_least(world, OFFERS // 10), within_s=60, what="a tenth is told")
        await killed(world, "sender")
        await eventually(lambda: _told_at_least(world, OFFERS // 5), within_s=60, what="a fifth is told")
        await crm.delete("/admin/stores?code=south-store")
        await eventually(lambda: _is_door_closed(world), within_s=30, what="an upload names the store that is no more")
        code, words = await ended(world, "check")
        assert code == 1
        assert "places.south-shelf.stores.crm: the account has no store 'south-store'" in words
        code, seen = await _report(world)
        assert (code, seen["complete"]) == (1, False)
        assert seen["report"]["left"] > 0
        await killed(world, "poller")
        before = len(await uploads(world, "crm"))
        await crm.post("/admin/stores", {"code": "south-store"})
        await eventually(lambda: _goes_on(world, before), within_s=70, what="the sender goes on by itself")
        code, words = await ended(world, "check")  # with the same key, while all that waited goes out
        assert (code, "crm: ok" in words) == (0, True), words
    await eventually(lambda: _has_ended(world), within_s=100, every_s=1.0, what="the run is reported")
    code, seen = await _report(world)
    found = seen["report"]
    assert (code, seen["complete"], found["offers"], found["left"]) == (1, False, OFFERS + 1, 0)
    assert (found["missing"], found["taken"]) == ([GHOST], OFFERS - 2)
    assert sorted(found["refused"]) == [NAMED, NAMELESS]
    assert "This value is not valid." in found["refused"][NAMED]
    assert "Errors in the entity format" in found["refused"][NAMELESS]
    assert {upload.status for upload in await uploads(world, "crm")} == {200, 400, 503, 500, 0}
    assert await _largest(world) <= PORTION_MAX
    assert await _told(world) == {f"{PREFIX}{number:05}" for number in range(1, OFFERS + 1)} - {NAMED, NAMELESS} | {GHOST}
    await until_agreed(world, [sku for sku in await world.warehouse.get("/admin/truth") if sku not in {NAMED, NAMELESS}])
    assert await _fastest(world) <= CALLS_PER_S_MAX


@pytest.mark.req("R-19", "R-20", "R-21", "R-30", "X-11")
async def test_next_run_when_all_was_mended_then_complete_in_full_portions_and_little_memory(world: World) -> None:
    crm = world.remote("crm")
    await crm.delete("/admin/faults")
    await crm.post("/admin/offers", {"offers": [{"xml_id": GHOST}]})
    for sku in (NAMED, NAMELESS):
        await crm.post("/admin/edit", {"offer": sku, "store": "north-store", "quantity": 77})
    await crm.delete("/admin/calls")
    before = _memory(world)
    await world.command("reconcile", "--catalogue", "crm")
    checked = asyncio.create_task(ended(world, "check"))  # with the same key
    await eventually(lambda: _is_complete(world), within_s=90, every_s=1.0, what="the catalogue is complete")
    code, words = await checked
    assert (code, words.count("crm: ok")) == (0, 1), words
    _, seen = await _report(world)
    assert (seen["report"]["offers"], seen["report"]["taken"]) == (OFFERS + 1, OFFERS + 1)
    assert await _told(world) == {f"{PREFIX}{number:05}" for number in range(1, OFFERS + 1)} | {GHOST}
    made = [upload for upload in await uploads(world, "crm") if upload.status]
    assert {upload.status for upload in made} == {200}
    assert PORTIONS <= len(made) <= 2 * PORTIONS  # with little to do beside it 41: full ones, and what is left
    assert await _largest(world) <= PORTION_MAX
    assert await differences(world) == {}
    after = _memory(world)
    assert {role: after[role] - before[role] < GROWTH_MAX_MB for role in after} == dict.fromkeys(after, True), (before, after)
    assert await _fastest(world) <= CALLS_PER_S_MAX


async def _taken(world: World) -> list[Upload]:
    return [upload for upload in await uploads(world, "crm") if upload.status == 200]


async def _told(world: World) -> set[str]:
    """What was in a call that the account took."""
    return {sku for upload in await _taken(world) for sku in upload.rows}


async def _told_at_least(world: World, offers: int) -> bool:
    return len(await _told(world)) >= offers


async def _largest(world: World) -> int:
    counts = (await world.remote("crm").get("/admin/calls?only=counts"))["counts"]
    largest: int = counts[UPLOAD]["offers_max"]
    return largest


async def _is_door_closed(world: World) -> bool:
    return (await uploads(world, "crm"))[-1].status == 400


async def _goes_on(world: World, before: int) -> bool:
    return any(upload.status == 200 for upload in (await uploads(world, "crm"))[before:])


async def _report(world: World) -> tuple[int, dict[str, Any]]:
    """Exit code and report."""
    code, printed = await ended(world, "reconcile", "--report", "crm", "--json")
    found: dict[str, Any] = json.JSONDecoder(parse_float=Decimal).raw_decode(printed)[0]
    return code, found


async def _has_ended(world: World) -> bool:
    return bool((await _report(world))[1]["phase"] == "it has ended")


async def _is_complete(world: World) -> bool:
    code, seen = await _report(world)
    return code == 0 and bool(seen["complete"])


async def _fastest(world: World) -> int:
    """The most calls that came within one second, from all our processes together."""
    at_ms = sorted(int(call["at_ms"]) for call in await calls(world, "crm"))
    return max(sum(begin <= at < begin + 1_000 for at in at_ms[number : number + 100]) for number, begin in enumerate(at_ms))


def _memory(world: World) -> dict[str, float]:
    return {name: rss_mb(child.pid) for name, child in world.roles.items() if child.pid is not None}


@asynccontextmanager
async def _traffic(world: World) -> AsyncIterator[None]:
    """The shop sells what it has heard of, and goods come to both warehouses and go from one."""

    async def goods_move() -> None:
        while True:
            for sku in LIVE:
                await move(world, "north", sku, 3)
                await move(world, "south", sku, 2)
                await asyncio.sleep(0.1)

    async with meanwhile(sells_on(world, "web", list(LIVE), 0.05), goods_move()):
        yield
