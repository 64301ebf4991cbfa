"""A cursor is the order to read its page: page acknowledged, then the next cursor."""

import pytest

from agents.poll.agent import poll_agent
from agents.poll.decide import NEVER_MS
from agents.ports import Element, Page
from models.agent import Abandoned, Emit, LaneAgent, Rank
from models.cursor import Cursor
from models.errors import OperatorError, RefusedError, StockwireError, TransientError
from models.inbound import Inbound
from tests.unit.lane_case import Clock, MemoryLane, Middle, record_of

FIRST = Cursor(connection="wh", what="stock", due_ms=10_000)


class FakePager:
    """Items `0` to `rows - 1`, two a page; fails with each of `errors` first."""

    every_s = 60.0

    def __init__(self, clock: Clock, rows: int = 5, *errors: StockwireError, takes_s: float = 0.0) -> None:
        self._clock, self._rows, self._errors, self._takes_s = clock, rows, list(errors), takes_s
        self.asked: list[tuple[float, str, str]] = []

    async def page(self, cursor: Cursor) -> Page:
        self.asked.append((self._clock(), cursor.position, cursor.sweep))
        self._clock.now_s += self._takes_s
        if self._errors:
            raise self._errors.pop(0)
        first = int(cursor.position or 0)
        end = min(first + 2, self._rows)
        inbound = Inbound(kind="reading", received_ms=1, sweep=cursor.sweep)
        elements = [Element(key=str(number), value=b"%d" % number, inbound=inbound) for number in range(first, end)]
        return Page(elements=elements, position=str(end) if end < self._rows else None)


def _agent(clock: Clock, pager: FakePager, rule: str = "continuous") -> LaneAgent[None]:
    return poll_agent({("wh", "stock"): (pager, rule)}, rng=Middle(), clock=clock)


def _cursor_in(lane: MemoryLane) -> Cursor:
    (emit,) = lane.emits[-1]
    assert (emit.topic, emit.key) == ("poll.v1", "wh/stock")
    assert isinstance(emit.value, Cursor)
    return emit.value


async def _sweep(clock: Clock, pager: FakePager, rule: str = "continuous") -> tuple[list[bytes], Cursor]:
    """What a whole sweep wrote, each cursor run as it was written."""
    agent, cursor, values = _agent(clock, pager, rule), FIRST, []
    while True:
        lane = MemoryLane(clock)
        await agent.run(lane, record_of(cursor))
        values += [bytes(emit.value) for emits in lane.emits[:-1] for emit in emits if isinstance(emit.value, bytes)]
        cursor = _cursor_in(lane)
        if not cursor.sweep:
            return values, cursor


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
async def test_poll_when_swept_then_every_row_once_under_one_name_and_the_next_sweep_later(rows: int) -> None:
    clock = Clock()
    pager = FakePager(clock, rows)
    values, after = await _sweep(clock, pager)
    assert values == [b"%d" % number for number in range(rows)]
    assert {sweep for _, _, sweep in pager.asked} == {"wh/stock/10000"}
    assert after == Cursor(connection="wh", what="stock", due_ms=70_000)


async def test_poll_when_rule_is_off_then_one_opening_sweep_and_no_other() -> None:
    clock = Clock()
    values, after = await _sweep(clock, FakePager(clock), "off")
    assert len(values) == 5
    assert after.due_ms == NEVER_MS


@pytest.mark.parametrize(("rule", "due_ms"), [("continuous", 70_000), ("0 3 * * *", 3 * 3_600_000)])
async def test_poll_when_rule_was_changed_then_a_list_that_waits_by_the_old_one_is_due_by_the_new_one(rule: str, due_ms: int) -> None:
    clock = Clock(10.0)
    pager, lane = FakePager(clock), MemoryLane(clock)
    agent = _agent(clock, pager, rule)
    await agent.run(lane, record_of(Cursor(connection="wh", what="stock", due_ms=NEVER_MS)))
    assert (pager.asked, lane.slept) == ([], [])
    assert _cursor_in(lane) == Cursor(connection="wh", what="stock", due_ms=due_ms)
    again = MemoryLane(clock)
    await agent.run(again, record_of(_cursor_in(lane)))
    assert again.slept == [due_ms / 1_000 - 10.0]


async def test_poll_when_a_page_wants_a_long_pause_then_the_rule_does_not_cut_it() -> None:
    clock = Clock(10.0)
    pager, lane = FakePager(clock), MemoryLane(clock)
    await _agent(clock, pager).run(lane, record_of(Cursor(connection="wh", what="stock", due_ms=500_000, sweep="s", position="2")))
    assert (lane.slept, pager.asked) == ([490.0], [(500.0, "2", "s")])


async def test_poll_when_page_is_read_then_its_elements_are_acknowledged_before_the_cursor() -> None:
    clock = Clock(20.0)
    lane = MemoryLane(clock)
    await _agent(clock, FakePager(clock)).run(lane, record_of(FIRST))
    assert [[emit.topic for emit in emits] for emits in lane.emits] == [["inbound.wh.v1"] * 2, ["poll.v1"]]


@pytest.mark.req("R-21")
async def test_poll_when_a_page_has_records_of_its_own_then_they_are_acknowledged_before_the_cursor() -> None:
    clock = Clock(20.0)
    lane = MemoryLane(clock)
    own = Emit(rank=Rank.FACT, topic="fact.stock.v1", key="a", value=b"")

    class Saying:
        every_s = 60.0

        async def page(self, cursor: Cursor) -> Page:
            return Page(elements=[], position=cursor.sweep, emits=(own,), pause_s=2.0)

    agent = poll_agent({("wh", "stock"): (Saying(), "off")}, also=("fact.stock.v1",), rng=Middle(), clock=clock)
    await agent.run(lane, record_of(FIRST))
    assert lane.emits[0] == (own,)
    assert _cursor_in(lane).due_ms == 22_000
    assert set(agent.outputs) == {"poll.v1", "inbound.wh.v1", "fact.stock.v1"}


async def test_poll_when_not_due_then_waits_and_a_newer_cursor_takes_its_place() -> None:
    clock = Clock()
    pager = FakePager(clock)
    lane = MemoryLane(clock, newer_at=4.0)
    await _agent(clock, pager).run(lane, record_of(FIRST))
    assert lane.slept == [10.0]
    assert (lane.emits, pager.asked) == ([], [])


async def test_poll_when_newer_cursor_comes_during_the_page_then_its_elements_count_but_only_one_chain_goes_on() -> None:
    clock = Clock(20.0)
    lane = MemoryLane(clock, newer_at=20.5)
    await _agent(clock, FakePager(clock, takes_s=1.0)).run(lane, record_of(FIRST))
    assert [[emit.topic for emit in emits] for emits in lane.emits] == [["inbound.wh.v1"] * 2]


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        (TransientError("away"), 0.25),
        (TransientError("429", retry_after_s=30), 30.0),
        (OperatorError("key revoked"), 45.0),
        (RefusedError("no such list", status=404), 0.25),
    ],
)
async def test_poll_when_page_fails_then_the_same_page_again_after_a_pause(error: StockwireError, pause_s: float) -> None:
    clock = Clock(20.0)
    pager, lane = FakePager(clock, 5, error), MemoryLane(clock)
    await _agent(clock, pager).run(lane, record_of(Cursor(connection="wh", what="stock", due_ms=1, sweep="s", position="2")))
    assert pager.asked == [(20.0, "2", "s"), (20.0 + pause_s, "2", "s")]
    assert [counted.labels for counted in lane.counts] == [("wh", type(error).__name__)]
    assert _cursor_in(lane).position == "4"


async def test_poll_when_newer_cursor_comes_in_trouble_then_gives_up_this_one() -> None:
    clock = Clock(20.0)
    lane = MemoryLane(clock, newer_at=21.0)
    await _agent(clock, FakePager(clock, 5, TransientError("429", retry_after_s=30))).run(lane, record_of(FIRST))
    assert (lane.emits, clock()) == ([], 21.0)


async def test_poll_when_list_is_not_configured_then_its_cursor_rests_until_someone_takes_over() -> None:
    clock = Clock()
    lane = MemoryLane(clock, abandoned_at=10_000.0)
    with pytest.raises(Abandoned):
        await _agent(clock, FakePager(clock)).run(lane, record_of(Cursor(connection="gone", what="stock", due_ms=1)))
    assert (lane.emits, lane.parked) == ([], [])
