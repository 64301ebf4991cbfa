"""When a move happened and when a reading was true, on our clock: the four forms, and the source's clock behind them."""

from decimal import Decimal

import pytest

from agents.translate.clock import learn
from agents.translate.interval import Span, of_move, of_reading
from models.config import ClockSlack
from models.inbound import Inbound
from models.item_row import ClockRow
from models.observation import MoveSeen

SLACK = ClockSlack(resolution_ms=1_000, early_ms=100, late_ms=5_000, staleness_ms=3_000, skew_ms=10)
CLOCK = ClockRow(at=1, low_ms=-200, high_ms=300, answered_ms=0)
NOW = 1_000_000
HOUR_MS = 3_600_000


def move(*, stamp_ms: int | None = NOW - 20_000, id_: str | None = "e1") -> MoveSeen:
    return MoveSeen(item="9001", delta=Decimal(-3), id=id_, stamp_ms=stamp_ms, seller=None)


def answer(asked_ms: int, answered_ms: int, date_ms: int | None) -> Inbound:
    return Inbound(kind="reading", received_ms=answered_ms, asked_ms=asked_ms, answered_ms=answered_ms, date_ms=date_ms)


@pytest.mark.req("T-40")
def test_move_when_stamped_then_stamp_less_offset_with_all_slack() -> None:
    lo_ms = NOW - 20_000 - 300 - 5_000 - 10
    hi_ms = NOW - 20_000 + 200 + 999 + 100 + 10
    assert of_move(move(), NOW, CLOCK, SLACK) == Span(lo_ms, hi_ms)


def test_move_when_stamped_just_now_then_never_after_we_heard_of_it() -> None:
    assert of_move(move(stamp_ms=NOW - 100), NOW, CLOCK, SLACK).hi_ms == NOW


@pytest.mark.parametrize(("stamp_ms", "clock"), [(None, CLOCK), (NOW - 20_000, None)], ids=["masked time", "clock unknown"])
def test_move_when_no_time_is_known_then_any_moment_before_we_heard_of_it(stamp_ms: int | None, clock: ClockRow | None) -> None:
    assert of_move(move(stamp_ms=stamp_ms), NOW, clock, SLACK) == Span(None, NOW)


def test_move_when_no_id_then_its_beginning_is_open() -> None:
    assert of_move(move(id_=None), NOW, CLOCK, SLACK) == Span(None, NOW - 20_000 + 200 + 999 + 100 + 10)


def test_move_when_stamped_after_we_heard_of_it_then_the_stamp_is_not_believed() -> None:
    assert of_move(move(stamp_ms=NOW + HOUR_MS), NOW, CLOCK, SLACK) == Span(None, NOW)


def test_reading_when_answered_then_true_since_a_little_before_it_was_asked_for() -> None:
    assert of_reading(answer(NOW, NOW + 250, None), SLACK) == (NOW - 3_000, NOW + 250)
    assert of_reading(Inbound(kind="reading", received_ms=NOW), SLACK) == (NOW - 3_000, NOW)


def test_clock_when_answers_agree_then_their_brackets_are_intersected() -> None:
    first, _ = learn(None, answer(10_000, 10_200, 10_000), 1)
    assert first == ClockRow(at=1, low_ms=-200, high_ms=1_000, answered_ms=10_200)
    second, stepped = learn(first, answer(10_900, 11_000, 10_000), 2)
    assert (second, stepped) == (ClockRow(at=2, low_ms=-200, high_ms=100, answered_ms=11_000), False)


def test_clock_when_answers_grow_old_then_they_count_less() -> None:
    first, _ = learn(None, answer(10_000, 10_000, 10_000), 1)
    later, _ = learn(first, answer(1_010_000, 1_010_900, 1_010_500), 2)
    assert later == ClockRow(at=2, low_ms=-100, high_ms=1_100, answered_ms=1_010_900)


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_clock_when_the_source_steps_then_the_newest_answer_alone_counts(step_ms: int) -> None:
    first, _ = learn(None, answer(10_000, 10_200, 10_000), 1)
    second, stepped = learn(first, answer(20_000, 20_100, 20_000 + step_ms), 2)
    assert (second, stepped) == (ClockRow(at=2, low_ms=step_ms - 100, high_ms=step_ms + 1_000, answered_ms=20_100), True)


def test_clock_when_nothing_new_is_said_then_it_stays_the_same_row() -> None:
    first, _ = learn(None, answer(10_000, 10_200, 10_000), 1)
    assert learn(first, answer(10_000, 10_200, 10_000), 2) == (first, False)
    assert learn(first, answer(20_000, 20_200, None), 3) == (first, False)
    assert learn(first, answer(5_000, 5_200, 90_000), 4) == (first, False)
