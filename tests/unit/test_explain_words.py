"""The story of a SKU in words: what an operator reads about each kind of record."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from agents.explain.replay import Replay, Table, Unusable
from agents.explain.step import Became, End, Step
from agents.explain.words import again_text, agreement, concerns, folded, sentences, standing
from models.config import StockConfig
from models.facts import CorrectionAccepted, SkuUnknown
from tests.unit.stock_desk import SELLER, Desk, channel, one, warehouse


def _story(desk: Desk) -> tuple[list[Step], End]:
    replay = Replay(desk.sku, Table(), desk.config, begins=0, whole=True)
    for record in desk.log:
        replay.take(record)
    return replay.end()


def _last(desk: Desk) -> list[str]:
    return sentences(_story(desk)[0][-1])


def _desk(**changes: object) -> Desk:
    """One warehouse with 12, one channel that its own sellers' sales are known of."""
    desk = Desk(one(orders_mode=False, **changes))
    desk.reading(12, 9_000, 10_000)
    return desk


def test_sale_of_an_absolute_channel_then_both_numbers_are_told() -> None:
    desk = _desk(incremental=False)
    desk.moved(-2, 12, seller=SELLER, now=14_000)
    assert _last(desk) == [
        "-2 sold by c at w (moved 00:00:12-00:00:12.999), counted at once",
        "w: 12 -> 10",
        f"told c 10 (sequence {desk.sequence}), before 12; no outcome (yet): overtaken by a newer one, or still on its way",
    ]


def test_own_sale_of_an_incremental_channel_then_it_is_said_why_nothing_is_told() -> None:
    desk = _desk()
    desk.moved(-2, 12, seller=SELLER, now=14_000)
    assert _last(desk)[1:] == ["w: 12 -> 10", "c not told: its number stays the same"]


def test_number_that_was_taken_then_it_is_said_how_soon() -> None:
    desk = _desk(incremental=False)
    step = _story(desk)[0][-1]
    became = (Became(outcome="Done", time_ms=0, after_ms=45, attempts=1, status=200, took_ms=30),)
    taken = msgspec.structs.replace(step, said=(msgspec.structs.replace(step.said[0], became=became),))
    assert sentences(taken)[-1] == f"told c 12 (sequence {desk.sequence}), its first number; taken after 45 ms, status 200, call 30 ms"


@pytest.mark.parametrize(
    ("second", "seller", "words"),
    [
        (5, None, "-1 moved at w (moved 00:00:05-00:00:05.999), in the last reading already: not counted again"),
        (10, None, "-1 moved at w (moved 00:00:10-00:00:10.999), may be in the last reading already, counted because it lowers"),
        (12, "7", "-1 moved under seller 7 at w (moved 00:00:12-00:00:12.999), counted at once"),
    ],
)
def test_move_then_its_verdict_is_in_words(second: int, seller: str | None, words: str) -> None:
    desk = _desk()
    desk.moved(-1, second, seller=seller, now=14_000)
    assert _last(desk)[0] == words


def test_move_that_came_before_then_it_is_not_counted_again() -> None:
    desk = _desk()
    for _ in range(2):
        desk.moved(-1, 12, name="m", now=14_000)
    assert _last(desk) == ["-1 moved at w (moved 00:00:12-00:00:12.999), came before: not counted again"]


def test_held_reading_then_the_end_says_how_to_accept_it() -> None:
    config = StockConfig(warehouses={"w": warehouse(correction_limit=Decimal(3))}, channels={"c": channel(incremental=False, sellers={})})
    desk = Desk(config)
    desk.reading(12, 9_000, 10_000)
    desk.reading(50, 20_000, 21_000)
    assert _last(desk)[0].endswith("too far from what was expected: held back until a second reading or a person agrees")
    lines = dict(standing(_story(desk)[1]))
    assert "has 12 for certain" in lines["w"]
    assert any(line.startswith("a reading of 50") and "`stockwire reconcile --accept S-1`" in line for line in lines["w"])

    desk.say(CorrectionAccepted(sku=desk.sku))
    assert _last(desk)[:2] == ["a person accepted what was held back", "w: 12 -> 50"]


def test_place_never_read_then_the_channel_is_not_told_and_it_is_asked() -> None:
    desk = Desk(one(orders_mode=False))
    desk.moved(-1, 12, now=14_000)
    assert _last(desk)[1:] == ["asked wh to say what it has (never read)"]


def test_record_that_nobody_understands_then_it_is_in_the_story() -> None:
    desk = _desk()
    record = desk.record(CorrectionAccepted(sku=desk.sku))
    desk.log[-1] = msgspec.structs.replace(record, body=Unusable("not a value we know"))
    assert _last(desk) == ["a record that nobody understands", "cannot be used, see `stockwire dead ls`: not a value we know"]


def test_story_without_a_table_then_it_says_so() -> None:
    assert agreement(_story(_desk())[1]) == ["the table has no row of it"]


def test_step_of_another_channel_or_place_then_it_does_not_concern_this_one() -> None:
    desk = _desk()
    desk.shown(3, 20_000)
    reading, shown = _story(desk)[0]
    assert concerns(shown, "c", ("w",))
    assert not concerns(shown, "d", ("w",))
    assert concerns(reading, "d", ("w",))
    assert not concerns(reading, "d", ("v",))


def _stores(presence: tuple[str, ...] = ()) -> Desk:
    """An absolute, audited channel that keeps stock per store, of two places; one of them says what a piece costs."""
    kept: dict[str, Any] = {"stores": {"a": "A", "b": "B"}, "presence": presence, "audited": True}
    told = channel(places=("a", "b"), sellers={}, incremental=False, orders_mode=False, **kept)
    desk = Desk(StockConfig(warehouses={"a": warehouse("wh-a"), "b": warehouse("wh-b")}, channels={"c": told}))
    desk.reading(8, 0, 0, place="a", cost=Decimal("310.00"))
    desk.reading(4, 0, 0, place="b")
    return desk


def test_channel_that_keeps_stores_then_it_says_what_each_was_told_and_the_cost() -> None:
    [told] = [line for line in _last(_stores()) if line.startswith("told")]
    assert told.startswith("told c 12 (a 8, b 4; cost at a 310.00) (sequence ")


def test_channel_told_of_less_than_nothing_then_it_says_what_went_out() -> None:
    desk = _stores()
    desk.moved(-9, 1, place="a")
    desk.moved(-7, 2, place="b")
    [told] = [line for line in _last(desk) if line.startswith("told")]
    assert told.startswith("told c 0 (short by 4) (a 0, b 0; cost at a 310.00) (sequence ")


def test_look_that_proves_nothing_then_it_says_why() -> None:
    desk = _stores()
    desk.stores(1_000, A=8, B=4)
    assert _last(desk)[0].endswith("which proves nothing: its last number is not taken (yet)")
    desk.say(SkuUnknown(connection="c", sku=desk.sku, sequence=desk.told["c"].sequence))
    assert _last(desk)[0] == "c does not know the SKU"
    desk.stores(2_000, A=0, B=0)
    assert _last(desk)[0].endswith("so it knows the SKU by now, and is to be told")


def test_looks_that_see_the_same_then_told_once_with_how_often() -> None:
    desk = _stores()
    desk.taken()
    for second in range(5):
        desk.stores(1_000 * (second + 1), A=8, B=4)
    desk.stores(9_000, A=8, B=3)
    steps = _story(desk)[0]
    assert [len(again) for _, again in folded(steps)] == [0, 0, 0, 4, 0]
    assert sum(1 + len(again) for _, again in folded(steps)) == len(steps)


def test_looks_that_change_to_and_fro_then_each_change_is_told() -> None:
    desk = _desk(incremental=False, audited=True)
    for second, shown in enumerate((8, 8, 9, 8, 8)):
        desk.shown(shown, 1_000 * (second + 11))
    looks = [(step.fact.shown, len(again)) for step, again in folded(_story(desk)[0][1:])]
    assert looks == [(8, 1), (9, 0), (8, 1)]


def test_looks_of_two_channels_in_turn_then_each_is_told_once() -> None:
    told = channel(incremental=False, orders_mode=False, sellers={}, audited=True)
    desk = Desk(StockConfig(warehouses={"w": warehouse()}, channels={"c": told, "d": told}))
    desk.reading(12, 9_000, 10_000)
    for second in range(11, 15):
        desk.shown(8, 1_000 * second, c="c" if second % 2 else "d")
    assert [(step.fact.connection, len(again)) for step, again in folded(_story(desk)[0][1:])] == [("c", 1), ("d", 1)]


def test_looks_that_are_told_once_then_their_number_and_the_last_moment_are_said() -> None:
    desk = _desk(incremental=False, audited=True)
    for days in range(3):
        desk.shown(8, 86_400_000 * days + 11_000)
    [(_, again)] = folded(_story(desk)[0][1:])
    assert again_text(again) == "the same 2 more time(s), the last at 1970-01-03 00:00:11.010"


def test_look_that_agrees_or_is_not_needed_then_nothing_is_said_to_keep_it_from_proving() -> None:
    desk = _stores()
    desk.taken()
    desk.stores(1_000, A=8, B=4)
    assert _story(desk)[0][-1].unproved == ""
    idle = _desk(incremental=False)
    idle.shown(8, 11_000)
    assert _story(idle)[0][-1].unproved == ""


def test_look_while_several_things_are_open_then_all_are_said() -> None:
    desk = Desk(one(incremental=True, starts_at="read", audited=True))
    desk.reading(12, 9_000, 10_000)
    desk.placed("L1")
    desk.moved(-1, 10, now=14_000)
    desk.shown(12, 15_000)
    assert _last(desk)[0].endswith("which proves nothing: an order line is open and moves at w are in doubt")


def test_look_before_a_place_was_read_then_that_is_said() -> None:
    told = channel(places=("a", "b"), sellers={}, incremental=False, orders_mode=False, audited=True)
    desk = Desk(StockConfig(warehouses={"a": warehouse("wh-a"), "b": warehouse("wh-b")}, channels={"c": told}))
    desk.reading(8, 0, 0, place="a")
    desk.shown(8, 1_000)
    assert _last(desk)[0].endswith("which proves nothing: nothing has been told there yet and b was never read")


def test_store_that_shows_only_whether_there_is_any_then_that_is_said_of_it() -> None:
    [told] = [line for line in _last(_stores(presence=("B",))) if line.startswith("told")]
    assert told.startswith("told c 12 (a 8, b in stock; cost at a 310.00) (sequence ")


def test_channel_with_one_store_then_json_says_what_it_was_told() -> None:
    desk = Desk(one(incremental=False, stores={"w": "W"}))
    desk.reading(3, 0, 0)
    [said] = _story(desk)[0][-1].said
    assert said.parts == {"w": 3}
