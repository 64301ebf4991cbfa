"""Order lines of a channel whose orders go through us: what each fact does, once, in whatever order (orders mode)."""

from decimal import Decimal

import pytest

from models.config import StockConfig
from models.stock_row import Closed, Line
from tests.unit.stock_desk import SELLER, Desk, channel, metrics, one, warehouse

KEEP_MS = 1_209_600_000


def desk_at_10(**changes: object) -> Desk:
    desk = Desk(one(**changes))
    desk.reading(10, 0, 0)
    return desk


def lines(desk: Desk) -> tuple[Line, ...]:
    assert desk.row is not None
    return desk.row.ch["c"].open


def tombs(desk: Desk) -> tuple[Closed, ...]:
    assert desk.row is not None
    return desk.row.ch["c"].done


@pytest.mark.req("T-38")
def test_sale_when_placed_then_level_falls_and_total_stays() -> None:
    desk = desk_at_10(incremental=False)
    desk.placed("o0", 3)
    assert desk.level() == 7
    incremental = desk_at_10()
    incremental.placed("o0", 3)
    assert incremental.total() == 10


@pytest.mark.req("T-36", "T-38")
def test_own_sale_when_its_event_comes_then_counted_once_for_it_and_once_for_the_others() -> None:
    config = StockConfig(
        warehouses={"w": warehouse()}, channels={"c": channel(incremental=False), "d": channel(incremental=False, sellers={})}
    )
    desk = Desk(config)
    desk.reading(10, 0, 0)
    desk.placed("o0", 3)
    desk.moved(-3, 1, seller=SELLER)
    assert desk.level("c") == 7
    assert desk.level("d") == 7


@pytest.mark.req("T-38")
@pytest.mark.parametrize("incremental", [True, False])
def test_own_move_when_its_line_is_open_then_the_number_does_not_even_dip(*, incremental: bool) -> None:
    desk = desk_at_10(incremental=incremental)
    desk.placed("o0")
    number = (desk.level(), desk.told["c"].total)
    assert desk.moved(-1, 1, seller=SELLER).emits == ()
    assert (desk.level(), desk.told["c"].total) == number


@pytest.mark.req("T-39")
def test_foreign_move_when_the_shop_sells_too_then_both_count() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.moved(-2, 1)
    shown = desk.total() - 1
    assert shown == 7


def test_placed_when_said_longer_ago_than_tombstones_are_kept_then_dead_letter() -> None:
    desk = desk_at_10()
    desk.tick(KEEP_MS + 10)
    decision = desk.placed("o0", said=9)
    assert [dead.error for dead in decision.dead] == ["PoisonError"]
    assert decision.row is None
    assert desk.placed("o1", said=10).dead == ()


def test_placed_when_known_and_old_then_nothing_happens() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.now = KEEP_MS + 10
    assert desk.placed("o0", said=0).dead == ()


def test_placed_when_its_tombstone_may_be_gone_for_lack_of_room_then_dead_letter() -> None:
    desk = desk_at_10(cap=1)
    for number in range(2):
        desk.placed(f"o{number}")
        desk.reserved(f"o{number}", 1_000 * number + 500)
        desk.reading(9 - number, 1_000 * number + 1_000, 1_000 * number + 1_000)
    assert [tomb.line for tomb in tombs(desk)] == ["o1"]
    decision = desk.placed("o0", said=0)
    assert [dead.error for dead in decision.dead] == ["PoisonError"]
    assert desk.total() == 10


@pytest.mark.parametrize("quantity", [0, -1])
def test_placed_when_nothing_is_sold_then_dead_letter(quantity: int) -> None:
    assert len(desk_at_10().placed("o0", quantity).dead) == 1


@pytest.mark.parametrize("config", [one(orders_mode=False), StockConfig()])
def test_placed_when_the_channel_is_not_in_orders_mode_then_dead_letter(config: StockConfig) -> None:
    decision = Desk(config).placed("o0")
    assert [dead.error for dead in decision.dead] == ["PoisonError"]
    assert decision.row is None


def test_reserved_when_shown_twice_then_the_earlier_answer_counts() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.reserved("o0", 2_000)
    desk.reserved("o0", 3_000)
    assert lines(desk)[0].by_ms == 2_000
    assert desk.reserved("other", 3_000).row is None


def test_counted_when_in_part_then_the_rest_stays_live() -> None:
    desk = desk_at_10(incremental=False)
    desk.placed("o0", 5)
    desk.counted("o0", 5, 2)
    line = lines(desk)[0]
    assert line.live == 2
    assert line.dead == 3
    assert desk.level() == 8


@pytest.mark.req("X-07")
def test_counted_when_repeated_then_taken_off_once() -> None:
    desk = desk_at_10()
    desk.placed("o0", 5)
    desk.counted("o0", 5, 2)
    before = desk.row
    desk.counted("o0", 5, 2)
    assert desk.row == before


def test_counted_when_the_line_is_closed_then_its_tombstone_is_lowered_once() -> None:
    desk = desk_at_10()
    desk.placed("o0", 5)
    desk.reserved("o0", 500)
    desk.reading(5, 1_000, 1_000)
    desk.counted("o0", 5, 2)
    desk.counted("o0", 5, 2)
    assert tombs(desk)[0].live == 2
    assert desk.total() == 7


def test_dropped_when_the_warehouse_refused_the_line_then_closed_and_the_number_is_as_before() -> None:
    desk = desk_at_10(incremental=False)
    desk.placed("o0", 5)
    desk.counted("o0", 5, 0)
    desk.dropped("o0")
    assert lines(desk) == ()
    assert [tomb.line for tomb in tombs(desk)] == ["o0"]
    assert desk.level() == 10
    assert desk.dropped("o0").row is None


def test_dropped_when_still_counted_as_sold_then_dead_letter() -> None:
    desk = desk_at_10()
    desk.placed("o0", 5)
    decision = desk.dropped("o0")
    assert [dead.error for dead in decision.dead] == ["PoisonError"]
    assert len(lines(desk)) == 1


@pytest.mark.req("X-18")
def test_line_when_it_moves_between_warehouses_then_sold_once() -> None:
    config = StockConfig(
        warehouses={"a": warehouse("wh-a"), "b": warehouse("wh-b")},
        channels={"c": channel(places=("a", "b"), sellers={})},
    )
    desk = Desk(config)
    desk.reading(10, 0, 0, place="a")
    desk.reading(10, 0, 0, place="b")
    desk.placed("o0@a", 2, place="a")
    desk.counted("o0@a", 2, 0)
    desk.placed("o0@b", 2, place="b")
    assert desk.total() == 20
    desk.moved(-2, 1, place="a")
    desk.moved(+2, 1, place="a")
    desk.reading(10, 3_000, 3_000, place="a")
    desk.reserved("o0@b", 3_500)
    desk.reading(8, 4_000, 4_000, place="b")
    assert desk.total() == 20
    assert desk.level() == 18


def test_covers_when_the_move_is_larger_than_the_lines_then_only_the_lines() -> None:
    desk = desk_at_10(incremental=False)
    desk.placed("o0", 2)
    decision = desk.moved(-3, 1, seller=SELLER)
    assert metrics(decision)["own_move_covers_total"] == [(("c", "part"), 1)]
    assert desk.place().moves[0].covers == 2
    assert desk.level() == 7


def test_line_when_closed_then_how_long_it_was_open_is_counted() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.reserved("o0", 1_500)
    decision = desk.reading(9, 2_000, 2_000)
    assert metrics(decision)["own_line_open_seconds"] == [(("c",), 2.0)]


@pytest.mark.req("X-12")
def test_quantities_when_fractional_then_exact() -> None:
    desk = desk_at_10(incremental=False)
    desk.reading("100.50", 1_000, 1_000)
    desk.placed("o0", "0.125")
    assert str(desk.level()) == "100.375"
    assert lines(desk)[0].live == Decimal("0.125")
