"""`stockwire explain sku` on a real installation: after a storm, the story of every SKU ends with the row of the table's changelog."""

import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from click.testing import CliRunner

from agents.explain.step import Begin, End, Line, Step
from models.stock_row import StockRow
from streams.broker import RealBroker
from streams.cli import main
from streams.demo.world import SECRETS, Shop, World
from streams.topics import changelog_topic, group
from tests.installation import move, new_sku, put, sell, stored, until_agreed, until_shown

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
SHOPS = {"web": Shop(mode="incremental"), "outlet": Shop(mode="absolute")}
CHAOS = {"duplicate_rate": 0.4, "duplicate_after_s": 0.2, "late_rate": 0.3, "late_s": 0.5, "shuffle_window": 4}
CALM = {"duplicate_rate": 0, "late_s": 0, "shuffle_window": 1}

_decode_line = msgspec.json.Decoder(Begin | Step | End).decode


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(empty_broker: RealBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    async with World(bootstrap=empty_broker.bootstrap, embedded=False, folder=folder, shops=SHOPS, lag_s=5.0) as running:
        yield running


async def _told(world: World, *arguments: str) -> list[Line]:
    printed = await world.command("explain", "sku", *arguments, "--json")
    return [_decode_line(line) for line in printed.splitlines()]


async def test_after_a_storm_the_story_of_every_sku_ends_with_the_tables_row(world: World) -> None:
    chance = random.Random(5)  # noqa: S311  # a test wants the same storm again
    skus = [new_sku("storm") for _ in range(5)]
    for sku in skus:
        await put(world, sku, warehouse=30)
    for sku in skus:
        await until_shown(world, sku, web=29, outlet=29)
    await world.warehouse.post("/admin/chaos", CHAOS)
    for _ in range(60):
        sku = chance.choice(skus)
        await move(world, "warehouse", sku, chance.choice((-1, 2, 3)))
        await sell(world, chance.choice(("web", "outlet")), sku)
    await world.warehouse.post("/admin/chaos", CALM)
    await until_agreed(world, skus)

    rows = {sku: (await stored(world, changelog_topic(group("worker"), "stock"), sku))[-1].value for sku in skus}
    for sku in skus:
        begin, *steps, end = await _told(world, sku)
        assert isinstance(begin, Begin)
        assert isinstance(end, End)
        assert (end.agrees, end.differs, begin.row_known) == ("yes", (), True)
        assert end.row == msgspec.json.decode(rows[sku] or b"", type=StockRow)
        events = {step.event for step in steps if isinstance(step, Step)}
        assert {"StockMoved", "StockCounted"} <= events
        said = [one for step in steps if isinstance(step, Step) for one in step.said]
        assert {one.channel for one in said} == {"web", "outlet"}
        last = [one for one in said if one.channel == "outlet"][-1]
        assert [became.outcome for became in last.became][:1] == ["Done"]
        assert last.became[0].status == 200

    text = await world.command("explain", "sku", skus[0])
    assert f"The story of {skus[0]}" in text
    assert "agrees with the table" in text
    assert "sold by web at warehouse" in text
    assert "taken after" in text


async def test_since_and_channel_then_only_that_part_is_told(world: World) -> None:
    sku = new_sku("part")
    await put(world, sku, warehouse=10)
    await until_shown(world, sku, web=9, outlet=9)
    await move(world, "warehouse", sku, 5)
    await until_shown(world, sku, web=14, outlet=14)
    whole = await _told(world, sku, "--channel", "web")
    said = [one for step in whole if isinstance(step, Step) for one in step.said]
    assert {one.channel for one in said} == {"web"}
    assert [one.level for one in said] == [Decimal(9), Decimal(14)]
    move_at = next(step.time_ms for step in whole if isinstance(step, Step) and step.event == "StockMoved")
    begin, *steps, end = await _told(world, sku, "--since", _iso(move_at))
    assert isinstance(begin, Begin)
    assert isinstance(end, End)
    assert begin.first_offset > 0
    assert next(step.event for step in steps if isinstance(step, Step)) == "StockMoved"
    assert end.differs == ()


async def test_unknown_sku_channel_or_time_then_it_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Any:  # noqa: ANN401  # click's result
        return CliRunner().invoke(main, ["explain", "sku", *arguments, "--config", str(world.config)])

    nobody = run(new_sku("nobody"))
    assert nobody.exit_code == 1
    assert "no record" in nobody.output
    assert run("any", "--channel", "nowhere").exit_code == 2
    assert run("any", "--since", "yesterday").exit_code == 2
    last = json.loads(run(new_sku("nobody"), "--json").stdout.splitlines()[-1])
    assert last["agrees"] == "no table"


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
