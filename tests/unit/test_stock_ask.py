"""When a reading is asked for: after what is in doubt, once, again with back-off, and no more when all is clear (W4)."""

from itertools import pairwise

import pytest

from models.config import ClockSlack, StockConfig
from tests.unit.stock_desk import SELLER, Desk, channel, metrics, one, warehouse

SLACK = ClockSlack(staleness_ms=5_000)


def slow() -> Desk:
    desk = Desk(StockConfig(warehouses={"w": warehouse(clock=SLACK)}, channels={"c": channel(incremental=False)}))
    desk.reading(10, 0, 0)
    return desk


def test_unclear_move_then_asked_after_its_latest_moment_and_the_staleness() -> None:
    desk = slow()
    desk.moved(-1, None, received=1_000, now=1_000)
    assert desk.row is not None
    assert desk.row.due == 6_001
    assert desk.hints == []
    desk.tick(6_001)
    assert [(hint.connection, hint.item, hint.sku) for hint in desk.hints] == [("wh", "w-1", "S-1")]


def test_another_unclear_move_before_the_question_then_it_waits_for_that_too() -> None:
    desk = slow()
    desk.moved(-1, None, received=1_000, now=1_000)
    desk.moved(-1, None, received=3_000, now=3_000)
    assert desk.row is not None
    assert desk.row.due == 8_001


def test_unclear_moves_without_end_then_asked_within_the_longest_back_off_all_the_same() -> None:
    desk = slow()
    for second in range(1, 70):
        desk.moved(-1, None, received=second * 1_000, now=second * 1_000)
    assert len(desk.hints) >= 1


def test_question_when_not_answered_then_again_after_1_2_4_up_to_60_seconds() -> None:
    desk = slow()
    desk.moved(-1, None, received=1_000, now=1_000)
    times = []
    for _ in range(9):
        assert desk.row is not None
        assert desk.row.due is not None
        times.append(desk.row.due)
        desk.tick(desk.row.due)
    assert [later - earlier for earlier, later in pairwise(times)] == [
        1_000,
        2_000,
        4_000,
        8_000,
        16_000,
        32_000,
        60_000,
        60_000,
    ]
    assert len(desk.hints) == 9


def test_reading_when_clean_then_nothing_is_asked_any_more() -> None:
    desk = slow()
    desk.moved(-1, None, received=1_000, now=1_000)
    desk.tick(6_001)
    decision = desk.reading(9, 1_002, 6_100)
    assert desk.row is not None
    assert desk.row.due is None
    assert metrics(decision)["stock_unclear_seconds"] == [(("wh",), 5.1)]


def test_reading_when_unclear_again_then_the_back_off_goes_on() -> None:
    desk = slow()
    desk.moved(-1, None, received=1_000, now=1_000)
    desk.tick(6_001)
    desk.moved(-1, None, received=6_050, now=6_050)
    desk.reading(9, 1_002, 6_100)
    ask = desk.place().ask
    assert ask is not None
    assert (ask.tries, ask.due_ms) == (1, 11_051)


def test_move_when_there_is_no_base_then_asked_at_once() -> None:
    desk = Desk(one())
    desk.moved(-1, 1)
    assert [(hint.item, hint.why) for hint in desk.hints] == [("w-1", "never read")]
    assert "c" not in desk.told


def test_folded_row_then_asked_after_the_folded_move() -> None:
    desk = Desk(one(wh_cap=1))
    desk.reading(10, 0, 0)
    desk.moved(+1, 1)
    desk.moved(+1, 5)
    desk.tick(2_000)
    assert [hint.why for hint in desk.hints] == ["moves forgotten"]


def test_moves_before_the_first_reading_when_there_is_no_room_then_that_reading_must_begin_after_the_forgotten() -> None:
    desk = Desk(one(incremental=False, wh_cap=1))
    desk.moved(-1, 1)
    desk.moved(-2, 2)
    desk.reading(10, 1_500, 3_000)
    assert desk.place().base is None
    desk.reading(7, 4_000, 4_000)
    assert desk.level() == 7


def test_line_when_covered_by_its_move_then_nothing_is_asked() -> None:
    desk = Desk(one())
    desk.reading(10, 0, 0)
    desk.placed("o0")
    desk.moved(-1, 1, seller=SELLER)
    desk.reserved("o0", 1_500)
    assert desk.place().ask is None


def test_line_when_its_place_was_never_heard_of_then_there_is_nothing_to_ask() -> None:
    desk = Desk(one())
    desk.placed("o0")
    desk.reserved("o0", 1_500)
    assert desk.row is not None
    assert desk.row.due is None
    assert desk.hints == []


@pytest.mark.req("X-18")
def test_two_places_then_each_is_asked_at_its_own_connection() -> None:
    config = StockConfig(
        warehouses={"a": warehouse("wh-a"), "b": warehouse("wh-b")}, channels={"c": channel(places=("a", "b"), sellers={})}
    )
    desk = Desk(config)
    topics = [emit.topic for place in ("a", "b") for emit in desk.moved(-1, 1, place=place).emits]
    assert topics == ["hint.wh-a.v1", "hint.wh-b.v1"]
