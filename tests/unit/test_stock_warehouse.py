"""Moves are intervals, readings are brackets: where one ends and the other begins (W1 to W5)."""

from decimal import Decimal

import pytest

from agents.stock.warehouse import value_of
from models.stock_row import Move, Place
from tests.unit.stock_desk import Desk, metrics, one


def desk_with_reading(t0: int, t1: int, cap: int = 60) -> Desk:
    desk = Desk(one(incremental=False, wh_cap=cap))
    desk.reading(10, t0, t1)
    return desk


@pytest.mark.req("T-35", "T-40")
@pytest.mark.parametrize(
    ("t0", "t1", "verdict", "low", "high"),
    [
        (2_000, 3_000, "late", 10, 10),  # the move is at 1000 .. 1999
        (1_999, 3_000, "unclear", 7, 10),
        (500, 1_000, "unclear", 7, 10),
        (500, 999, "later", 7, 7),
    ],
)
def test_lowering_when_it_meets_the_bracket_then_touching_is_unclear(t0: int, t1: int, verdict: str, low: int, high: int) -> None:
    desk = desk_with_reading(t0, t1)
    decision = desk.moved(-3, 1)
    assert metrics(decision)["stock_moves_total"] == [(("wh", verdict), 1)]
    assert desk.low() == low
    assert desk.high() == high


@pytest.mark.req("T-35")
def test_unclear_raise_then_in_high_only() -> None:
    desk = desk_with_reading(1_500, 1_600)
    desk.moved(+3, 1)
    assert desk.low() == 10
    assert desk.high() == 13


def test_reading_then_moves_it_may_not_have_are_kept_and_read_again_by_its_bracket() -> None:
    desk = desk_with_reading(0, 0)
    for second in (1, 3, 5):
        desk.moved(-1, second, name=f"e{second}")
    desk.reading(9, 2_000, 4_000)
    assert [move.id for move in desk.place().moves] == ["e3", "e5"]
    assert desk.low() == 7
    assert desk.high() == 8


def test_reading_when_it_began_as_the_old_one_did_then_refused() -> None:
    desk = desk_with_reading(2_000, 2_000)
    desk.reading(99, 2_000, 2_500)
    assert desk.low() == 10


def test_moves_when_out_of_order_then_remembered_by_their_latest_moment() -> None:
    desk = desk_with_reading(0, 0)
    for second in (5, 2, 9, 3):
        desk.moved(-1, second, name=f"e{second}")
    assert [move.id for move in desk.place().moves] == ["e2", "e3", "e5", "e9"]


@pytest.mark.parametrize(("delta", "low"), [(-1, 9), (+1, 10)])
def test_room_when_the_oldest_is_unclear_then_forgotten_on_the_low_side(delta: int, low: int) -> None:
    desk = desk_with_reading(1_200, 1_400, cap=1)
    desk.moved(delta, 1)
    decision = desk.moved(-0, 3)
    assert metrics(decision)["stock_row_folded_total"] == [(("wh",), 1)]
    assert desk.place().base == low
    assert desk.place().t1 == 1_999


def test_room_when_the_oldest_is_surely_later_then_kept_in_the_base() -> None:
    desk = desk_with_reading(0, 0, cap=1)
    desk.moved(+4, 1)
    desk.moved(-1, 3)
    assert desk.place().base == 14
    assert desk.low() == 13


@pytest.mark.req("T-43", "X-12")
def test_value_when_quantities_have_decimals_then_exact() -> None:
    place = Place(base=Decimal("100.50"), moves=(Move("e1", 5, 6, Decimal("-0.125")),))
    value = value_of(place)
    assert value is not None
    assert str(value.low) == "100.375"
    assert str(value.high) == "100.375"
