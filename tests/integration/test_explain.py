"""`stockwire explain sku` on a real installation: after a storm, the story of every SKU ends with the row of the table's changelog."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from click.testing import CliRunner
from confluent_kafka import Producer

from agents.explain.step import Begin, End, Line, Step
from models.codec import encode, headers_of
from models.message import ConfigChanged, Message
from models.stock_row import StockRow
from models.topics import FACT_STOCK, outcome
from streams.broker import EmbeddedBroker, RealBroker
from streams.cli import main
from streams.demo.world import SECRETS, Shop, World
from streams.engine.config_record import digest_of
from streams.engine.intake import CONFIG_KEY
from streams.explain import Story, explain_sku
from streams.receiver.commit import partition_of
from streams.settings import KafkaSettings, Settings
from streams.topics import changelog_topic, group
from tests.installation import move, new_sku, put, sell, stored, until_agreed, until_shown
from tests.unit.stock_desk import Desk, one

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


async def test_nothing_since_then_then_the_story_is_empty_and_says_so(world: World) -> None:
    sku = new_sku("calm")
    await put(world, sku, warehouse=10)
    await until_shown(world, sku, web=9, outlet=9)
    later = datetime.now(UTC) + timedelta(hours=1)
    begin, *steps, end = await _told(world, sku, "--since", later.isoformat())
    assert isinstance(begin, Begin)
    assert isinstance(end, End)
    assert (steps, end.differs) == ([], ())
    assert begin.row is not None
    assert begin.row == end.row
    text = await world.command("explain", "sku", sku, "--since", later.isoformat())
    assert f"Nothing happened to it since {later:%Y-%m-%d %H:%M:%S}" in text
    assert f"nothing from offset {begin.first_offset} on" in text


@pytest.mark.parametrize("since_s", [15, 60])
async def test_broker_that_knows_no_times_then_older_records_are_used_and_not_shown(since_s: int) -> None:
    desk = Desk(one(orders_mode=False, incremental=False))
    desk.reading(12, 9_000, 10_000)
    desk.moved(-2, 12, now=14_000)
    before = desk.row
    desk.moved(-1, 20, now=21_000)
    with EmbeddedBroker() as broker:
        _write(broker, desk)
        settings = Settings(kafka=KafkaSettings(bootstrap=broker.bootstrap))

        def look() -> Story:
            return explain_sku(settings, desk.sku, since_ms=since_s * 1_000, channel=None, progress=lambda _topic, _done, _total: None)

        story = await asyncio.to_thread(look)
    assert before is not None
    assert story.begin.row_known
    assert story.begin.row is not None
    if since_s == 15:
        [step] = story.steps
        assert (step.numbers["w"].low_before, step.numbers["w"].low) == (Decimal(10), Decimal(9))
        assert story.begin.row.wh == before.wh
        assert story.begin.first_offset == step.offset
    else:
        assert story.steps == ()
        assert story.begin.row.wh["w"].moves[-1].delta == -1


def _write(broker: EmbeddedBroker, desk: Desk) -> None:
    """The desk's records, at their times, behind its configuration."""
    broker.touch([FACT_STOCK, changelog_topic(group("worker"), "stock"), outcome("c")])
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    partition = partition_of(desk.sku.encode(), 4)
    digest, config = digest_of(desk.config)
    first: tuple[str, Message, int] = (CONFIG_KEY, ConfigChanged(digest=digest, config=config), 1_000)
    for key, body, time_ms in (first, *((desk.sku, record.body, record.time_ms) for record in desk.log)):
        headers: dict[str, str | bytes | None] = {**headers_of(body)}
        producer.produce(FACT_STOCK, encode(body), key.encode(), partition=partition, timestamp=time_ms, headers=headers)
    assert producer.flush(20) == 0


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
