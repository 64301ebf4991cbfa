"""Readings that are too far off wait for a second one or a person, and a full reading with too many of them stops (K5)."""

from decimal import Decimal

import pytest

from models.config import StockConfig
from models.facts import CorrectionAccepted, StockCounted
from models.review import SweepStopped
from tests.unit.stock_desk import Desk, channel, metrics, warehouse


def limited(held_max: int = 20) -> StockConfig:
    place = warehouse(correction_limit=Decimal(5), held_max=held_max)
    return StockConfig(warehouses={"w": place}, channels={"c": channel(incremental=False)})


def desk_at_10(held_max: int = 20) -> Desk:
    desk = Desk(limited(held_max))
    desk.reading(10, 0, 0)
    return desk


@pytest.mark.req("T-41")
def test_reading_when_too_far_off_then_neither_value_nor_fence_is_taken() -> None:
    desk = desk_at_10()
    decision = desk.reading(100, 2_000, 2_000)
    assert metrics(decision)["stock_readings_total"] == [(("wh", "held"), 1)]
    assert desk.place().t0 == 0
    assert desk.level() == 10


def test_reading_when_within_the_limit_then_taken_and_the_held_one_forgotten() -> None:
    desk = desk_at_10()
    desk.reading(100, 2_000, 2_000)
    desk.reading(15, 3_000, 3_000)
    assert desk.place().held is None
    assert desk.level() == 15


def test_second_reading_when_it_agrees_then_taken() -> None:
    desk = desk_at_10()
    desk.reading(100, 2_000, 2_000)
    desk.reading(98, 3_000, 3_000)
    assert desk.place().held is None
    assert desk.level() == 98


def test_second_reading_when_it_is_the_first_again_then_still_held() -> None:
    desk = desk_at_10()
    desk.reading(100, 2_000, 2_000)
    desk.reading(100, 2_000, 2_000)
    assert desk.level() == 10


def test_second_reading_when_it_disagrees_with_both_then_held_instead() -> None:
    desk = desk_at_10()
    desk.reading(100, 2_000, 2_000)
    desk.reading(50, 3_000, 3_000)
    assert desk.level() == 10
    desk.reading(50, 4_000, 4_000)
    assert desk.level() == 50


def test_second_reading_when_moves_came_in_between_then_they_are_allowed_for() -> None:
    desk = desk_at_10()
    desk.reading(100, 2_000, 2_000)
    desk.moved(-40, 3)
    assert desk.level() == -30
    desk.reading(60, 5_000, 5_000)
    assert desk.level() == 60


def test_large_move_when_the_reading_confirms_it_then_nothing_is_held() -> None:
    desk = desk_at_10()
    desk.moved(+90, 1)
    desk.reading(100, 3_000, 3_000)
    assert desk.level() == 100


def test_first_reading_when_there_is_no_base_then_never_held() -> None:
    desk = Desk(limited())
    desk.reading(1_000, 0, 0)
    assert desk.level() == 1_000


@pytest.mark.parametrize("place", [None, "w"])
def test_person_when_accepting_then_the_held_reading_is_taken(place: str | None) -> None:
    desk = desk_at_10()
    desk.reading(100, 2_000, 2_000)
    desk.say(CorrectionAccepted(sku="S-1", place=place))
    assert desk.place().t0 == 2_000
    assert desk.level() == 100


def test_person_when_accepting_for_another_place_or_nothing_then_nothing_changes() -> None:
    desk = desk_at_10()
    assert desk.say(CorrectionAccepted(sku="S-1")).row is None
    desk.reading(100, 2_000, 2_000)
    assert desk.say(CorrectionAccepted(sku="S-1", place="other")).row is None


def test_sweep_when_too_many_readings_are_held_then_it_stops_and_calls_a_person() -> None:
    held = [desk_at_10(held_max=2) for _ in range(3)]
    last = desk_at_10(held_max=2)
    shared: dict[str, object] = {}
    reviews = []
    for number, desk in enumerate([*held, last]):
        desk.sequence = 1_000 * (number + 1)
        desk.shared = shared
        decision = desk.reading(100 if number < 3 else 12, 2_000, 2_000, sweep="sweep-7")
        reviews += [emit for emit in decision.emits if isinstance(emit.value, SweepStopped)]
        shared = desk.shared
    assert [(review.topic, review.key) for review in reviews] == [("review.v1", "sweep/w/sweep-7")]
    assert isinstance(reviews[0].value, SweepStopped)
    assert reviews[0].value.held == 3
    assert last.level() == 10
    last.reading(12, 3_000, 3_000, sweep="sweep-8")
    assert last.level() == 12


def test_stopped_sweep_when_a_record_before_the_stop_is_replayed_then_decided_as_before() -> None:
    early, late = desk_at_10(held_max=0), desk_at_10(held_max=0)
    early.sequence = 500
    record = early.record(_fact_of(early, 12))
    late.sequence = 600
    late.reading(100, 2_000, 2_000, sweep="s")
    early.shared = late.shared
    early.hand(record)
    assert early.level() == 12


def test_held_reading_when_its_record_is_replayed_then_counted_once() -> None:
    desk = desk_at_10(held_max=5)
    before = desk.row
    desk.reading(100, 2_000, 2_000, sweep="s")
    counted = desk.shared
    desk.row = before  # the row was lost, the shared row was written
    desk.hand(desk.log[-1])
    assert desk.shared == counted


def _fact_of(desk: Desk, value: int) -> StockCounted:
    scratch = Desk(desk.config)
    scratch.reading(value, 2_000, 2_000, sweep="s")
    fact: StockCounted = scratch.log[-1].body
    return fact


def test_person_when_accepting_for_a_place_that_is_no_longer_configured_then_nothing_changes() -> None:
    desk = desk_at_10()
    desk.reading(100, 2_000, 2_000)
    desk.config = StockConfig()
    assert desk.say(CorrectionAccepted(sku="S-1")).row is None
