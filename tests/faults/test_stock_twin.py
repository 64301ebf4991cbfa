"""The same stock facts, handled by a worker left in peace and by one that is killed again and again, end in the same rows and numbers."""

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from models.codec import Decoder
from models.facts import StockCounted, StockMoved
from models.level import Level
from models.stock_row import Channel, StockRow
from models.topics import FACT_STOCK, level
from streams.broker import RealBroker
from streams.by_hand import write
from streams.demo.world import free_port, stockwire
from streams.settings import KafkaSettings
from streams.supervise import Child
from streams.topics import changelog_topic, group
from tests.eventually import eventually
from tests.receiver_case import records

PARTITIONS = 4
PLACES = ("north", "south")
SELLERS = {"web": "90100041", "outlet": "90100042", "nobody": None, "a stranger": "90199999"}
SKUS = tuple(f"twin-{number:02}" for number in range(40))
MOVES = 3_000
STEP_MS = 20
CHUNK = 50
BUFFER = 3
KILL_AFTER = (400, 1_200, 2_000, 2_900)
"""Facts written."""

decode_row = msgspec.json.Decoder(StockRow).decode
decode_level = Decoder[Level](Level)


class Left(NamedTuple):
    """What a worker leaves behind, without what may differ: sequences, times of our clock at which it was done, and what stood then.

    The last total of a shop that adds may have been said before or after the end of a wait: with it stands the level of that time.
    """

    rows: dict[str, StockRow]
    levels: dict[tuple[str, str], tuple[Decimal, dict[str, Decimal]]]
    """The total, or the level with its parts."""


def recorded(seed: int) -> list[StockMoved | StockCounted]:
    """Moves and readings as they may arrive: stamps in whole seconds, a tenth late, a fifth repeated, some lost; at last a clean sweep."""
    chance = random.Random(seed)  # noqa: S311  # a test wants the same numbers again
    stock = {(place, sku): Decimal(100) for place in PLACES for sku in SKUS}
    arriving: list[tuple[int, int, StockMoved | StockCounted]] = []
    begin_ms = 1_790_000_000_000
    for number in range(MOVES):
        now_ms = begin_ms + number * STEP_MS
        place, sku = chance.choice(PLACES), chance.choice(SKUS)
        if chance.random() < 0.15:
            t0_ms = now_ms - chance.randint(1, 600)
            arriving.append((now_ms + chance.randint(0, 800), number, _reading(place, sku, stock[place, sku], t0_ms, now_ms)))
            continue
        delta = Decimal(chance.choice((-3, -2, -1, -1, 1, 2, 4)))
        stock[place, sku] += delta
        seller = SELLERS[chance.choice(tuple(SELLERS))]
        stamp_ms = now_ms // 1_000 * 1_000
        move = StockMoved(
            connection=place, place=place, sku=sku, item=f"{place}-{sku}", id=f"e{number}", delta=delta,
            lo_ms=stamp_ms - 500, hi_ms=stamp_ms + 1_500, seller=seller, stamp_ms=stamp_ms,
        )  # fmt: skip
        if chance.random() < 0.05:
            continue
        late_ms = chance.randint(1_000, 8_000) if chance.random() < 0.1 else chance.randint(0, 300)
        arriving.append((now_ms + late_ms, number, move))
        if chance.random() < 0.2:
            arriving.append((now_ms + late_ms + chance.randint(0, 6_000), number, move))
    facts = [fact for _, _, fact in sorted(arriving, key=lambda entry: entry[:2])]
    end_ms = begin_ms + MOVES * STEP_MS + 60_000
    return facts + [_reading(place, sku, value, end_ms, end_ms + 50) for (place, sku), value in stock.items()]


def _reading(place: str, sku: str, value: Decimal, t0_ms: int, t1_ms: int) -> StockCounted:
    return StockCounted(
        connection=place, place=place, sku=sku, item=f"{place}-{sku}", value=value, t0_ms=t0_ms, t1_ms=t1_ms
    )  # fmt: skip


def _configuration(bootstrap: str, port: int) -> str:
    warehouses = "".join(
        f"""
[connections.{place}]
system = "thetis"
api_key = {{env = "TWIN"}}
client_id = {{env = "TWIN"}}
client_secret = {{env = "TWIN"}}
webhook_secret = {{env = "TWIN"}}
[[places]]
name = "{place}"
warehouse = "{place}"
"""
        for place in PLACES
    )
    shops = "".join(
        f"""
[connections.{shop}]
system = "shop"
webhook_url = "https://shop.invalid/stockwire"
webhook_secret = {{env = "TWIN"}}
mode = "{mode}"
sellers = {{north = ["{SELLERS[shop]}"], south = ["{SELLERS[shop]}"]}}
lag_s = 2.0
[[stock]]
from = ["north", "south"]
to = "{shop}"
buffer = {BUFFER}
"""
        for shop, mode in (("web", "incremental"), ("outlet", "absolute"))
    )
    kafka = f'[kafka]\nbootstrap = "{bootstrap}"\npartitions = {PARTITIONS}\nsession_s = 6\n[worker]\nhost = "127.0.0.1"\nport = {port}\n'
    return kafka + warehouses + shops


class Twin:
    """One worker process on a Kafka of its own."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._kafka = KafkaSettings(bootstrap=bootstrap, partitions=PARTITIONS)
        self._port = free_port()
        self._config = folder / "stockwire.toml"
        self._config.write_text(_configuration(bootstrap, self._port), encoding="utf-8")
        self._environ = {"TWIN": "whsec_c3RvY2t3aXJlLWRlbW8tc2hvcC1zZWNyZXQtMDAwMQ=="}
        self._log = folder / "worker.log"
        self.kills = 0

    async def handle(self, facts: list[StockMoved | StockCounted], kill_after: tuple[int, ...]) -> Left:
        """Write the facts while the worker works and is killed; return what is left when all is quiet."""
        await self._command("topics", "create")
        with self._log.open("wb") as log:
            child = Child("worker", self._stockwire("run", "worker"), env=self._environ, output=log.fileno())
            running = asyncio.create_task(child.keep_running())
            try:
                await eventually(self._ready, within_s=60, what="the worker is ready")
                await self._written(facts, child, kill_after)
                left = await eventually(self._left_when_quiet, within_s=90, every_s=0.5, what="all rows are quiet")
                assert left is not None
                return left
            finally:
                await child.stop()
                await running

    async def _written(self, facts: list[StockMoved | StockCounted], child: Child, kill_after: tuple[int, ...]) -> None:
        for begin in range(0, len(facts), CHUNK):
            chunk = [(FACT_STOCK, fact.sku, fact) for fact in facts[begin : begin + CHUNK]]
            await asyncio.to_thread(write, self._kafka, chunk)
            if begin in kill_after:
                await eventually(self._ready, within_s=60, what="the worker is ready")
                child.kill()
                self.kills += 1

    async def _ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self._port}/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _left_when_quiet(self) -> Left | None:
        """None while records wait or a row still wants a tick."""
        if not await self._ready() or await asyncio.to_thread(self._lag) > 0:
            return None
        rows = await self._rows()
        if set(rows) != set(SKUS) or any(row.due is not None for row in rows.values()):
            return None
        return Left({sku: _timeless(row) for sku, row in rows.items()}, await self._levels())

    async def _rows(self) -> dict[str, StockRow]:
        """What recovery would find: the newest row of each SKU."""
        found: dict[str, StockRow] = {}
        for record in await records(self._kafka.bootstrap, changelog_topic(group("worker"), "stock")):
            sku = (record.key or b"").decode()
            if not sku.startswith("@"):
                row = decode_row(record.value or b"")
                if sku not in found or row.at >= found[sku].at:
                    found[sku] = row
        return found

    async def _levels(self) -> dict[tuple[str, str], tuple[Decimal, dict[str, Decimal]]]:
        found: dict[tuple[str, str], Level] = {}
        for shop in ("web", "outlet"):
            for record in await records(self._kafka.bootstrap, level(shop)):
                said = decode_level(record.value or b"")
                if (shop, said.sku) not in found or said.sequence >= found[shop, said.sku].sequence:
                    found[shop, said.sku] = said
        return {key: (said.level, said.parts) if said.total is None else (said.total, {}) for key, said in found.items()}

    def _lag(self) -> int:
        consumer = Consumer({"bootstrap.servers": self._kafka.bootstrap, "group.id": group("worker"), "enable.auto.commit": False})
        try:
            committed = consumer.committed([TopicPartition(FACT_STOCK, number) for number in range(PARTITIONS)], timeout=10)
            return sum(consumer.get_watermark_offsets(place, timeout=10)[1] - max(place.offset, 0) for place in committed)
        finally:
            consumer.close()

    async def _command(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(*self._stockwire(*arguments), env={**os.environ, **self._environ})
        assert await process.wait() == 0

    def _stockwire(self, *arguments: str) -> tuple[str, ...]:
        return stockwire(*arguments, "--config", str(self._config))


def _timeless(row: StockRow) -> StockRow:
    return msgspec.structs.replace(row, at=0, ch={name: _untimed(channel, adds=name == "web") for name, channel in row.ch.items()})


def _untimed(channel: Channel, *, adds: bool) -> Channel:
    told = None if channel.told is None else msgspec.structs.replace(channel.told, sequence=0, as_of_ms=0)
    if told is not None and adds:
        told = msgspec.structs.replace(told, level=None, parts=None)
    return msgspec.structs.replace(channel, told=told)


@contextmanager
def _another_broker(folder: Path) -> Iterator[RealBroker]:
    broker = RealBroker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@pytest.mark.broker
@pytest.mark.timeout(240)
@pytest.mark.req("T-40", "X-07")
async def test_worker_killed_again_and_again_then_rows_and_numbers_are_those_of_its_twin(empty_broker: RealBroker, tmp_path: Path) -> None:
    facts = recorded(7)
    (tmp_path / "calm").mkdir()
    (tmp_path / "killed").mkdir()
    calm = await Twin(empty_broker.bootstrap, tmp_path / "calm").handle(facts, ())
    with _another_broker(tmp_path / "kafka") as broker:
        twin = Twin(broker.bootstrap, tmp_path / "killed")
        killed = await twin.handle(facts, KILL_AFTER)
    assert twin.kills == len(KILL_AFTER)
    assert killed.levels == calm.levels
    assert killed.rows == calm.rows
    assert set(calm.levels) == {(shop, sku) for shop in ("web", "outlet") for sku in SKUS}
    stock = {(fact.place, fact.sku): fact.value for fact in facts if isinstance(fact, StockCounted)}  # the last of each counts
    due = {sku: max(Decimal(0), sum((stock[place, sku] for place in PLACES), start=Decimal(0)) - BUFFER) for sku in SKUS}
    assert {sku: max(Decimal(0), calm.levels["outlet", sku][0]) for sku in SKUS} == due
    assert {sku: calm.levels["web", sku][0] - calm.rows[sku].ch["web"].counted for sku in SKUS} == {
        sku: calm.levels["outlet", sku][0] for sku in SKUS
    }
    assert all(row.wh[place].moves == () for row in calm.rows.values() for place in PLACES)
