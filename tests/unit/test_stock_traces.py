"""Every counterexample of the fence's tables, in their order: a design that looked right got each of them wrong."""

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest

from models.agent import Decision, Record
from models.codec import encode
from models.config import StockConfig
from models.level import Level
from tests.unit.stock_desk import LAG_MS, SELLER, Desk, metrics, one

if TYPE_CHECKING:
    from collections.abc import Callable

KEEP_MS = 1_209_600_000


def desk_at_10(config: StockConfig | None = None) -> Desk:
    """A row whose warehouse was read as 10 at second 0."""
    desk = Desk(one() if config is None else config)
    desk.reading(10, 0, 0)
    return desk


def levels(decision: Decision) -> list[Level]:
    return [emit.value for emit in decision.emits if isinstance(emit.value, Level)]


def seller_mode(**changes: object) -> StockConfig:
    return one(orders_mode=False, **changes)


@pytest.mark.req("T-40", "T-43")
def test_s01_raise_that_touches_the_reading_when_it_comes_after_then_not_added_again() -> None:
    desk = Desk(one(incremental=False))
    desk.reading(12, 1_000, 1_000)
    desk.moved(+2, 1)
    assert desk.low() == 12
    assert desk.high() == 14
    assert desk.level() == 12


@pytest.mark.req("T-41")
def test_s02_reading_that_began_before_the_adopted_one_when_it_arrives_then_refused() -> None:
    desk = desk_at_10(one(incremental=False))
    desk.moved(-1, 1)
    desk.reading(9, 2_000, 2_000)
    decision = desk.reading(10, 1_000, 2_000)
    assert metrics(decision)["stock_readings_total"] == [(("wh", "older"), 1)]
    assert desk.level() == 9


@pytest.mark.req("T-36", "T-38", "T-40", "X-07")
@pytest.mark.parametrize("orders_mode", [True, False])
def test_s03_own_move_when_repeated_after_a_reading_has_it_then_total_stays(*, orders_mode: bool) -> None:
    desk = desk_at_10(one(orders_mode=orders_mode))
    if orders_mode:
        desk.placed("o0")
    desk.moved(-1, 1, name="sale", seller=SELLER)
    if orders_mode:
        desk.reserved("o0", 1_500)
    desk.reading(9, 2_000, 2_000)
    desk.moved(-1, 1, name="sale", seller=SELLER)
    assert desk.total() == 10


@pytest.mark.req("T-38", "T-40", "X-07")
def test_s04_own_move_when_late_and_twice_in_orders_mode_then_total_stays() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.reading(9, 2_000, 2_000)
    desk.moved(-1, 1, name="sale", seller=SELLER)
    desk.moved(-1, 1, name="sale", seller=SELLER)
    desk.reserved("o0", 1_500)
    assert desk.total() == 10


@pytest.mark.req("T-38", "T-40", "X-07")
def test_s04_own_move_when_late_and_twice_in_seller_mode_then_total_comes_back_after_the_lag() -> None:
    desk = desk_at_10(seller_mode())
    desk.reading(9, 2_000, 2_000)
    desk.moved(-1, 1, name="sale", seller=SELLER)
    desk.moved(-1, 1, name="sale", seller=SELLER)
    assert desk.total() == 9
    assert desk.row is not None
    assert desk.row.due == 2_000 + LAG_MS
    desk.tick(desk.row.due)
    assert desk.total() == 10


@pytest.mark.req("T-38", "T-41")
def test_s05_own_move_when_lost_then_a_reading_after_the_reservation_makes_it_right() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.reserved("o0", 1_500)
    desk.reading(9, 2_000, 2_000)
    assert desk.total() == 10


@pytest.mark.req("T-37", "T-38")
def test_s06_own_move_when_without_seller_then_seen_twice_only_until_read_again() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.moved(-1, 1)
    assert desk.total() == 9
    desk.reserved("o0", 1_500)
    assert [(hint.item, hint.why) for hint in desk.hints] == []
    desk.tick(1_501)
    assert [(hint.item, hint.why) for hint in desk.hints] == [("w-1", "open line")]
    desk.reading(9, 2_000, 2_000)
    assert desk.total() == 10


@pytest.mark.req("T-38", "T-40")
def test_s07_own_sale_cancelled_by_staff_when_both_late_in_orders_mode_then_counted_once() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.reading(10, 2_000, 2_000)
    desk.moved(-1, 1, seller=SELLER)
    desk.moved(+1, 2)
    desk.reserved("o0", 1_500)
    assert desk.total() == 11
    desk.reading(10, 4_000, 4_000)
    assert desk.total() == 11


@pytest.mark.req("T-38", "T-40")
def test_s07_own_sale_cancelled_by_staff_when_both_late_in_seller_mode_then_counted_once() -> None:
    desk = desk_at_10(seller_mode())
    desk.reading(10, 2_000, 2_000)
    desk.moved(-1, 1, seller=SELLER)
    desk.moved(+1, 2)
    assert desk.total() == 10
    desk.reading(10, 4_000, 4_000)
    desk.tick(desk.now + LAG_MS)
    assert desk.total() == 11


@pytest.mark.req("T-38")
def test_s08_answered_order_when_its_move_is_not_here_yet_then_still_subtracted() -> None:
    desk = desk_at_10(one(incremental=False))
    desk.placed("o0")
    desk.reserved("o0", 1_500)
    assert desk.level() == 9
    desk.moved(-1, 1, seller=SELLER)
    desk.reading(9, 3_000, 3_000)
    assert desk.level() == 9


@pytest.mark.req("T-38", "T-40")
def test_s09_order_in_a_reading_when_its_move_is_dropped_then_not_subtracted_twice() -> None:
    desk = desk_at_10(one(incremental=False))
    desk.placed("o0")
    desk.reading(9, 2_000, 2_000)
    desk.moved(-1, 1, seller=SELLER)
    desk.reserved("o0", 1_500)
    assert desk.level() == 9


@pytest.mark.req("T-39", "T-41", "T-42")
def test_s10_move_every_second_when_each_reading_holds_some_then_all_are_taken_and_memory_stays_small() -> None:
    desk = Desk(one(incremental=False))
    stock, taken, most = 1_000, 0, 0
    for second in range(1, 3_600):
        delta = -1 if second % 2 else +1
        stock += delta
        desk.moved(delta, second, now=second * 1_000 + 500)
        if second % 10 == 0:
            decision = desk.reading(stock, second * 1_000 - 1_500, second * 1_000 + 1_500)
            taken += metrics(decision)["stock_readings_total"][0][0][1] in {"clean", "unclear"}
            most = max(most, len(desk.place().moves))
    assert taken == 359
    assert most <= 15
    stock -= 7  # a webhook that never comes
    desk.reading(stock, 3_700_000, 3_700_000)
    assert desk.level() == stock


@pytest.mark.req("T-40")
def test_s11_raise_without_time_when_a_reading_has_it_then_waits_for_a_clean_reading() -> None:
    desk = desk_at_10(one(incremental=False))
    desk.reading(12, 2_000, 2_000)
    decision = desk.moved(+2, None, received=2_500)
    assert metrics(decision)["stock_moves_total"] == [(("wh", "no_time"), 1)]
    assert desk.level() == 12
    desk.tick(2_501)
    assert [hint.why for hint in desk.hints] == ["unclear move"]
    desk.reading(12, 2_600, 2_600)
    assert desk.high() == 12
    assert desk.level() == 12


@pytest.mark.req("T-38")
def test_s12_own_cancel_when_the_warehouse_refuses_it_then_taken_off_all_the_same() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.moved(-1, 1, seller=SELLER)
    desk.reserved("o0", 1_500)
    desk.reading(9, 2_000, 2_000)
    desk.counted("o0", 1, 0)
    assert desk.total() == 9


@pytest.mark.req("T-36", "T-38")
def test_s13_staff_shipment_under_the_channels_id_then_an_ordinary_move() -> None:
    desk = desk_at_10()
    desk.moved(-1, 1, seller=SELLER)
    assert desk.total() == 9


@pytest.mark.req("T-40", "X-07")
def test_s14_crash_between_row_and_command_when_replayed_then_the_same_words_again() -> None:
    desk = desk_at_10()
    desk.moved(-3, 1)
    first = desk.hand(desk.log[-1])
    again = desk.hand(desk.log[-1])
    assert desk.total() == 7
    assert [encode(level) for level in levels(first)] == [encode(desk.told["c"])]
    assert levels(again) == levels(first)
    assert again.row is None


@pytest.mark.req("T-40")
def test_s15_commands_when_only_the_newest_arrives_then_nothing_is_missing() -> None:
    desk = desk_at_10()
    emits = [emit for delta in (-1, -2, +5) for emit in desk.moved(delta, 5).emits]
    assert all(emit.conflate for emit in emits)
    assert isinstance(emits[-1].value, Level)
    assert emits[-1].value.total == 12


@pytest.mark.req("T-40")
def test_s16_source_clock_that_steps_back_then_readings_and_moves_go_on_by_our_clock() -> None:
    desk = desk_at_10(one(incremental=False))
    hour = 3_600_000
    desk.reading(10, 2 * hour, 2 * hour)
    decision = desk.moved(-1, 2 * 3_600 + 5)
    fact = desk.log[-1].body
    assert metrics(decision)["stock_moves_total"] == [(("wh", "later"), 1)]
    record = desk.record(msgspec.structs.replace(fact, id="stepped", stamp_ms=fact.stamp_ms - hour))
    assert metrics(desk.hand(record))["stock_moves_total"] == [(("wh", "later"), 1)]
    assert desk.level() == 8


@pytest.mark.req("T-40")
def test_s17_stamp_cut_to_the_second_when_the_reading_lies_inside_then_touching() -> None:
    desk = Desk(one(incremental=False))
    desk.reading(10, 1_200, 1_400)
    desk.moved(-1, 1)
    assert desk.level() == 9


@pytest.mark.req("T-41")
def test_s18_folded_row_when_a_reading_began_before_the_folded_move_then_refused() -> None:
    desk = desk_at_10(one(incremental=False, wh_cap=1))
    desk.moved(-1, 1)
    desk.moved(-2, 2)
    assert desk.place().folded
    assert desk.place().t1 == 1_999
    assert desk.low() == 7
    desk.reading(10, 500, 2_500)
    assert desk.low() == 7
    desk.reading(7, 2_000, 2_000)
    assert not desk.place().folded
    assert desk.low() == 5
    desk.reading(7, 3_000, 3_000)
    assert desk.level() == 7


@pytest.mark.req("T-38")
def test_s19_move_of_a_cancelled_line_then_it_does_not_cover_the_next_line() -> None:
    desk = desk_at_10(one(incremental=False))
    desk.placed("o0")
    desk.moved(-1, 1, seller=SELLER)
    desk.counted("o0", 1, 0)
    assert desk.level() == 9
    desk.placed("o1")
    assert desk.level() == 8


@pytest.mark.req("T-38")
def test_s20_move_under_the_channels_id_when_the_sale_comes_later_then_covers_nothing() -> None:
    desk = desk_at_10(one(incremental=False))
    desk.moved(-1, 1, seller=SELLER)
    desk.placed("o0")
    assert desk.level() == 8


@pytest.mark.req("T-38")
def test_s21_line_answered_in_the_moment_a_reading_began_then_still_open() -> None:
    desk = desk_at_10(one(incremental=False))
    desk.placed("o0")
    desk.reserved("o0", 1_000)
    desk.reading(10, 1_000, 1_000)
    assert desk.level() == 9
    desk.reading(9, 1_001, 1_001)
    assert desk.row is not None
    assert desk.row.ch["c"].open == ()
    assert desk.level() == 9


@pytest.mark.req("X-07")
def test_s22_closed_line_when_placed_again_then_nothing_changes() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.reserved("o0", 1_500)
    desk.reading(9, 2_000, 2_000)
    before = desk.row
    desk.placed("o0", said=0)
    assert desk.row == before
    assert desk.total() == 10


@pytest.mark.req("T-38", "T-40")
def test_s23_own_cancellation_in_a_reading_before_its_webhook_then_the_raise_waits() -> None:
    desk = desk_at_10(seller_mode())
    desk.moved(-1, 1, seller=SELLER)
    desk.reading(9, 2_000, 2_000)
    desk.reading(10, 4_000, 4_000)
    assert desk.total() == 10
    desk.moved(+1, 3, seller=SELLER)
    desk.tick(4_000 + LAG_MS)
    assert desk.total() == 10


@pytest.mark.req("T-38", "T-40")
def test_s23_late_own_sale_then_its_late_cancellation_then_both_raises_wait() -> None:
    desk = desk_at_10(seller_mode())
    desk.reading(10, 3_000, 3_000)
    desk.moved(-1, 1, seller=SELLER)
    assert desk.total() == 10
    desk.moved(+1, 2, seller=SELLER)
    assert desk.total() == 9
    desk.tick(3_000 + LAG_MS)
    assert desk.total() == 10


@pytest.mark.req("X-07")
def test_s24_buffer_changed_between_crash_and_replay_then_told_word_for_word_and_new_by_its_own_record() -> None:
    desk = desk_at_10(one(incremental=False, buffer=Decimal(2)))
    said = desk.told["c"]
    desk.config = one(incremental=False, buffer=Decimal(3))
    again = desk.hand(desk.log[-1])
    assert [encode(level) for level in levels(again)] == [encode(said)]
    desk.configure(desk.config)
    assert desk.level() == 7
    assert desk.told["c"].sequence > said.sequence


@pytest.mark.req("T-40")
def test_s25_item_that_is_gone_and_comes_back_then_the_total_goes_on() -> None:
    desk = desk_at_10()
    desk.placed("o0", 4)
    desk.reserved("o0", 1_500)
    desk.reading(6, 2_000, 2_000)
    assert desk.total() == 10
    desk.reading(0, 3_000, 3_000)
    assert desk.total() == 4
    desk.configure(StockConfig())
    assert desk.row is not None
    assert desk.row.wh == {}
    desk.configure(one())
    desk.reading(6, 5_000, 5_000)
    assert desk.total() == 10


@pytest.mark.req("T-40")
def test_s26_own_move_repeated_after_its_id_was_forgotten_then_told_apart_by_the_source_stamp() -> None:
    desk = desk_at_10(seller_mode(cap=1))
    desk.moved(-1, 1, name="sale", seller=SELLER, received=1_100)
    desk.moved(-1, 2, seller=SELLER)
    assert desk.row is not None
    assert desk.row.ch["c"].floor_ms == 1_000
    desk.reading(8, 4_000, 4_000)
    desk.moved(-1, 1, name="sale", seller=SELLER)
    desk.tick(4_000 + LAG_MS)
    assert desk.row.ch["c"].counted == 2
    assert desk.total() == 10


@pytest.mark.req("T-38")
def test_s27_cancel_of_a_line_whose_tombstone_is_gone_then_taken_off_once() -> None:
    desk = desk_at_10()
    desk.placed("o0")
    desk.reserved("o0", 1_500)
    desk.reading(9, 2_000, 2_000)
    desk.tick(2_001 + KEEP_MS)
    assert desk.row is not None
    assert desk.row.ch["c"].done == ()
    desk.counted("o0", 1, 0)
    desk.counted("o0", 1, 0)
    assert desk.total() == 9


@pytest.mark.req("X-07")
def test_s6_when_any_tail_is_repeated_then_same_row_and_same_numbers() -> None:
    desk = desk_at_10()
    steps: tuple[Callable[[], Decision], ...] = (
        lambda: desk.placed("o0"),
        lambda: desk.moved(-1, 1, seller=SELLER),
        lambda: desk.reserved("o0", 1_500),
        lambda: desk.moved(-2, 2),
        lambda: desk.reading(7, 2_000, 3_000),
        lambda: desk.counted("o0", 1, 0),
        lambda: desk.reading(7, 5_000, 5_000),
    )
    for step in steps:
        step()
    end, said = desk.row, desk.told["c"]
    log: list[Record] = list(desk.log)
    for back in range(1, len(log)):
        for record in log[-back:]:
            desk.hand(record)
        assert desk.row == end
        assert encode(desk.told["c"]) == encode(said)
