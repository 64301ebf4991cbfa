"""The sender: levels are registers, and a call that adds is repeated until its outcome is known."""

import asyncio
import random
from collections.abc import Awaitable, Coroutine, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, repeat
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.ports import Sink
from agents.send import decide, send_agent
from agents.send.decide import CallFor, Make, Overtaken, Settled, Trouble
from models.agent import Count, Dead, Emit, LaneAgent, Rank, Record
from models.codec import Decoder, encode
from models.errors import OperatorError, OutcomeUnknownError, RefusedError, TransientError
from models.facts import Told
from models.level import Level
from models.outcome import Done, Exchange, Refused, Superseded
from models.review import ChannelClosed
from models.sent_row import Call, SentRow
from models.topics import FACT_STOCK, outcome
from streams import metrics
from streams.http import Budget, HttpClient, Purpose
from streams.secret import Secret
from streams.systems.shop.settings import ShopSettings
from streams.systems.shop.simulator.shop import Shop
from streams.systems.shop.sink import ShopSink

ANSWERED = Exchange(method="POST", url="https://shop.example/hook", status=503)
SILENT = Exchange(method="POST", url="https://shop.example/hook", status=None)


def level(sequence: int, number: str, *, incremental: bool = True) -> Level:
    total = Decimal(number) if incremental else None
    return Level(connection="web", sku="TEA", sequence=sequence, level=Decimal(number), total=total)


def sink(mode: str) -> ShopSink:
    options = msgspec.convert(
        {"webhook_url": "https://shop.example/hook", "webhook_secret": "", "mode": mode}, ShopSettings, dec_hook=_secret
    )
    http = HttpClient(hosts=(), budget=Budget(per_second=1), purpose=Purpose.SEND)
    return ShopSink("web", options, http)


def _secret(_kind: type[Any], _value: object) -> Secret:
    return Secret("whsec_c3RhbmRhcmQtd2ViaG9va3MtZGVtby1rZXktMDAwMSE=")


ADDING, SETTING = sink("incremental"), sink("absolute")


# --- decisions ---


@pytest.mark.req("X-07")
@pytest.mark.parametrize(("sequence", "expected"), [(4, Overtaken), (5, Make), (6, Make)])
def test_next_step_then_only_strictly_older_levels_are_dropped(sequence: int, expected: type) -> None:
    row = SentRow(sequence=5)
    step = decide.next_step(row, level(sequence, "7", incremental=False), SETTING.call_for)
    assert isinstance(step, expected)


def test_next_step_when_a_call_is_in_flight_then_that_very_call_first() -> None:
    flight = Call(id="a", body=b"x", sequence=3, total=Decimal(3))
    row = SentRow(sequence=1, flight=flight)
    assert decide.next_step(row, level(9, "9"), ADDING.call_for) == Make(flight, saved=True)
    assert decide.next_step(row, level(1, "1"), ADDING.call_for) == Make(flight, saved=True)


def test_next_step_when_the_total_is_the_acknowledged_one_then_nothing_to_send() -> None:
    assert decide.next_step(SentRow(sequence=1, total=Decimal("2.50")), level(2, "2.5"), ADDING.call_for) == Settled()


def test_taken_then_the_newest_sequence_and_the_total_told() -> None:
    call = Call(id="a", body=b"x", sequence=3, total=Decimal(3))
    row = decide.in_flight(SentRow(at=10, sequence=1, total=Decimal(1)), call, at=9)
    assert decide.taken(row, call, at=9) == SentRow(at=10, sequence=3, total=Decimal(3))


def test_refused_then_the_difference_starts_from_what_was_taken_before() -> None:
    row = SentRow(at=1, sequence=1, total=Decimal(4), flight=Call(id="a", body=b"x", sequence=2, total=Decimal(9)))
    assert decide.refused(row, at=2) == SentRow(at=2, sequence=1, total=Decimal(4))


def test_backoff_then_full_jitter_below_a_doubling_ceiling_and_never_before_the_wish_of_the_host() -> None:
    trouble = Trouble()
    waits = []
    for _ in range(10):
        trouble = decide.after_failure(trouble, now_s=100.0, chance=1.0, retry_after_s=None, exchange=SILENT)
        waits.append(trouble.retry_s - 100.0)
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert decide.after_failure(Trouble(), now_s=100.0, chance=0.0, retry_after_s=None, exchange=SILENT).retry_s == 100.0
    assert decide.after_failure(Trouble(), now_s=100.0, chance=0.5, retry_after_s=30.0, exchange=ANSWERED).retry_s == 130.25


def test_patience_when_the_host_is_silent_then_without_end() -> None:
    trouble = Trouble()
    for hour in range(100):
        trouble = decide.after_failure(trouble, now_s=3_600.0 * hour, chance=0.5, retry_after_s=None, exchange=SILENT)
    assert not trouble.too_much
    trouble = decide.after_failure(trouble, now_s=3_600.0 * 99 + 60, chance=0.5, retry_after_s=None, exchange=ANSWERED)
    assert trouble.host_up_s == 60


def test_row_survives_kafka() -> None:
    row = SentRow(
        at=3, sequence=1, total=Decimal("100.50"), flight=Call(id="a", body=b'{"delta":0.125}', sequence=2, total=Decimal("100.625"))
    )
    assert msgspec.json.decode(encode(row), type=SentRow) == row
    assert b"100.50" in encode(row)


# --- the agent, on a lane without an engine ---


class CrashError(BaseException):
    """The process dies here."""


@dataclass
class FakeLane:
    """A lane whose every effect is acknowledged at once, until the fuse is burnt."""

    key: str = "TEA"
    row: SentRow | None = None
    newer: bool = False
    fuse: int = 1_000_000
    now_s: float = 0.0
    out: list[Emit] = field(default_factory=list)
    parked: list[tuple[Record, Dead, bytes]] = field(default_factory=list)
    saved: list[SentRow] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    counted: list[Count] = field(default_factory=list)
    door: list[Emit] = field(default_factory=list)
    """What is said of the connection itself, apart from the levels."""

    def burn(self) -> None:
        self.fuse -= 1
        if self.fuse == 0:
            raise CrashError

    async def save(self, row: SentRow) -> None:
        self.burn()
        assert self.row is None or row.at >= self.row.at
        self.row = row
        self.saved.append(row)
        self.burn()

    async def emit(self, *emits: Emit) -> None:
        self.burn()
        self.door.extend(emit for emit in emits if emit.topic == "review.v1")
        self.out.extend(sorted((emit for emit in emits if emit.topic != "review.v1"), key=lambda emit: emit.rank))
        self.burn()

    async def dead(self, record: Record, dead: Dead, exchange: bytes = b"") -> None:
        self.burn()
        self.parked.append((record, dead, exchange))

    def count(self, *counts: Count) -> None:
        self.counted.extend(counts)
        for counted in counts:
            metrics.count(counted)

    async def sleep(self, seconds: float, until: asyncio.Future[Any] | None = None) -> bool:  # noqa: ARG002  # nobody waits for any
        self.slept.append(seconds)
        if not self.newer:
            self.now_s += seconds
        return self.newer


@dataclass
class ScriptedSink:
    """Calls as the real shop's sink makes them; answers as the script says, then always good."""

    make: CallFor
    script: list[Exception | None] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def call_for(self, level: Level, acknowledged_total: Decimal) -> Call | None:
        return self.make(level, acknowledged_total)

    async def send(self, call: Call) -> Exchange:
        self.calls.append(call)
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        return msgspec.structs.replace(ANSWERED, status=200)


def run(work: Awaitable[None]) -> None:
    """Drive a coroutine that never really waits."""
    assert isinstance(work, Coroutine)
    with pytest.raises(StopIteration):
        work.send(None)


def agent_of(sink: Sink, lane: FakeLane) -> LaneAgent[SentRow]:
    return send_agent("web", sink, rng=random.Random(1), clock=lambda: lane.now_s)  # noqa: S311  # chance that can be repeated


def record(said: Level, offset: int) -> Record:
    return Record(
        topic="level.web.v1",
        partition=0,
        offset=offset,
        sequence=offset,
        time_ms=0,
        key=said.sku,
        value=encode(said),
        headers={},
        body=Decoder[Level](Level)(encode(said)),
    )


def outcomes(lane: FakeLane) -> list[Any]:
    return [emit.value for emit in lane.out if emit.topic == outcome("web")]


def facts(lane: FakeLane) -> list[Any]:
    return [emit.value for emit in lane.out if emit.topic == FACT_STOCK]


def test_agent_is_declared_as_the_design_says() -> None:
    agent = agent_of(ScriptedSink(ADDING.call_for), FakeLane())
    assert (agent.topic, agent.table, agent.conflate) == ("level.web.v1", "sent.web", True)
    assert agent.outputs == ("fact.stock.v1", "outcome.web.v1", "review.v1")


def test_run_when_taken_then_told_before_the_row_says_so() -> None:
    lane, remote = FakeLane(), ScriptedSink(ADDING.call_for)
    run(agent_of(remote, lane).run(lane, record(level(5, "3"), 0)))
    assert facts(lane) == [Told(connection="web", sku="TEA", sequence=5, value=Decimal(3))]
    assert [emit.rank for emit in lane.out] == [Rank.FACT, Rank.COMMAND]
    assert isinstance(outcomes(lane)[0], Done)
    assert [row.flight is not None for row in lane.saved] == [True, False]
    assert lane.row == SentRow(at=0, sequence=5, total=Decimal(3))


def test_run_when_crashed_before_the_row_then_told_and_taken_again_with_the_same_bytes() -> None:
    lane, remote = FakeLane(fuse=4), ScriptedSink(ADDING.call_for)
    with pytest.raises(CrashError):
        run(agent_of(remote, lane).run(lane, record(level(5, "3"), 0)))
    assert len(facts(lane)) == 1
    lane.fuse = 1_000
    run(agent_of(remote, lane).run(lane, record(level(5, "3"), 0)))
    assert remote.calls[0] == remote.calls[1]
    assert facts(lane)[0] == facts(lane)[1]


@pytest.mark.req("T-40")
def test_run_when_outcome_is_unknown_then_the_same_call_until_it_is_known_and_then_the_newest() -> None:
    lane = FakeLane()
    remote = ScriptedSink(ADDING.call_for, [OutcomeUnknownError("cut").after(SILENT), TransientError("busy").after(ANSWERED)])
    agent = agent_of(remote, lane)
    lane.newer = True
    run(agent.run(lane, record(level(1, "3"), 0)))
    assert outcomes(lane) == []
    assert agent.skip is not None
    run(agent.skip(lane, record(level(2, "9"), 1)))
    lane.newer = False
    run(agent.run(lane, record(level(3, "7"), 2)))
    assert [(call.sequence, b'"delta":' in call.body) for call in remote.calls] == [(1, True), (1, True), (1, True), (3, True)]
    assert len({call.body for call in remote.calls[:3]}) == 1
    assert b'"delta":4' in remote.calls[3].body
    assert [(type(said), said.sequence) for said in outcomes(lane)] == [(Superseded, 2), (Done, 1), (Done, 3)]
    assert outcomes(lane)[1].attempts == 3
    assert [fact.sequence for fact in facts(lane)] == [1, 3]


def test_run_when_absolute_and_newer_waits_then_the_older_is_let_go() -> None:
    lane = FakeLane(newer=True)
    remote = ScriptedSink(SETTING.call_for, [OutcomeUnknownError("cut").after(SILENT)])
    run(agent_of(remote, lane).run(lane, record(level(1, "3", incremental=False), 0)))
    assert [(type(said), said.sequence) for said in outcomes(lane)] == [(Superseded, 1)]
    assert lane.saved == []


@pytest.mark.req("X-17")
def test_run_when_refused_then_parked_with_its_exchange_and_the_next_level_heals() -> None:
    lane = FakeLane()
    remote = ScriptedSink(ADDING.call_for, [RefusedError("no such sku", status=422).after(ANSWERED)])
    agent = agent_of(remote, lane)
    run(agent.run(lane, record(level(1, "3"), 0)))
    ((parked, dead, exchange),) = lane.parked
    assert (parked.offset, dead.error, b'"status":503' in exchange) == (0, "RefusedError", True)
    assert [(type(said), said.sequence) for said in outcomes(lane)] == [(Refused, 1)]
    assert facts(lane) == []
    run(agent.run(lane, record(level(2, "5"), 1)))
    assert b'"delta":5' in remote.calls[1].body
    assert lane.row == SentRow(at=1, sequence=2, total=Decimal(5))


def test_run_when_an_older_call_in_flight_is_refused_then_the_level_at_hand_is_still_told() -> None:
    flight = ADDING.call_for(level(1, "3"), Decimal(0))
    lane = FakeLane(row=SentRow(at=0, flight=flight))
    remote = ScriptedSink(ADDING.call_for, [RefusedError("no", status=400).after(ANSWERED)])
    run(agent_of(remote, lane).run(lane, record(level(2, "5"), 1)))
    assert lane.parked == []
    assert [(type(said), said.sequence) for said in outcomes(lane)] == [(Refused, 1), (Done, 2)]
    assert lane.row == SentRow(at=1, sequence=2, total=Decimal(5))


def test_run_when_the_host_answers_trouble_for_long_then_parked_but_the_call_stays_in_flight() -> None:
    lane = FakeLane()
    remote = ScriptedSink(ADDING.call_for, [TransientError("busy", retry_after_s=300).after(ANSWERED) for _ in range(50)])
    agent = agent_of(remote, lane)
    run(agent.run(lane, record(level(1, "3"), 0)))
    assert 900 <= lane.now_s < 1_300
    assert len(lane.parked) == 1
    assert isinstance(outcomes(lane)[0], Refused)
    assert lane.row is not None
    assert lane.row.flight == remote.calls[0]
    remote.script.clear()
    run(agent.run(lane, record(level(2, "5"), 1)))
    assert [call.sequence for call in remote.calls[-2:]] == [1, 2]
    assert lane.row == SentRow(at=1, sequence=2, total=Decimal(5))


def test_run_when_the_host_is_down_for_days_then_it_goes_on_trying() -> None:
    lane = FakeLane()
    remote = ScriptedSink(ADDING.call_for, [TransientError("refused").after(SILENT) for _ in range(5_000)])
    run(agent_of(remote, lane).run(lane, record(level(1, "3"), 0)))
    assert lane.now_s > 86_400
    assert lane.parked == []
    assert isinstance(outcomes(lane)[0], Done)


def test_run_when_a_person_is_needed_then_slowly_on_without_parking() -> None:
    lane = FakeLane()
    remote = ScriptedSink(ADDING.call_for, [OperatorError("401").after(ANSWERED) for _ in range(100)])
    run(agent_of(remote, lane).run(lane, record(level(1, "3"), 0)))
    assert lane.parked == []
    assert all(30 <= wait_s <= 60 for wait_s in lane.slept)
    assert lane.counted.count(Count("channel_calls_failed_total", ("web", "OperatorError"))) == 100
    closed, mended = lane.door  # said once, taken back once
    assert (closed.key, type(closed.value)) == ("closed/web", ChannelClosed)
    assert (mended.key, mended.value) == ("closed/web", None)
    assert isinstance(outcomes(lane)[0], Done)


def test_run_when_interrupted_in_trouble_then_the_next_level_waits_as_long() -> None:
    lane = FakeLane(newer=True)
    remote = ScriptedSink(SETTING.call_for, [TransientError("busy", retry_after_s=40).after(ANSWERED)])
    agent = agent_of(remote, lane)
    run(agent.run(lane, record(level(1, "3", incremental=False), 0)))
    lane.newer = False
    run(agent.run(lane, record(level(2, "4", incremental=False), 1)))
    assert lane.slept[-1] >= 40
    assert [call.sequence for call in remote.calls] == [1, 2]


def test_run_when_the_level_cannot_be_told_then_parked() -> None:
    lane = FakeLane()
    run(agent_of(ScriptedSink(ADDING.call_for), lane).run(lane, record(level(1, "3", incremental=False), 0)))
    assert lane.parked[0][1].error == "PoisonError"
    assert isinstance(outcomes(lane)[0], Refused)


# --- register semantics, with crashes and unclear outcomes at every point ---


class LossySink:
    """The simulated shop behind a line that loses calls before and answers after they took effect.

    It may refuse a call, but never the repeat of one that it has taken: its ids or totals tell it, before anything else.
    """

    def __init__(self, lane: FakeLane, shop: Shop, weather: Iterator[str], taken: set[str], call_for: CallFor) -> None:
        self._lane = lane
        self._shop = shop
        self._weather = weather
        self._taken = taken
        self._call_for = call_for

    def call_for(self, level: Level, acknowledged_total: Decimal) -> Call | None:
        return self._call_for(level, acknowledged_total)

    async def send(self, call: Call) -> Exchange:
        self._lane.burn()
        weather = next(self._weather)
        if weather == "lost":
            raise OutcomeUnknownError("lost on the way").after(SILENT)
        if weather == "busy":
            raise TransientError("busy", retry_after_s=1.0).after(ANSWERED)
        if weather == "refused" and call.id not in self._taken:
            raise RefusedError("not now", status=422).after(ANSWERED)
        assert self._shop.take(call.id, call.body, now_s=0.0) == 200
        self._taken.add(call.id)
        self._lane.burn()
        if weather == "unheard":
            raise OutcomeUnknownError("answer lost").after(SILENT)
        return msgspec.structs.replace(ANSWERED, status=200)


WEATHER = st.lists(st.sampled_from(["fair", "lost", "unheard", "busy", "refused"]), max_size=6)
STEP = st.integers(-5, 5).filter(bool)


class Register(RuleBasedStateMachine):
    """One SKU of one shop: levels are said, records delivered, conflated, interrupted, repeated; the process dies anywhere."""

    mode = "incremental"
    memory = "ids"

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop(mode=self.mode, memory=self.memory, order_prefix="W-")  # type: ignore[arg-type]  # plain text in the subclasses
        self.sink = ADDING if self.mode == "incremental" else SETTING
        self.log: list[Level] = []
        self.done = 0
        self.lane = FakeLane()
        self.taken: set[str] = set()

    def started(self, weather: list[str]) -> LaneAgent[SentRow]:
        """A process that has just started, and the weather it will meet; after that it is fair."""
        line = chain(weather, repeat("fair"))
        return agent_of(LossySink(self.lane, self.shop, line, self.taken, self.sink.call_for), self.lane)

    @rule(step=STEP)
    def say(self, step: int) -> None:
        before = self.log[-1].level if self.log else Decimal(0)
        number = max(before + Decimal(step) / 8, Decimal(0)) if self.mode == "absolute" else before + Decimal(step) / 8
        self.log.append(level(10 * (len(self.log) + 1), str(number), incremental=self.mode == "incremental"))

    @precondition(lambda self: self.log)
    @rule()
    def say_again(self) -> None:
        self.log.append(self.log[-1])

    @precondition(lambda self: self.done < len(self.log))
    @rule(weather=WEATHER, fuse=st.integers(1, 25), skipped=st.integers(0, 3), interrupted=st.booleans())
    def deliver(self, weather: list[str], fuse: int, skipped: int, *, interrupted: bool) -> None:
        """Hand the next record over, or a later one after skipping; die when the fuse is burnt and start again from the row."""
        target = min(self.done + skipped, len(self.log) - 1)
        agent = self.started(weather)
        self.lane.fuse = fuse
        self.lane.newer = interrupted and target < len(self.log) - 1
        try:
            for offset in range(self.done, target):
                assert agent.skip is not None
                run(agent.skip(self.lane, record(self.log[offset], offset)))
            run(agent.run(self.lane, record(self.log[target], target)))
        except CrashError:
            return
        self.done = target + 1

    @precondition(lambda self: self.done)
    @rule(back=st.integers(1, 4))
    def commit_was_lost(self, back: int) -> None:
        self.done = max(0, self.done - back)

    @invariant()
    def shop_shows_a_number_that_was_said_and_not_an_older_one_than_we_know_it_has(self) -> None:
        shelf = self.shop.shelf("TEA")
        known = self.lane.row.sequence if self.lane.row else -1
        said = {said.level for said in self.log if said.sequence >= known} | ({Decimal(0)} if known < 0 else set())
        assert shelf.shown in said
        if self.mode == "incremental":
            assert shelf.shown == shelf.added

    @invariant()
    def told_facts_were_said(self) -> None:
        said = {(said.sequence, said.level) for said in self.log}
        assert {(fact.sequence, fact.value) for fact in facts(self.lane)} <= said

    def teardown(self) -> None:
        """In fair weather, once more from anywhere, the newest number arrives."""
        self.lane.fuse, self.lane.newer = 1_000_000, False
        agent = self.started([])
        for offset, said in enumerate(self.log[self.done :], self.done):
            run(agent.run(self.lane, record(said, offset)))
        if self.log:
            run(agent.run(self.lane, record(self.log[-1], len(self.log))))
            assert self.shop.shelf("TEA").shown == self.log[-1].level
            assert self.lane.row is not None
            assert self.lane.row.flight is None


class StoredTotal(Register):
    memory = "total"


class Absolute(Register):
    mode = "absolute"


BUDGET = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestAddOnlyShopDroppingIds = Register.TestCase
TestAddOnlyShopDroppingIds.settings = BUDGET
TestAddOnlyShopKeepingTotals = StoredTotal.TestCase
TestAddOnlyShopKeepingTotals.settings = BUDGET
TestShopToldLevels = Absolute.TestCase
TestShopToldLevels.settings = BUDGET
