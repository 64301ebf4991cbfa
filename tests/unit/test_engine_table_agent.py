"""A table agent without a broker: one batch at a time, replays, timers, configuration, shared rows."""

from typing import Any

import msgspec

from models.agent import Decision, Emit, Rank, Record, TableAgent, View
from models.codec import encode
from models.message import ConfigChanged, Tick
from streams.engine.config_record import digest_of
from streams.engine.table_agent import TICK_SLICE, TableRunner
from tests.eventually import eventually
from tests.unit.engine_fakes import FakeOutlet, batch, changelog, host


class Row(msgspec.Struct, frozen=True):
    at: int
    said: tuple[str, ...] = ()
    due: int | None = None


class Config(msgspec.Struct, frozen=True):
    name: str = "declared"


def decide(view: View, record: Record) -> Decision:
    """Say what happened: the row lists it, a command tells it, a fact first. `due:<ms>` sets the timer."""
    row = view.row or Row(at=-1)
    body: Any = record.body
    word = "tick" if isinstance(body, Tick) else "config" if isinstance(body, ConfigChanged) else body.decode()
    emits = (
        Emit(topic="commands", key=record.key, value=f"{view.config.name}:{word}".encode()),
        Emit(rank=Rank.FACT, topic="facts", key=record.key, value=word.encode()),
    )
    if row.at >= record.sequence:
        return Decision(emits=emits)
    due = int(word[4:]) if word.startswith("due:") else None if word == "tick" else row.due
    shared = {"@last": Row(at=record.sequence, said=(word,))}
    return Decision(row=Row(at=record.sequence, said=(*row.said, word), due=due), shared=shared, emits=emits)


class Table:
    """A runner on one partition."""

    def __init__(self) -> None:
        self.outlet = FakeOutlet()
        agent: TableAgent[Row] = TableAgent(
            name="table", topic="source", table="rows", row_type=Row, decode=bytes, decide=decide, outputs=("facts", "commands"),
            config=Config(), shared={"@last": Row},
        )  # fmt: skip
        self.runner = TableRunner(agent, changelog(self.outlet), host(self.outlet))
        self.runner.take_over({0})
        self.next = 0

    async def take(self, *records: tuple[str, bytes], first: int | None = None) -> None:
        work = batch(*records, first=self.next if first is None else first)
        self.next = max(self.next, work.records[-1].offset + 1)
        self.runner.take(work)

        async def done() -> bool:
            return not work.unfinished

        await eventually(done, within_s=5, every_s=0.005)

    def row(self, key: str) -> Row:
        return msgspec.json.decode(self.runner.store.partitions[0].rows[key.encode()], type=Row)

    def rows(self) -> dict[str, Row]:
        return {key.decode(): self.row(key.decode()) for key in self.runner.store.partitions[0].rows if key[:1] != b"@"}


def tick(now_ms: int) -> tuple[str, bytes]:
    return "@tick", encode(Tick(now_ms=now_ms))


def config(name: str) -> tuple[str, bytes]:
    digest, raw = digest_of(Config(name))
    return "@config", encode(ConfigChanged(digest=digest, config=raw))


async def test_batch_then_facts_lie_before_commands_before_rows() -> None:
    table = Table()

    await table.take(("a", b"1"), ("a", b"2"))

    assert [topic for topic, _, _ in table.outlet.written] == ["facts", "facts", "commands", "commands", "changelog", "changelog"]
    assert table.row("a") == Row(at=1, said=("1", "2"))


async def test_replayed_batch_then_the_same_is_told_again_and_the_row_stays() -> None:
    table = Table()
    await table.take(("a", b"1"))
    before = table.row("a")

    await table.take(("a", b"1"), first=0)

    assert table.row("a") == before
    assert table.outlet.values("commands") == [b"declared:1", b"declared:1"]


async def test_tick_when_rows_are_due_then_each_of_them_decides() -> None:
    table = Table()
    await table.take(("a", b"due:50"), ("b", b"due:70"), ("c", b"3"))

    await table.take(tick(60))

    assert {key: row.said[-1] for key, row in table.rows().items()} == {"a": "tick", "b": "due:70", "c": "3"}
    assert table.row("a").due is None


async def test_tick_when_a_row_has_changed_its_mind_then_it_is_left_alone() -> None:
    table = Table()
    await table.take(("a", b"due:50"), ("a", b"due:90"))

    await table.take(tick(60))
    assert table.row("a").said[-1] == "due:90"
    await table.take(tick(90))
    assert table.row("a").said[-1] == "tick"


async def test_tick_replayed_over_a_row_that_is_newer_and_due_then_the_timer_is_not_lost() -> None:
    table = Table()
    await table.take(("a", b"1"), tick(10), ("a", b"due:5"))

    await table.take(tick(10), first=1)
    assert table.row("a").due == 5
    await table.take(tick(11))

    assert table.row("a").said == ("1", "due:5", "tick")


async def test_tick_when_more_rows_are_due_than_a_slice_then_another_tick_is_wanted_at_once() -> None:
    table = Table()
    await table.take(*((f"k{number}", b"due:5") for number in range(TICK_SLICE + 1)))
    timer = table.runner.timers[0]
    assert timer.wants_tick(5)
    timer.ticks()
    assert not timer.wants_tick(5)

    await table.take(tick(5))
    assert sum(row.due is None for row in table.rows().values()) == TICK_SLICE
    assert timer.wants_tick(5)
    await table.take(tick(5))

    assert all(row.due is None for row in table.rows().values())
    assert not timer.wants_tick(5)


async def test_config_before_and_after_then_decisions_see_what_stood_before_them() -> None:
    table = Table()

    await table.take(("a", b"1"), config("new"), ("b", b"2"))
    await table.take(("b", b"3"))

    assert table.outlet.values("commands") == [b"declared:1", b"new:config", b"new:2", b"new:3"]
    assert table.rows()["a"].said == ("1", "config")
    assert table.rows()["b"].said == ("2", "3")


async def test_config_when_the_partition_knows_it_already_then_nobody_is_told() -> None:
    table = Table()
    await table.take(("a", b"1"), config("new"))

    await table.take(config("new"))

    assert table.row("a").said == ("1", "config")


async def test_config_when_there_are_more_rows_than_a_slice_then_ticks_go_on_telling() -> None:
    table = Table()
    await table.take(*((f"k{number:04}", b"1") for number in range(2 * TICK_SLICE + 1)))

    await table.take(config("new"))
    for _ in range(2):
        assert table.runner.timers[0].wants_tick(10_000)
        await table.take(tick(10_000))

    assert {row.said for row in table.rows().values()} == {("1", "config")}
    assert not table.runner.timers[0].wants_tick(10_000)


async def test_config_told_in_part_then_another_owner_tells_the_rest() -> None:
    table = Table()
    await table.take(*((f"k{number:04}", b"1") for number in range(TICK_SLICE + 2)))
    await table.take(config("new"))
    heir = Table()
    heir.next = table.next
    heir.runner.store.partitions[0].rows = table.runner.store.partitions[0].rows
    heir.runner.store.partitions[0].dues = table.runner.store.partitions[0].dues
    heir.outlet.foreign = heir.runner.store.partitions[0].offset = table.runner.store.partitions[0].offset
    heir.outlet.foreign += 1

    await heir.take(tick(10_000))

    assert {row.said for row in heir.rows().values()} == {("1", "config")}
    assert heir.outlet.values("commands") == [b"new:config", b"new:config"]


async def test_config_told_in_part_when_an_earlier_tick_is_replayed_then_it_tells_nobody_and_a_later_one_tells_the_rest() -> None:
    table = Table()
    await table.take(*((f"k{number:04}", b"1") for number in range(2 * TICK_SLICE + 2)))
    await table.take(config("new"))
    replayed = table.next
    await table.take(tick(10_000))
    await table.take(("k1001", b"2"))  # of the last slice, and newer than the tick that comes again
    told = table.row("@config")

    await table.take(tick(10_000), first=replayed)

    assert table.row("@config") == told
    assert table.row("k1001").said == ("1", "2")
    assert table.runner.timers[0].wants_tick(10_000)
    await table.take(tick(10_000))
    assert {row.said[-1] for row in table.rows().values()} == {"config"}


async def test_shared_rows_when_a_replay_says_less_then_the_newer_one_stays() -> None:
    table = Table()
    await table.take(("a", b"1"), ("b", b"2"))

    await table.take(("c", b"0"), first=0)  # a key that has not seen it

    assert table.row("@last") == Row(at=1, said=("2",))
