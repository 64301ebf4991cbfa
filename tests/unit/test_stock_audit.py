"""Opening a channel and correcting the number it shows: proved quiet, once, by the difference (audit)."""

from decimal import Decimal

import pytest

from models.agent import Decision
from models.config import StockConfig
from tests.unit.stock_desk import LAG_MS, SELLER, Desk, channel, metrics, one, warehouse


def audited(**changes: object) -> Desk:
    """A channel that was told 10 and took it."""
    desk = Desk(one(orders_mode=False, audited=True, **changes))
    desk.reading(10, 0, 0)
    desk.taken()
    return desk


def result(decision: Decision) -> list[str]:
    return [labels[1] for labels, _ in metrics(decision).get("channel_audit_total", [])]


def test_number_when_right_then_agreed_and_nothing_is_remembered() -> None:
    desk = audited()
    before = desk.row
    assert result(desk.shown(10, 1_000)) == ["agreed"]
    assert desk.row == before


@pytest.mark.req("T-41")
@pytest.mark.parametrize("incremental", [True, False])
@pytest.mark.parametrize(("stock", "shown"), [("3.1239", "3.123"), ("3.125", "3.125"), ("0.0009", "0")])
def test_number_when_finer_than_a_channel_can_be_told_then_what_it_was_told_is_right(stock: str, shown: str, *, incremental: bool) -> None:
    desk = Desk(one(orders_mode=False, audited=True, incremental=incremental))
    desk.reading(stock, 0, 0)
    desk.taken()
    before = desk.row
    assert result(desk.shown(shown, 1_000)) == ["agreed"]
    assert desk.row == before


@pytest.mark.req("T-41")
def test_number_put_wrong_by_hand_when_seen_twice_and_read_then_corrected_by_the_difference() -> None:
    desk = audited()
    desk.shown(4, 1_000)
    desk.shown(4, 1_010 + LAG_MS)
    assert [hint.why for hint in desk.hints] == ["audit"]
    assert result(desk.reading(10, desk.now + 5, desk.now + 6)) == ["corrected"]
    assert desk.total() == 16


@pytest.mark.req("T-41")
def test_absolute_number_put_wrong_by_hand_then_told_again() -> None:
    desk = audited(incremental=False)
    first = desk.told["c"].sequence
    desk.shown(4, 1_000)
    desk.shown(4, 1_010 + LAG_MS)
    desk.reading(10, desk.now + 5, desk.now + 6)
    assert desk.told["c"].sequence > first
    assert desk.level() == 10


def test_second_look_when_too_soon_then_it_does_not_count() -> None:
    desk = audited()
    desk.shown(4, 1_000)
    desk.shown(4, 1_009 + LAG_MS)
    desk.tick(desk.now + 5)
    assert desk.hints == []


def test_second_look_when_another_number_then_it_is_a_first_look() -> None:
    desk = audited()
    desk.shown(4, 1_000)
    desk.shown(5, 1_010 + LAG_MS)
    desk.tick(desk.now + 5)
    assert desk.hints == []


def test_reading_when_asked_before_the_second_look_then_it_decides_nothing() -> None:
    desk = audited()
    desk.shown(4, 1_000)
    desk.shown(4, 1_010 + LAG_MS)
    desk.reading(10, 1_010 + LAG_MS, desk.now)
    assert desk.total() == 10


@pytest.mark.parametrize("what", ["move", "unclear", "hold"])
def test_audit_when_something_moves_then_given_up(what: str) -> None:
    desk = audited()
    desk.shown(4, 1_000)
    desk.shown(4, 1_010 + LAG_MS)
    decision = {
        "move": lambda: desk.moved(-1, 30),
        "unclear": lambda: desk.moved(+1, None, received=desk.now),
        "hold": lambda: desk.reading(12, desk.now + 5, desk.now + 6),
    }[what]()
    assert result(decision) == ["not_quiet"]
    total = desk.total()
    desk.reading(desk.low(), desk.now + 100, desk.now + 100)
    assert desk.total() <= total


def test_number_when_the_last_one_told_is_not_acknowledged_then_not_quiet() -> None:
    desk = audited()
    desk.moved(-1, 1)
    assert result(desk.shown(4, 3_000)) == ["not_quiet"]


def test_number_when_a_line_is_open_then_not_quiet() -> None:
    desk = Desk(one(audited=True))
    desk.reading(10, 0, 0)
    desk.taken()
    desk.placed("o0")
    assert result(desk.shown(9, 1_000)) == ["not_quiet"]


def test_lost_own_sale_in_seller_mode_then_healed_by_the_audit() -> None:
    desk = audited()
    desk.reading(9, 2_000, 2_000)  # the shop sold 1, its webhook never came
    desk.taken()
    assert desk.total() == 9
    desk.shown(8, 3_000)
    desk.shown(8, 3_010 + LAG_MS)
    desk.reading(9, desk.now + 5, desk.now + 6)
    assert desk.total() == 10


@pytest.mark.req("T-35")
def test_start_at_zero_then_filled_from_nothing() -> None:
    desk = Desk(one())
    desk.reading(10, 0, 0)
    assert desk.total() == 10


@pytest.mark.req("T-35")
def test_start_in_step_then_nothing_is_sent_before_something_changes() -> None:
    desk = Desk(one(starts_at="in_step", buffer=Decimal(2)))
    desk.moved(-1, None, received=50)
    desk.reading(10, 20, 100)
    assert "c" not in desk.told  # a move is in doubt
    desk.reading(10, 200, 300)
    assert desk.total() == 0
    desk.moved(-1, 5)
    assert desk.total() == -1


@pytest.mark.req("T-35")
def test_start_by_reading_then_the_first_total_is_the_difference() -> None:
    desk = Desk(one(orders_mode=False, starts_at="read"))
    desk.reading(10, 0, 0)
    assert desk.told == {}
    desk.shown(7, 1_000)
    desk.shown(7, 1_010 + LAG_MS)
    assert desk.told == {}
    desk.reading(10, desk.now + 5, desk.now + 6)
    assert desk.total() == 3
    desk.moved(-1, 30, seller=SELLER)
    assert desk.total() == 3


@pytest.mark.req("X-18")
def test_channel_of_two_places_then_both_must_be_read_after_the_second_look() -> None:
    config = StockConfig(
        warehouses={"a": warehouse("wh-a"), "b": warehouse("wh-b")},
        channels={"c": channel(places=("a", "b"), sellers={}, audited=True)},
    )
    desk = Desk(config)
    desk.reading(10, 0, 0, place="a")
    desk.reading(5, 0, 0, place="b")
    desk.taken()
    desk.shown(14, 1_000)
    desk.shown(14, 1_010 + LAG_MS)
    desk.reading(10, desk.now + 5, desk.now + 6, place="a")
    assert desk.total() == 15
    desk.reading(5, desk.now + 5, desk.now + 6, place="b")
    assert desk.total() == 16
