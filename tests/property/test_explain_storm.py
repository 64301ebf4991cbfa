"""A storm of facts through the engine, in any batches, with crashes: the story of every SKU ends with the table's own row."""

import asyncio
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec
from aiokafka import ConsumerRecord
from faust.types import TP
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.explain.replay import UNKNOWN_BEFORE, Replay, Table
from agents.explain.step import End, Step
from agents.explain.words import agreement, sentences, standing
from agents.stock.agent import stock_agent
from models.codec import Decoder, encode
from models.config import ClockSlack, StockConfig
from models.facts import (
    ChannelShown,
    CorrectionAccepted,
    LineCounted,
    LineDropped,
    LinePlaced,
    LineReserved,
    Resend,
    StockCounted,
    StockFact,
    StockMoved,
    Told,
)
from models.level import Level
from models.message import ConfigChanged, Message, Tick
from models.stock_row import StockRow
from streams.engine import table_agent
from streams.engine.channel import Batch
from streams.engine.config_record import digest_of
from streams.engine.intake import Intake
from streams.engine.table_agent import TableRunner
from streams.explain import table_of
from tests.eventually import eventually
from tests.unit.engine_fakes import FakeOutlet, changelog, host
from tests.unit.stock_desk import channel, warehouse

SKUS: Final = tuple(f"S-{number}" for number in range(7))
PLACES: Final = ("v", "w")
CHANNELS: Final = ("absolute", "orders", "sellers")
START_MS: Final = 1_700_000_000_000
SLACK: Final = ClockSlack(resolution_ms=1_000, early_ms=0, late_ms=500, staleness_ms=200, skew_ms=0)
STORMS: Final = settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def _config(buffer: int) -> StockConfig:
    common: dict[str, Any] = {"places": PLACES, "lag_ms": 5_000, "cap": 4, "buffer": Decimal(buffer)}
    return StockConfig(
        warehouses={name: warehouse(f"wh-{name}", clock=SLACK, cap=3, correction_limit=Decimal(6), held_max=1) for name in PLACES},
        channels={
            "absolute": channel(incremental=False, orders_mode=False, sellers={}, **common),
            "orders": channel(sellers={"w": ("1",), "v": ("1",)}, **common),
            "sellers": channel(orders_mode=False, audited=True, sellers={"w": ("2",)}, **common),
        },
    )


class Storm:
    """The log of one partition, and an engine that works on it."""

    def __init__(self, seed: int, *, slice_size: int, alone: bool) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # a test wants the same storm again
        self.slice_size = slice_size
        self.alone = alone
        self.now_ms = START_MS
        self.log: list[Any] = []
        self.outlet = FakeOutlet()
        self.runner = self._runner()

    def _runner(self) -> TableRunner:
        agent = msgspec.structs.replace(stock_agent(_config(1)), topic="fact.stock.v1")
        runner = TableRunner(agent, changelog(self.outlet), host(self.outlet))
        runner.take_over({0})
        return runner

    def write(self, key: str, body: Message) -> None:
        offset = len(self.log)
        self.log.append(ConsumerRecord("fact.stock.v1", 0, offset, self.now_ms, 0, key.encode(), encode(body), None, 1, 1, ()))

    async def play(self, records: int) -> None:
        """Write and work on so many records; `alone`: each by itself, and never twice."""
        finished = 0
        digest, raw = digest_of(_config(1))
        self.write("@config", ConfigChanged(digest=digest, config=raw))
        while len(self.log) < records:
            for _ in range(1 if self.alone else self.chance.randint(1, 12)):
                self._next()
            await self._work(finished)
            told_all = table_agent.config_row(self.runner.store.partitions[0]).due is None
            if not self.alone and told_all and self.chance.random() < 0.1:
                self._crash()
                finished = max(0, finished - self.chance.randint(0, 20))
            else:
                finished = len(self.log)
        await self._work(finished)

    async def _work(self, first: int) -> None:
        if first >= len(self.log):
            return
        work = Batch(TP("fact.stock.v1", 0), self.log[first:])
        self.runner.take(work)

        async def done() -> bool:
            return not work.unfinished

        await eventually(done, within_s=5, every_s=0.0)

    def _crash(self) -> None:
        """Another owner, with the rows of the changelog."""
        written = self.changelog()
        self.runner = self._runner()
        partition = self.runner.store.partitions[0]
        partition.recover(
            ConsumerRecord("changelog", 0, offset, 0, 0, key, row, None, 1, 1, ()) for offset, (key, row) in enumerate(written)
        )
        partition.offset = len(written) - 1

    def changelog(self) -> list[tuple[bytes, bytes]]:
        return [(key or b"", value or b"") for topic, key, value in self.outlet.written if topic == "changelog"]

    def levels(self) -> list[Level]:
        decode: Decoder[Level] = Decoder(Level)
        return [decode(value) for topic, _, value in self.outlet.written if topic.startswith("level.") and value is not None]

    def _next(self) -> None:
        self.now_ms += self.chance.choice((0, 0, 1, 50, 300, 2_000, 7_000))
        kind = self.chance.random()
        if kind < 0.15:
            self.write("@tick", Tick(now_ms=self.now_ms))
        elif kind < 0.18:
            digest, raw = digest_of(_config(self.chance.randint(0, 2)))
            self.write("@config", ConfigChanged(digest=digest, config=raw))
        else:
            sku = self.chance.choice(SKUS)
            self.write(sku, self.chance.choice((self._moved, self._moved, self._counted, self._counted, self._other))(sku))

    def _moved(self, sku: str) -> Message:
        chance = self.chance
        stamp_ms = (self.now_ms - chance.choice((0, 100, 1_000, 9_000))) // 1_000 * 1_000
        return StockMoved(
            connection="wh-w", place=chance.choice((*PLACES, "gone")), sku=sku, item=f"i-{sku}", id=f"m{chance.randint(0, 300)}",
            lo_ms=chance.choice((stamp_ms - 500, stamp_ms - 500, None)), hi_ms=min(stamp_ms + 999, self.now_ms),
            delta=Decimal(chance.choice((-1, -2, 1, 3))), seller=chance.choice((None, "1", "2", "3")), stamp_ms=stamp_ms,
        )  # fmt: skip

    def _counted(self, sku: str) -> Message:
        chance = self.chance
        asked_ms = self.now_ms - chance.choice((10, 500, 3_000))
        place = chance.choice(PLACES)
        return StockCounted(
            connection=f"wh-{place}", place=place, sku=sku, item=f"i-{sku}", value=Decimal(chance.choice((8, 9, 10, 11, 40))),
            t0_ms=asked_ms - 200, t1_ms=self.now_ms, sweep=chance.choice((None, "one", "two")),
        )  # fmt: skip

    def _other(self, sku: str) -> Message:
        chance = self.chance
        line, connection = f"L{chance.randint(0, 3)}", chance.choice(("orders", "orders", "orders", "absolute"))
        made: tuple[Callable[[], Message], ...] = (
            lambda: LinePlaced(connection=connection, sku=sku, line=line, place="w", quantity=Decimal(2), said_ms=self.now_ms),
            lambda: LineReserved(connection=connection, sku=sku, line=line, by_ms=self.now_ms - 100),
            lambda: LineCounted(connection=connection, sku=sku, line=line, was=Decimal(2), now=Decimal(chance.randint(0, 1))),
            lambda: LineDropped(connection=connection, sku=sku, line=line),
            lambda: ChannelShown(
                connection="sellers", sku=sku, shown=Decimal(chance.choice((17, 18))), asked_ms=self.now_ms - 50, answered_ms=self.now_ms
            ),
            lambda: Told(connection="sellers", sku=sku, sequence=self._last_told(sku), value=Decimal(1)),
            lambda: Resend(connection=chance.choice(CHANNELS), sku=sku),
            lambda: CorrectionAccepted(sku=sku),
        )
        return chance.choice(made)()

    def _last_told(self, sku: str) -> int:
        raw = self.runner.store.partitions[0].rows.get(sku.encode())
        row = None if raw is None else msgspec.json.decode(raw, type=StockRow)
        told = None if row is None or "sellers" not in row.ch else row.ch["sellers"].told
        return -1 if told is None else told.sequence

    def story(self, sku: str, table: Table, *, first: int = 0) -> tuple[list[Step], End]:
        """By the records from `first` on that `stockwire explain` would look at."""
        replay = Replay(sku, table, _config(1), begins=first, whole=first == 0)
        decode: Decoder[StockFact] = Decoder(StockFact)
        intake = Intake("stock", decode, 0)
        for raw in self.log[first:]:
            if raw.key in {sku.encode(), b"@tick", b"@config"}:
                record: Any = intake.take(raw)
                replay.take(record)
        return replay.end()

    def tables(self, *, first: int = 0, compacted: bool = False) -> Iterator[tuple[str, Table]]:
        """What the table says of each SKU that it has, to a story that begins with record `first`."""
        written = self.changelog()
        for sku in SKUS:
            found = dict(written).items() if compacted else written
            table = msgspec.structs.replace(table_of(found, sku, begins=first, done=len(self.log)), slice_size=self.slice_size)
            if table.rows:
                yield sku, table


def _played(seed: int, *, slice_size: int = 3, alone: bool = False, records: int = 250) -> Storm:
    async def play() -> Storm:
        storm = Storm(seed, slice_size=slice_size, alone=alone)
        await storm.play(records)
        return storm

    usual, table_agent.TICK_SLICE = table_agent.TICK_SLICE, slice_size
    try:
        return asyncio.run(play())
    finally:
        table_agent.TICK_SLICE = usual


@STORMS
@given(seed=st.integers(0, 2**32))
def test_storm_in_any_batches_and_slices_with_crashes_then_each_story_is_the_tables(seed: int) -> None:
    storm = _played(seed)
    for sku, table in storm.tables():
        steps, end = storm.story(sku, table)
        assert (end.agrees, end.differs) == ("yes", ()), sku
        assert end.row == table.rows[-1]
        assert [step.row for step in steps if step.row is not None][-1] == table.rows[-1]
        said = {(one.channel, one.sequence, one.level, one.total) for step in steps for one in step.said}
        told = {(level.connection, level.sequence, level.level, level.total) for level in storm.levels() if level.sku == sku}
        assert told <= said
        assert all(sentences(step) for step in steps)
        assert agreement(end) == ["agrees with the table"]
        assert dict(standing(end)).keys() == {*table.rows[-1].wh, *table.rows[-1].ch}


@STORMS
@given(seed=st.integers(0, 2**32))
def test_storm_of_single_records_then_the_records_alone_give_each_row(seed: int) -> None:
    storm = _played(seed, slice_size=500, alone=True)
    for sku, table in storm.tables():
        _, end = storm.story(sku, msgspec.structs.replace(table, rows=()))
        assert (end.agrees, end.row) == ("no table", table.rows[-1]), sku


@STORMS
@given(seed=st.integers(0, 2**32), part=st.floats(0.1, 0.9))
def test_story_from_the_middle_then_it_goes_on_from_the_row_of_that_time(seed: int, part: float) -> None:
    storm = _played(seed)
    first = int(len(storm.log) * part)
    for sku, table in storm.tables(first=first):
        steps, end = storm.story(sku, table, first=first)
        agreed = {"yes"} if len([row for row in table.rows if row.at >= first]) > 3 else {"yes", "unknown"}
        assert end.differs == ()
        assert end.agrees in agreed
        assert all(not step.corrected for step in steps)
        assert end.row == table.rows[-1]


@STORMS
@given(seed=st.integers(0, 2**32), part=st.floats(0.1, 0.9))
def test_story_from_the_middle_without_older_rows_then_it_says_so_and_ends_with_the_tables_row(seed: int, part: float) -> None:
    storm = _played(seed)
    first = int(len(storm.log) * part)
    for sku, table in storm.tables(first=first, compacted=True):
        steps, end = storm.story(sku, table, first=first)
        assert end.agrees in {"yes", "unknown"}, end.differs
        assert end.row == table.rows[-1]
        if table.rows[-1].at >= first and steps and steps[0].sequence <= table.rows[-1].at:
            assert UNKNOWN_BEFORE in end.notes
            assert not steps[0].exact


def test_row_that_the_records_do_not_give_then_the_difference_is_said() -> None:
    storm = _played(7)
    # A SKU whose last row came of a record of its own: whether a timer reached a row is told by the table alone.
    sku, table = next((sku, table) for sku, table in storm.tables() if storm.log[table.rows[-1].at].key == sku.encode())
    last = table.rows[-1]
    place = next(iter(last.wh))
    wrong = msgspec.structs.replace(last, wh={**last.wh, place: msgspec.structs.replace(last.wh[place], base=Decimal(999))})
    steps, end = storm.story(sku, msgspec.structs.replace(table, rows=(*table.rows[:-1], wrong)))
    assert end.agrees == "no"
    assert any(f"wh.{place}.base is 999 in the table" in text for text in end.differs)
    assert any(step.corrected for step in steps)
    assert end.row == wrong


def test_records_that_the_worker_has_not_reached_then_the_story_says_so() -> None:
    storm = _played(8)
    sku, table = next(storm.tables())
    behind = msgspec.structs.replace(table, rows=table.rows[:-3], done=table.rows[-4].at + 1)
    steps, end = storm.story(sku, behind)
    assert (end.agrees, end.differs) == ("behind", ())
    assert end.row == table.rows[-4]
    assert any(step.pending for step in steps)
