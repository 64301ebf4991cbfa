"""Lanes without a broker: order per key, keys side by side, conflation, back-off, saving."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from models.agent import Dead, Emit, Lane, LaneAgent, Rank, Record
from streams.engine.channel import Batch
from streams.engine.lane_agent import LaneRunner
from tests.eventually import eventually
from tests.unit.engine_fakes import FakeOutlet, batch, changelog, host

Run = Callable[[Lane[Any], Record], Awaitable[None]]


class Row(msgspec.Struct, frozen=True):
    at: int
    due: int | None = None


class Lanes:
    """A runner, and what its `run` and `skip` were given."""

    def __init__(self, run: Run, **options: Any) -> None:  # noqa: ANN401  # of a LaneAgent
        self.outlet = FakeOutlet()
        agent: LaneAgent[Row] = LaneAgent(
            name="lanes", topic="source", table="rows", row_type=Row, decode=bytes, run=run, outputs=("out",), **options
        )
        self.runner = LaneRunner(agent, changelog(self.outlet), host(self.outlet))

    async def finished(self, *batches: Batch) -> None:
        async def done() -> bool:
            return not any(batch.unfinished for batch in batches)

        await eventually(done, within_s=5, every_s=0.01)


async def test_records_of_a_key_run_in_order_and_keys_side_by_side() -> None:
    seen: list[str] = []
    slow = asyncio.Event()

    async def run(lane: Lane[Row], record: Record) -> None:
        if record.value == b"slow":
            await slow.wait()
        seen.append(f"{lane.key}:{record.value.decode()}")

    lanes = Lanes(run)
    work = batch(("a", b"slow"), ("a", b"1"), ("b", b"2"))
    lanes.runner.take(work)

    async def b_is_done() -> bool:
        return seen == ["b:2"]

    await eventually(b_is_done, within_s=5, every_s=0.01)
    assert work.committable is None
    slow.set()
    await lanes.finished(work)
    assert seen == ["b:2", "a:slow", "a:1"]
    assert work.committable == 3


async def test_conflating_lane_when_records_wait_then_only_the_newest_runs_and_the_others_are_skipped() -> None:
    ran: list[bytes] = []
    skipped: list[bytes] = []
    first = asyncio.Event()

    async def run(lane: Lane[Row], record: Record) -> None:
        await first.wait()
        ran.append(record.value)
        assert not lane.newer or record.value == b"1"

    async def skip(_lane: Lane[Row], record: Record) -> None:
        skipped.append(record.value)

    lanes = Lanes(run, conflate=True, skip=skip)
    one, rest = batch(("a", b"1")), batch(("a", b"2"), ("a", b"3"), ("a", b"4"), first=1)
    lanes.runner.take(one)
    await asyncio.sleep(0)
    lanes.runner.take(rest)
    first.set()
    await lanes.finished(one, rest)

    assert (ran, skipped) == ([b"1", b"4"], [b"2", b"3"])


async def test_conflating_lane_when_the_newer_record_is_poison_then_the_older_one_still_runs() -> None:
    ran: list[bytes] = []

    async def run(_lane: Lane[Row], record: Record) -> None:
        ran.append(record.value)

    lanes = Lanes(run, conflate=True)
    work = batch(("@a", b"{"), ("b", b"1"))
    lanes.runner.take(work)
    await lanes.finished(work)

    assert ran == [b"1"]
    assert lanes.outlet.values("dead.v1") == [b"{"]


async def test_sleep_when_a_newer_record_arrives_then_true_at_once() -> None:
    told: list[bool] = []

    async def run(lane: Lane[Row], record: Record) -> None:
        if record.value == b"1":
            told.append(await lane.sleep(3600))

    lanes = Lanes(run)
    one, two = batch(("a", b"1")), batch(("a", b"2"), first=1)
    lanes.runner.take(one)
    await asyncio.sleep(0)
    lanes.runner.take(two)
    await lanes.finished(one, two)

    assert told == [True]


async def test_sleep_when_it_was_told_of_the_newer_record_already_then_it_waits_its_time() -> None:
    told: list[bool] = []

    async def run(lane: Lane[Row], record: Record) -> None:
        if record.value == b"1":
            told.extend([await lane.sleep(3600), await lane.sleep(0.01)])

    lanes = Lanes(run)
    one, two = batch(("a", b"1")), batch(("a", b"2"), first=1)
    lanes.runner.take(one)
    await asyncio.sleep(0)
    lanes.runner.take(two)
    await lanes.finished(one, two)

    assert told == [True, False]


async def test_sleep_when_the_time_is_over_then_false_and_others_had_the_slot() -> None:
    told: list[object] = []

    async def run(lane: Lane[Row], record: Record) -> None:
        told.append(await lane.sleep(0.05) if record.value == b"wait" else record.value)

    lanes = Lanes(run, limit=1)
    work = batch(("a", b"wait"), ("b", b"2"))
    lanes.runner.take(work)
    await lanes.finished(work)

    assert told == [b"2", False]


async def test_give_up_when_one_backs_off_and_others_wait_then_none_is_finished_and_it_returns_at_once() -> None:
    begun: list[bytes] = []

    async def run(lane: Lane[Row], record: Record) -> None:
        begun.append(record.value)
        await lane.sleep(3600)

    lanes = Lanes(run, limit=1)
    work = batch(("a", b"1"), ("a", b"2"))
    lanes.runner.take(work)
    await asyncio.sleep(0.01)

    await asyncio.wait_for(lanes.runner.give_up(), 1)

    assert begun == [b"1"]
    assert work.unfinished == 2


async def test_give_up_when_a_call_is_in_flight_then_it_is_awaited_and_counts() -> None:
    answer = asyncio.Event()

    async def run(_lane: Lane[Row], _record: Record) -> None:
        await answer.wait()

    lanes = Lanes(run)
    work = batch(("a", b"1"), ("a", b"2"))
    lanes.runner.take(work)
    await asyncio.sleep(0.01)
    giving_up = asyncio.create_task(lanes.runner.give_up())
    await asyncio.sleep(0.01)
    answer.set()
    await giving_up

    assert work.committable == 1
    assert work.unfinished == 1


async def test_take_over_after_give_up_then_lanes_run_again_and_see_their_rows() -> None:
    rows: list[Row | None] = []

    async def run(lane: Lane[Row], record: Record) -> None:
        rows.append(lane.row)
        await lane.save(Row(at=record.sequence))
        assert lane.row == Row(at=record.sequence)

    lanes = Lanes(run)
    one, two = batch(("a", b"1")), batch(("a", b"2"), first=1)
    lanes.runner.take(one)
    await lanes.finished(one)
    await lanes.runner.give_up()
    lanes.runner.take_over({0})
    lanes.runner.take(two)
    await lanes.finished(two)

    assert rows == [None, Row(at=0)]


async def test_save_when_several_lanes_save_at_once_then_their_rows_share_a_batch() -> None:
    async def run(lane: Lane[Row], record: Record) -> None:
        await lane.save(Row(at=record.sequence))

    lanes = Lanes(run)
    lanes.outlet.gate.clear()
    work = batch(*((key, b"1") for key in "abcdefgh"))
    lanes.runner.take(work)
    await asyncio.sleep(0.01)
    lanes.outlet.gate.set()
    await lanes.finished(work)

    assert sum(map(len, lanes.outlet.batches)) == 8
    assert len(lanes.outlet.batches) <= 2


async def test_emit_then_facts_lie_before_commands_and_dead_letters_keep_their_bytes() -> None:
    async def run(lane: Lane[Row], record: Record) -> None:
        await lane.emit(Emit(topic="out", key="a", value=b"command"), Emit(rank=Rank.FACT, topic="out", key="a", value=b"fact"))
        await lane.dead(record, Dead(error="RefusedError", reason="no"), b"exchange")

    lanes = Lanes(run)
    work = batch(("a", b"bytes"))
    lanes.runner.take(work)
    await lanes.finished(work)

    assert [value for _, _, value in lanes.outlet.written] == [b"fact", b"command", b"bytes"]


async def test_take_over_then_the_agent_hears_its_part_of_the_partitions() -> None:
    async def run(_lane: Lane[Row], _record: Record) -> None:
        return

    parts: list[float] = []
    lanes = Lanes(run, share=parts.append)
    lanes.runner.take_over({0, 2, 3})
    lanes.runner.take_over(set())

    assert parts == [0.75, 0]
