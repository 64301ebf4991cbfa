"""Each rule of the fence is needed: with any one of them wrong a saved example fails, and none fails as the rules are."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from agents.stock.decide import decide
from agents.translate import interval as translate
from models.config import ClockSlack
from models.item_row import ClockRow
from models.observation import MoveSeen
from tests.property.budgets import EVERY_TIME
from tests.property.driver import ViolationError
from tests.property.machines import OrdersMachine
from tests.property.mutants import HARMLESS, MUTANTS, Mutant
from tests.property.play import Play
from tests.property.saved_examples import EXAMPLES, Example
from tests.property.world import Clock, Interval, stamped_interval

pytestmark = pytest.mark.req("T-38", "T-39", "T-40", "X-07")

NO_RESOLUTION = "no resolution"


def by_name(example: Example) -> str:
    return re.sub(r"\W+", "_", example.name)


def play(example: Example, interval: Interval = stamped_interval) -> None:
    run = Play(example.setup, decide, interval)
    for step in example.steps:
        run.do(*step)
    run.finish()


def translated(stamp_ms: int, ahead_ms: int, received_ms: int, clock: Clock) -> tuple[int, int]:
    """The interval as the translate step works it out."""
    move = MoveSeen("item", Decimal(1), "1", stamp_ms, None)
    slack = ClockSlack(
        resolution_ms=clock.resolution_ms,
        early_ms=clock.early_ms,
        late_ms=clock.late_ms,
        staleness_ms=clock.staleness_ms,
        skew_ms=clock.skew_ms,
    )
    span = translate.of_move(move, received_ms, ClockRow(at=0, low_ms=ahead_ms, high_ms=ahead_ms, answered_ms=0), slack)
    assert span.lo_ms is not None
    return span.lo_ms, span.hi_ms


def without_resolution(of: Interval) -> Interval:
    return lambda stamp_ms, ahead_ms, received_ms, clock: of(stamp_ms, ahead_ms, received_ms, replace(clock, resolution_ms=1))


KILLS = [
    pytest.param(mutant, example, id=f"{mutant.name}-{by_name(example)}")
    for mutant in MUTANTS
    for example in EXAMPLES
    if mutant.name in example.kills
]
INTERVALS = pytest.mark.parametrize("interval", [stamped_interval, translated], ids=["as_written", "translated"])


@INTERVALS
@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_example_when_rules_are_right_then_every_promise_holds(example: Example, interval: Interval) -> None:
    play(example, interval)


@pytest.mark.parametrize(("mutant", "example"), KILLS)
def test_mutant_when_its_example_is_played_then_a_promise_breaks(mutant: Mutant, example: Example) -> None:
    with mutant.applied(), pytest.raises(ViolationError, match=example.kills[mutant.name]):
        play(example)


@INTERVALS
@pytest.mark.parametrize("example", [example for example in EXAMPLES if NO_RESOLUTION in example.kills], ids=by_name)
def test_mutant_when_a_stamp_is_taken_as_exact_then_a_promise_breaks(example: Example, interval: Interval) -> None:
    with pytest.raises(ViolationError, match=example.kills[NO_RESOLUTION]):
        play(example, without_resolution(interval))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_when_any_then_some_example_kills_it(mutant: Mutant) -> None:
    assert any(mutant.name in example.kills for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=by_name)
def test_no_covers_when_an_example_is_played_then_every_promise_holds(example: Example) -> None:
    with HARMLESS.applied():
        play(example)


def test_no_covers_when_anything_happens_then_every_promise_holds() -> None:
    with HARMLESS.applied():
        run_state_machine_as_test(OrdersMachine, settings=settings(EVERY_TIME, max_examples=200))
