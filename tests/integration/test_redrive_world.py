"""Dead letters of a running installation: the cause is mended, `stockwire dead redrive` tries them again, and the numbers meet."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from models.topics import inbound
from streams.broker import RealBroker
from streams.demo.world import Shop, World
from tests.eventually import eventually
from tests.installation import dead_letters, new_sku, put, stored, until_shown

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(empty_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    shops = {"web": Shop(mode="incremental"), "outlet": Shop(mode="absolute")}
    folder = tmp_path_factory.mktemp("world")
    async with World(bootstrap=empty_broker.bootstrap, embedded=False, folder=folder, shops=shops, buffer=0) as running:
        yield running


def _letters(world: World, **wanted: object) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    async def found() -> list[dict[str, Any]]:
        return [letter for letter in await dead_letters(world) if wanted.items() <= letter.items()]

    return found


@pytest.mark.req("X-17")
async def test_redrive_when_shops_refused_a_sku_once_then_they_are_told_the_number_that_holds_now(world: World) -> None:
    sku = new_sku("refused")
    for shop in ("web", "outlet"):
        await world.shop(shop).post("/admin/faults", {"sku": sku, "status": 422, "times": 1})
    await put(world, sku, warehouse=3)

    async def both() -> bool:
        return len(await _letters(world, key=sku)()) == 2

    await eventually(both, what="both refusals are dead letters")
    said = json.loads(await world.command("dead", "redrive", "--key", sku, "--error", "RefusedError", "--yes", "--json"))
    assert (said["written"], said["left"]) == (2, 0)
    await until_shown(world, sku, web=3, outlet=3)
    again = json.loads(await world.command("dead", "redrive", "--key", sku, "--yes", "--json"))
    assert again["written"] == 0
    assert {letter["redriven"]["to"].split("-")[0] for letter in await _letters(world, key=sku)()} == {"fact.stock.v1"}


@pytest.mark.req("X-07", "X-17")
async def test_redrive_when_a_webhook_is_still_of_no_use_then_it_is_a_letter_again_that_says_how_often(world: World) -> None:
    item = str(9_000_000)
    body = json.dumps(
        {
            "id": new_sku("e"),
            "detail-type": "availableStockChanged",
            "time": "2026-01-31T08:00:00Z",
            "detail": {"eventType": "availableStockChanged", "globalTradeItemId": int(item), "delta": "many"},
        }
    )
    await world.command(
        "topics", "send", inbound("warehouse"), body, "--key", item, "--header", "kind=webhook", "--header", "received_ms=1"
    )
    await eventually(_letters(world, key=item, hops=0), what="it is a dead letter")
    await world.command("dead", "redrive", "--key", item, "--yes")
    (second,) = await eventually(_letters(world, key=item, hops=1), what="it died again")
    assert second["redriven"] is None
    assert [record.value for record in await stored(world, inbound("warehouse"), item)] == [body.encode()] * 2
