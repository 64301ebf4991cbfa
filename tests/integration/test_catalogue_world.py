"""A catalogue run over all roles as real processes: every offer is told again, while numbers go on changing."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.errors import StockwireError
from models.topics import level
from streams.broker import RealBroker
from streams.demo.world import Shop, World
from tests.eventually import eventually
from tests.installation import calls, differences, move, new_sku, stored, until_agreed

OFFERS = 300


async def _report(world: World, channel: str) -> dict[str, Any]:
    """The report once the run is complete; until then nothing."""
    try:
        printed = await world.command("reconcile", "--report", channel, "--json")
    except StockwireError:
        return {}
    found: dict[str, Any] = json.loads(printed.splitlines()[0])
    return found


@pytest.mark.broker
@pytest.mark.timeout(180)
@pytest.mark.req("R-19", "R-21", "X-11")
async def test_catalogue_when_begun_by_hand_then_every_offer_is_told_again_and_live_changes_arrive(
    empty_broker: RealBroker, tmp_path: Path
) -> None:
    shops = {"outlet": Shop(mode="absolute"), "web": Shop(mode="incremental")}
    async with World(bootstrap=empty_broker.bootstrap, embedded=False, folder=tmp_path, shops=shops, buffer=0) as world:
        skus = [new_sku("offer") for _ in range(OFFERS)]
        items = [{"sku": sku, "available": number % 4} for number, sku in enumerate(skus)]
        await world.warehouse.post("/admin/items", {"items": items})
        await until_agreed(world)
        await world.shop("outlet").delete("/admin/calls")
        before = {record.key for record in await stored(world, level("web"))}
        assert before == {sku.encode() for sku in skus}

        await world.command("reconcile", "--catalogue", "outlet")
        await world.command("reconcile", "--catalogue", "web")
        for sku in skus[:10]:
            await move(world, "warehouse", sku, 5)
        for name in shops:
            found = await eventually(partial(_report, world, name), within_s=60, every_s=0.5, what=f"{name} is complete")
            assert (found["phase"], found["report"]["offers"], found["report"]["taken"]) == ("it has ended", OFFERS, OFFERS)
        assert {call["sku"] for call in await calls(world, "outlet") if call["status"] == 200} >= set(skus)
        await until_agreed(world)
        assert await differences(world) == {}
