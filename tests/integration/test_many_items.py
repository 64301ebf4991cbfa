"""Lists of thousands of items over a whole installation: read in pages, never item by item, in little memory, whoever is killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from models.topics import FACT_STOCK
from streams.broker import RealBroker
from streams.demo.world import Shop, World
from tests.eventually import eventually
from tests.installation import calls, killed, move, rss_mb, sells_on, stored, until_agreed
from tests.meanwhile import meanwhile
from tests.receiver_case import Stored

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
SHOPS = {"web": Shop(mode="incremental")}
FEW, MANY = 2_500, 10_000
GROWTH_MAX_MB = 15.0
"""Of a role while it handles 10,000 items that it knows already."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(empty_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    async with World(bootstrap=empty_broker.bootstrap, embedded=False, folder=folder, shops=SHOPS, buffer=0, shown_every_s=600) as running:
        yield running


async def _grown_to(world: World, count: int) -> list[str]:
    """So many items, told to nobody: only the list knows them. A tenth is in stock, so that a shop is not called 10,000 times."""
    known = await world.warehouse.get("/admin/truth")
    new = [{"sku": f"many-{number:05}", "available": 0 if number % 10 else 5 + number % 50} for number in range(len(known), count)]
    made = await world.warehouse.post("/admin/items", {"items": new, "announce": False})
    return list(made)


async def _pages(world: World) -> list[int]:
    """The `firstRow` of each page that was read."""
    return [int(call["query"]["firstRow"]) for call in await calls(world, "warehouse") if call["endpoint"] == "GET /globalTradeItems"]


@pytest.mark.req("T-44", "X-11")
async def test_2500_items_are_read_in_three_pages(world: World) -> None:
    await _grown_to(world, FEW)
    await world.reconcile()
    await until_agreed(world, within_s=60)
    whole = [0, 1_000, 2_000]
    assert await _pages(world) in ([0, *whole], [*whole, *whole])  # the opening reading found nothing yet, or everything


@pytest.mark.req("T-41", "T-42", "T-43", "T-44", "X-11")
async def test_full_overwrite_of_10000_items_while_orders_come_in_and_roles_are_killed(world: World) -> None:
    skus = await _grown_to(world, MANY)
    await world.warehouse.delete("/admin/calls")
    async with _traffic(world, skus[:40]):
        await world.reconcile()
        await eventually(lambda: _read(world, 4_000), within_s=60, what="the fifth page is asked for")
        await killed(world, "poller")
        await eventually(lambda: _read(world, 10_000), within_s=60, what="the last page is asked for")
        await world.reconcile()
        await killed(world, "worker")
        await asyncio.sleep(2)
    await until_agreed(world, within_s=100)
    pages = await _pages(world)
    assert set(pages) == set(range(0, MANY + 1, 1_000))
    assert len(pages) <= 2 * 11 + 1, pages  # two sweeps; after the kill one page may be asked for once more


@pytest.mark.req("X-11")
async def test_reading_10000_items_again_and_again_takes_no_memory_and_calls_no_shop(world: World) -> None:
    await _grown_to(world, MANY)
    await _read_all(world)
    before = _memory(world)
    await world.shop("web").delete("/admin/calls")
    for _ in range(2):
        await _read_all(world)
    after = _memory(world)
    assert {role: after[role] - before[role] < GROWTH_MAX_MB for role in after} == dict.fromkeys(after, True), (before, after)
    assert await calls(world, "web") == []


async def _read_all(world: World) -> None:
    """One full reading, until its last element has been translated into a fact."""
    await world.warehouse.delete("/admin/calls")
    seen = len(await _counted(world))
    await world.reconcile()
    await eventually(lambda: _read(world, MANY), within_s=60, what="the last page is asked for")

    async def all_counted() -> bool:
        return len(await _counted(world)) >= seen + MANY

    await eventually(all_counted, within_s=60, every_s=1.0, what="all items are facts")


async def _counted(world: World) -> list[Stored]:
    return [record for record in await stored(world, FACT_STOCK) if dict(record.headers).get("type") == b"StockCounted"]


def _memory(world: World) -> dict[str, float]:
    return {name: rss_mb(child.pid) for name, child in world.roles.items() if child.pid is not None}


async def _read(world: World, first_row: int) -> bool:
    return max(await _pages(world), default=0) >= first_row


@asynccontextmanager
async def _traffic(world: World, skus: list[str]) -> AsyncIterator[None]:
    """The shop sells what it has heard of, and goods come, also of items that nobody has read yet."""

    async def goods_come() -> None:
        for sku in (*skus, *skus):
            await move(world, "warehouse", sku, 3)
            await asyncio.sleep(0.1)

    async with meanwhile(sells_on(world, "web", skus, 0.05), goods_come()):
        yield
