"""Nothing is lost at the doors of a running installation: receiver, poller and sender killed in the middle of work, Kafka away."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from models.codec import Decoder
from models.level import Level
from models.outcome import AnyOutcome
from models.topics import inbound, level, outcome
from streams.broker import RealBroker
from streams.demo.world import Shop, World
from tests.eventually import eventually
from tests.installation import calls, killed, move, new_sku, put, sell, stored, until_agreed, until_shown
from tests.meanwhile import meanwhile

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
SHOPS = {"web": Shop(mode="incremental"), "outlet": Shop(mode="absolute")}
KAFKA_AWAY_S = 10.0
CALM = {"duplicate_rate": 0, "late_s": 0, "shuffle_window": 1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(empty_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    async with World(bootstrap=empty_broker.bootstrap, embedded=False, folder=folder, shops=SHOPS) as running:
        yield running


async def _shelved(world: World, name: str, count: int, available: int) -> list[str]:
    skus = [new_sku(f"{name}-{number}") for number in range(count)]
    for sku in skus:
        await put(world, sku, warehouse=available)
    for sku in skus:
        await until_shown(world, sku, web=available - 1, outlet=available - 1)
    return skus


class Deliveries:
    """A warehouse that does not come again: it notes which of its webhooks were answered 2xx."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = iter(range(1_000_000))
        self.accepted: set[str] = set()
        self.failed = 0

    async def run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
            await asyncio.gather(*(self._send(session) for _ in range(8)))

    async def _send(self, session: aiohttp.ClientSession) -> None:
        while True:
            event = f"door-{next(self._numbers)}"
            detail = {"eventType": "fileAttached", "eventId": event, "globalTradeItemId": 1}
            try:
                async with session.post(self._url, json={"detail-type": "fileAttached", "detail": detail}) as answer:
                    if answer.status // 100 == 2:
                        self.accepted.add(event)
                    else:
                        self.failed += 1
            except (aiohttp.ClientError, TimeoutError):
                self.failed += 1
                await asyncio.sleep(0.05)  # nobody is there


@pytest.mark.req("T-22")
async def test_receiver_killed_under_load_then_each_delivery_answered_2xx_is_in_the_topic(world: World) -> None:
    deliveries = Deliveries(world.hook("warehouse"))
    async with meanwhile(deliveries.run()):
        for turn in (1, 2):
            await eventually(lambda: _accepted(deliveries, 400 * turn), what=f"{400 * turn} deliveries answered 2xx")  # noqa: B023  # awaited here
            await killed(world, "receiver")
        await eventually(lambda: _accepted(deliveries, 1_200), what="1200 deliveries answered 2xx")
    assert deliveries.failed > 0
    kept = {dict(record.headers)["delivery"].decode() for record in await stored(world, inbound("warehouse"), "1")}
    assert deliveries.accepted - kept == set()


async def _accepted(deliveries: Deliveries, count: int) -> bool:
    return len(deliveries.accepted) >= count


@pytest.mark.req("T-40")
async def test_sender_killed_in_the_middle_of_calls_then_each_level_has_its_outcome_and_no_delta_counts_twice(world: World) -> None:
    skus = await _shelved(world, "sent", 8, 50)
    faults = [{"delay_s": 0.3, "rate": 0.5, "times": 0}, {"status": 0, "acts": True, "rate": 0.2, "times": 0}]
    for fault in faults:
        for shop in SHOPS:
            await world.shop(shop).post("/admin/faults", fault)
    async with meanwhile(_restocks(world, skus)):
        for _ in range(3):
            await asyncio.sleep(2)
            await killed(world, "sender")
        await asyncio.sleep(1)
    for shop in SHOPS:
        await world.shop(shop).delete("/admin/faults")
    await until_agreed(world, skus, within_s=60)
    for shop in SHOPS:
        await eventually(lambda: _no_level_without_outcome(world, shop, skus), within_s=40, every_s=0.5, what=f"outcomes of {shop}")  # noqa: B023  # awaited here
    assert max(Counter(call["id"] for call in await calls(world, "web") if call["id"]).values()) > 1, "nothing was repeated"
    shelves = await world.shop("web").get("/admin/stock")
    assert {sku: shelves[sku]["added"] for sku in skus} == {sku: shelves[sku]["total"] for sku in skus}


async def _restocks(world: World, skus: list[str]) -> None:
    chance = random.Random(7)  # noqa: S311  # a test wants the same numbers again
    while True:
        await move(world, "warehouse", chance.choice(skus), chance.choice((-1, 1, 2, 3)))
        await asyncio.sleep(0.05)


async def _no_level_without_outcome(world: World, shop: str, skus: list[str]) -> bool:
    """Every level said in the topic has been taken, refused, or overtaken by a newer one that has been."""
    outcomes = Decoder[AnyOutcome](AnyOutcome)
    levels = Decoder[Level](Level)
    said: dict[str, set[int]] = defaultdict(set)
    for record in await stored(world, level(shop)):
        said[(record.key or b"").decode()].add(levels(record.value or b"").sequence)
    ended: dict[str, set[int | None]] = defaultdict(set)
    for record in await stored(world, outcome(shop)):
        ended[(record.key or b"").decode()].add(outcomes(record.value or b"").sequence)
    return all(said[sku] and said[sku] <= ended[sku] for sku in skus)


@pytest.mark.req("T-40", "X-07")
async def test_kafka_away_during_traffic_then_the_numbers_meet(world: World, empty_broker: RealBroker) -> None:
    skus = await _shelved(world, "away", 6, 40)
    chaos = {"duplicate_rate": 0.3, "late_rate": 0.3, "late_s": 1.0, "shuffle_window": 3}
    await world.warehouse.post("/admin/chaos", chaos)
    async with meanwhile(*(_sells(world, shop, skus) for shop in SHOPS), _restocks(world, skus)):
        await asyncio.sleep(2)
        empty_broker.pause()
        try:
            await asyncio.sleep(KAFKA_AWAY_S)
        finally:
            empty_broker.resume()
        await asyncio.sleep(2)
        await asyncio.to_thread(empty_broker.kill)
        await asyncio.sleep(KAFKA_AWAY_S / 2)
        await asyncio.to_thread(empty_broker.start)
        await asyncio.sleep(2)
    await world.warehouse.post("/admin/chaos", CALM)
    await until_agreed(world, skus, within_s=100)


async def _sells(world: World, shop: str, skus: list[str]) -> None:
    chance = random.Random(shop)  # noqa: S311  # a test wants the same numbers again
    while True:
        await sell(world, shop, chance.choice(skus))
        await asyncio.sleep(0.2)


@pytest.mark.req("T-40", "T-44", "X-11")
async def test_poller_killed_in_a_sweep_then_it_goes_on_at_its_page_and_every_item_is_read(world: World) -> None:
    skus = [new_sku(f"swept-{number:04}") for number in range(3_200)]
    items = [{"sku": sku, "available": 1} for sku in skus]
    await world.warehouse.post("/admin/items", {"items": items, "announce": False})
    ids = {sku: str(item) for sku, item in (await world.warehouse.get("/admin/items")).items()}
    for _ in range(8):
        await world.warehouse.post("/admin/faults", {"endpoint": "GET /globalTradeItems", "delay_s": 0.5})
    await world.warehouse.delete("/admin/calls")
    await world.reconcile()
    await eventually(lambda: _asked_for(world, 2_000), what="the third page is asked for")
    await killed(world, "poller")
    await eventually(lambda: _asked_for(world, 3_000), within_s=60, what="the last page is asked for")
    await world.warehouse.delete("/admin/faults")
    pages = [int(call["query"]["firstRow"]) for call in await calls(world, "warehouse") if call["endpoint"] == "GET /globalTradeItems"]
    assert pages in ([0, 1_000, 2_000, 2_000, 3_000], [0, 1_000, 2_000, 3_000])
    missing = {ids[sku] for sku in skus}

    async def all_read() -> bool:
        missing.difference_update((record.key or b"").decode() for record in await stored(world, inbound("warehouse")))
        return not missing

    await eventually(all_read, within_s=30, every_s=0.5, what="every item is read")


async def _asked_for(world: World, first_row: int) -> bool:
    return any(call["query"].get("firstRow") == str(first_row) for call in await calls(world, "warehouse"))
