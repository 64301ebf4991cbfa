"""Channels known by their seller id only: own moves are summed up once, and raises wait (seller mode)."""

import pytest

from models.config import StockConfig
from models.stock_row import Channel
from tests.unit.stock_desk import LAG_MS, SELLER, Desk, channel, one, warehouse


def desk_at_10(**changes: object) -> Desk:
    desk = Desk(one(orders_mode=False, **changes))
    desk.reading(10, 0, 0)
    return desk


def row_of(desk: Desk) -> Channel:
    assert desk.row is not None
    return desk.row.ch["c"]


@pytest.mark.req("T-36")
def test_own_move_then_its_channel_is_told_nothing_and_the_other_one_is() -> None:
    config = StockConfig(
        warehouses={"w": warehouse()},
        channels={"c": channel(orders_mode=False), "d": channel(orders_mode=False, sellers={"w": ("90100043",)})},
    )
    desk = Desk(config)
    desk.reading(10, 0, 0)
    decision = desk.moved(-3, 1, seller=SELLER)
    assert [emit.topic for emit in decision.emits] == ["level.d.v1"]
    assert desk.total("c") == 10
    assert desk.total("d") == 7


@pytest.mark.req("T-35", "T-37", "X-18")
@pytest.mark.parametrize("seller", [None, "90100099"])
def test_foreign_move_then_every_channel_is_told(seller: str | None) -> None:
    desk = desk_at_10()
    desk.moved(5, 1, seller=seller)
    assert desk.total() == 15


@pytest.mark.req("T-37")
def test_seller_id_when_two_channels_claim_it_then_nobodys() -> None:
    config = StockConfig(warehouses={"w": warehouse()}, channels={"c": channel(orders_mode=False), "d": channel(orders_mode=False)})
    desk = Desk(config)
    desk.reading(10, 0, 0)
    desk.moved(-3, 1, seller=SELLER)
    assert desk.total("c") == 7
    assert desk.total("d") == 7


@pytest.mark.req("T-37")
def test_seller_id_when_changed_then_the_old_one_stays_known() -> None:
    desk = desk_at_10(sellers={"w": (SELLER, "90100055")})
    desk.moved(-1, 1, seller=SELLER)
    desk.moved(-1, 2, seller="90100055")
    assert desk.total() == 10


def test_own_move_without_time_when_positive_then_counts_and_when_negative_not() -> None:
    desk = desk_at_10()
    desk.moved(+2, None, seller=SELLER, received=1_000)
    assert row_of(desk).counted == -2
    desk.moved(-2, None, seller=SELLER, received=1_000)
    assert row_of(desk).counted == -2


def test_own_move_without_time_when_repeated_under_its_id_then_counts_once() -> None:
    desk = desk_at_10()
    desk.moved(+2, None, name="e1", seller=SELLER, received=1_000)
    desk.reading(12, 2_000, 2_000)
    desk.moved(+2, None, name="e1", seller=SELLER, received=1_000)
    assert row_of(desk).counted == -2


def test_own_move_up_to_the_floor_when_unknown_then_only_a_positive_one_counts() -> None:
    desk = desk_at_10(cap=1)
    desk.moved(-1, 5, seller=SELLER)
    desk.moved(-1, 6, seller=SELLER)
    assert row_of(desk).floor_ms == 5_000
    desk.moved(-1, 5, seller=SELLER)
    assert row_of(desk).counted == 2
    desk.moved(+1, 5, seller=SELLER)
    assert row_of(desk).counted == 1


def test_ids_when_kept_long_enough_then_forgotten_and_the_floor_rises() -> None:
    desk = desk_at_10(keep_ms=60_000)
    desk.moved(-1, 1, seller=SELLER)
    desk.moved(-1, 5, seller=SELLER)
    desk.tick(62_000)
    assert [heard.stamp_ms for heard in row_of(desk).ids] == [5_000]
    assert row_of(desk).floor_ms == 1_000


def test_raise_by_a_move_then_told_at_once_and_by_a_reading_then_after_the_lag() -> None:
    desk = desk_at_10()
    desk.moved(+1, 1)
    assert desk.total() == 11
    desk.reading(15, 3_000, 3_000)
    assert desk.total() == 11
    desk.reading(13, 4_000, 4_000)
    assert desk.total() == 9
    desk.tick(3_000 + LAG_MS)
    assert desk.total() == 13


def test_holds_when_there_are_too_many_then_the_oldest_wait_together() -> None:
    desk = desk_at_10(cap=2)
    for step in range(1, 4):
        desk.reading(10 + step, 1_000 * step, 1_000 * step)
    assert [hold.due_ms for hold in row_of(desk).hold] == [2_000 + LAG_MS, 3_000 + LAG_MS]
    assert [int(hold.amount) for hold in row_of(desk).hold] == [2, 1]


def test_absolute_channel_then_neither_ids_nor_holds_are_kept() -> None:
    desk = desk_at_10(incremental=False)
    desk.moved(-1, 1, seller=SELLER)
    desk.reading(12, 3_000, 3_000)
    assert row_of(desk).ids == ()
    assert row_of(desk).hold == ()
    assert desk.level() == 12
