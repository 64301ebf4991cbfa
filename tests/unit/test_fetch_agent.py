"""One read answers every hint of an item, not more often than once a second, with patience in trouble."""

import pytest

from agents.fetch.agent import fetch_agent
from agents.ports import Element
from models.agent import Abandoned, LaneAgent, Rank
from models.errors import OperatorError, PoisonError, RefusedError, StockwireError, TransientError
from models.hint import ReadItem
from models.inbound import Inbound
from tests.unit.lane_case import Clock, MemoryLane, Middle, record_of

HINT = record_of(ReadItem(connection="wh", item="42", why="unknown item"))


class FakeReader:
    """Fails with each of `errors` first; remembers when it was asked."""

    def __init__(self, clock: Clock, *errors: StockwireError) -> None:
        self._clock, self._errors = clock, list(errors)
        self.asked_s: list[float] = []

    async def read(self, item: str) -> list[Element]:
        self.asked_s.append(self._clock())
        if self._errors:
            raise self._errors.pop(0)
        return [Element(key=item, value=b"{}", inbound=Inbound(kind="reading", received_ms=5, asked_ms=3, answered_ms=5))]


def _agent(clock: Clock, reader: FakeReader) -> LaneAgent[None]:
    return fetch_agent("wh", reader, rng=Middle(), clock=clock)


async def test_fetch_when_hinted_then_element_goes_to_inbound_as_a_fact() -> None:
    clock = Clock()
    agent, lane = _agent(clock, FakeReader(clock)), MemoryLane(clock)
    await agent.run(lane, HINT)
    ((emit,),) = lane.emits
    assert (emit.rank, emit.topic, emit.key, emit.value) == (Rank.FACT, "inbound.wh.v1", "42", b"{}")
    assert Inbound.of(emit.headers).asked_ms == 3
    assert (agent.topic, agent.conflate, agent.table) == ("hint.wh.v1", True, None)
    assert lane.slept == []


async def test_fetch_when_hinted_again_then_reads_are_a_second_apart() -> None:
    clock = Clock()
    reader = FakeReader(clock)
    agent, lane = _agent(clock, reader), MemoryLane(clock)
    await agent.run(lane, HINT)
    clock.now_s = 0.25
    await agent.run(lane, HINT)
    await agent.run(lane, record_of(ReadItem(connection="wh", item="43", why="created")))
    assert reader.asked_s == [0.0, 1.0, 1.0]


async def test_fetch_when_a_newer_hint_comes_while_waiting_then_one_read_answers_both() -> None:
    clock = Clock()
    reader = FakeReader(clock)
    agent = _agent(clock, reader)
    await agent.run(MemoryLane(clock), HINT)
    overtaken = MemoryLane(clock, newer_at=0.5)
    await agent.run(overtaken, HINT)
    assert overtaken.emits == []
    await agent.run(MemoryLane(clock), HINT)
    assert reader.asked_s == [0.0, 1.0]


async def test_fetch_when_remote_has_trouble_then_waits_longer_each_time() -> None:
    clock = Clock()
    reader = FakeReader(clock, *(TransientError("503") for _ in range(6)))
    lane = MemoryLane(clock)
    await _agent(clock, reader).run(lane, HINT)
    assert lane.slept == [1.0, 1.0, 1.0, 2.0, 4.0, 8.0]
    assert [counted.labels for counted in lane.counts] == [("wh", "TransientError")] * 6
    assert len(lane.emits) == 1


async def test_fetch_when_remote_asks_to_wait_then_newer_hints_wait_as_long() -> None:
    clock = Clock()
    reader = FakeReader(clock, TransientError("429", retry_after_s=30))
    agent = _agent(clock, reader)
    await agent.run(MemoryLane(clock, newer_at=2.0), HINT)
    assert clock() == 2.0
    await agent.run(MemoryLane(clock), HINT)
    assert reader.asked_s == [0.0, 30.0]


async def test_fetch_when_connection_lets_us_in_no_more_then_asks_slowly() -> None:
    clock = Clock()
    lane = MemoryLane(clock)
    await _agent(clock, FakeReader(clock, OperatorError("key revoked"))).run(lane, HINT)
    assert lane.slept == [45.0]
    assert lane.parked == []


@pytest.mark.parametrize("error", [RefusedError("no", status=400), PoisonError("not JSON")])
async def test_fetch_when_refused_then_hint_is_parked_and_the_next_goes_on(error: StockwireError) -> None:
    clock = Clock()
    lane = MemoryLane(clock)
    agent = _agent(clock, FakeReader(clock, error))
    await agent.run(lane, HINT)
    assert [dead.error for dead in lane.parked] == [type(error).__name__]
    await agent.run(lane, HINT)
    assert len(lane.emits) == 1


async def test_fetch_when_partition_is_given_up_then_stops_waiting() -> None:
    clock = Clock()
    lane = MemoryLane(clock, abandoned_at=0.1)
    with pytest.raises(Abandoned):
        await _agent(clock, FakeReader(clock, TransientError("away"))).run(lane, HINT)
    assert lane.emits == []
