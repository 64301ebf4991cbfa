"""What channels are told, of which places, and what the row and the agent look like from outside."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from agents.stock.agent import stock_agent
from agents.stock.channel import split
from models.codec import encode
from models.config import StockConfig
from models.facts import Resend, SkuUnknown, StockCounted, Told
from models.message import ConfigChanged, Tick
from models.stock_row import StockRow, SweepRow
from tests.unit.stock_desk import LAG_MS, SELLER, Desk, channel, metrics, one, warehouse


def two_by_three() -> StockConfig:
    return StockConfig(
        warehouses={"a": warehouse("wh-a"), "b": warehouse("wh-b")},
        channels={
            "first": channel(places=("a",), sellers={"a": ("1",)}, incremental=False, orders_mode=False),
            "both": channel(places=("a", "b"), sellers={"a": ("2",), "b": ("2",)}, buffer=Decimal(2), orders_mode=False),
            "stores": channel(places=("b", "a"), sellers={}, incremental=False, stores={"a": "A", "b": "B"}),
        },
    )


@pytest.mark.req("X-18")
def test_two_warehouses_and_three_channels_when_quiet_then_all_numbers_are_right() -> None:
    desk = Desk(two_by_three())
    desk.reading(10, 0, 0, place="a")
    assert set(desk.told) == {"first"}
    desk.reading(5, 0, 0, place="b")
    desk.moved(-1, 1, place="a", seller="1")
    desk.moved(-2, 1, place="b", seller="2")
    assert desk.level("first") == 9
    assert desk.total("both") == 12  # and it shows 10, as it took its own 2 off itself
    assert desk.level("stores") == 12
    assert desk.told["stores"].parts == {"b": 3, "a": 9}


@pytest.mark.req("X-18")
def test_channel_when_one_of_its_places_was_never_read_then_told_nothing_however_long() -> None:
    desk = Desk(two_by_three())
    for second in range(1, 50):
        desk.moved(-1, second * 100, place="b")
    desk.reading(10, 9_000_000, 9_000_000, place="a")
    assert "both" not in desk.told
    desk.reading(0, 9_100_000, 9_100_000, place="b")
    assert desk.level("both") == 8


@pytest.mark.req("T-43")
@pytest.mark.parametrize(("value", "level", "part"), [(-3, -3, 0), (0, 0, 0)])
def test_item_when_nothing_is_left_then_negative_stays_negative_and_its_part_is_0(value: int, level: int, part: int) -> None:
    desk = Desk(one(incremental=False))
    desk.reading(value, 0, 0)
    assert desk.level() == level
    assert desk.told["c"].parts == {"w": part}


def test_item_when_no_stock_is_kept_of_it_then_no_channel_is_told() -> None:
    desk = Desk(one())
    fact = StockCounted(connection="wh", place="w", sku="S-1", item="w-1", value=Decimal(0), t0_ms=1, t1_ms=2, stocked=False)
    desk.say(fact)
    assert desk.told == {}
    desk.reading(4, 2_000, 2_000)
    assert desk.total() == 4


@pytest.mark.parametrize(
    ("shares", "buffer", "parts"),
    [
        ({"a": 5, "b": 3}, 2, {"a": 3, "b": 3}),
        ({"a": 1, "b": 3}, 2, {"a": 0, "b": 2}),
        ({"a": 5, "b": -3}, 0, {"a": 2, "b": 0}),
        ({"a": 1, "b": -1, "c": 4}, 2, {"a": 0, "b": 0, "c": 2}),
        ({"a": 1, "b": -3}, 0, {"a": 0, "b": 0}),
    ],
)
def test_split_then_parts_are_not_negative_and_add_up_to_the_level(shares: dict[str, int], buffer: int, parts: dict[str, int]) -> None:
    found = split({place: Decimal(share) for place, share in shares.items()}, Decimal(buffer))
    assert found == parts
    assert sum(found.values()) == max(0, sum(shares.values()) - buffer)


def test_stores_when_only_the_split_changes_then_told_too() -> None:
    desk = Desk(two_by_three())
    desk.reading(10, 0, 0, place="a")
    desk.reading(5, 0, 0, place="b")
    desk.moved(-3, 1, place="a")
    sequence = desk.told["stores"].sequence
    both = desk.told["both"].sequence
    desk.reading(8, 3_000, 3_000, place="b")
    desk.reading(6, 3_000, 3_000, place="a")
    assert desk.told["stores"].sequence > sequence
    assert desk.told["stores"].parts == {"b": 8, "a": 6}
    assert desk.told["both"].sequence > both


def test_number_when_the_same_then_not_told_again() -> None:
    desk = Desk(one())
    desk.reading(10, 0, 0)
    decision = desk.reading(10, 2_000, 2_000)
    assert decision.emits == ()
    assert decision.row is not None


@pytest.mark.req("X-07")
def test_repeat_when_row_holds_parts_buffer_and_level_then_the_same_bytes() -> None:
    desk = Desk(two_by_three())
    desk.reading(10, 0, 0, place="a")
    desk.reading(5, 0, 0, place="b")
    desk.moved(-1, 1, place="a", seller="2")
    desk.moved(-1, 2, place="a", name="last")
    said = {name: encode(level) for name, level in desk.told.items()}
    decision = desk.hand(desk.log[-1])
    assert decision.row is None
    assert metrics(decision)["replayed_records_total"] == [(("wh-a",), 1)]
    assert {emit.key for emit in decision.emits} == {"S-1"}
    assert {emit.topic[6:-3]: encode(emit.value) for emit in decision.emits} == said


def test_resend_then_told_again_under_a_newer_sequence() -> None:
    desk = Desk(one(incremental=False))
    assert desk.say(Resend(connection="c", sku="S-1")).row is None
    desk.reading(10, 0, 0)
    before = desk.told["c"]
    desk.say(Resend(connection="c", sku="S-1"))
    assert desk.level() == before.level
    assert desk.told["c"].sequence > before.sequence


def test_acknowledgement_when_nobody_audits_then_the_row_is_not_written() -> None:
    desk = Desk(one())
    desk.reading(10, 0, 0)
    assert desk.taken().row is None
    assert desk.say(Told(connection="unknown", sku="S-1", sequence=1, value=Decimal(1))).row is None


def test_facts_of_what_is_not_configured_then_nothing_is_remembered() -> None:
    desk = Desk(StockConfig())
    assert desk.moved(-1, 1).row is None
    assert desk.reading(5, 2_000, 2_000).row is None
    assert desk.shown(5, 2_000).row is None


def test_configuration_when_a_channel_is_added_then_it_is_told() -> None:
    desk = Desk(StockConfig(warehouses={"w": warehouse()}))
    desk.reading(10, 0, 0)
    assert desk.told == {}
    desk.configure(one())
    assert desk.total() == 10


def test_row_when_a_place_is_no_longer_configured_then_its_timer_is_gone() -> None:
    desk = Desk(one(orders_mode=False))
    desk.reading(10, 0, 0)
    desk.reading(12, 1_000, 1_000)
    desk.moved(+1, None, received=1_500)
    desk.configure(StockConfig())
    assert desk.row is not None
    assert desk.row.due is None


@pytest.mark.req("T-40", "X-07")
def test_inputs_when_each_comes_twice_then_the_same_numbers_as_once() -> None:
    once, twice = Desk(one()), Desk(one())
    for desk, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            desk.reading(10, 0, 0)
        for delta, second, seller in ((-1, 1, None), (-2, 2, SELLER), (+4, 3, None)):
            for _ in range(times):
                desk.moved(delta, second, name=f"e{second}", seller=seller)
        for _ in range(times):
            desk.placed("o0", 2, said=0)
    assert twice.total() == once.total() == 11
    assert twice.row is not None
    assert once.row is not None
    assert twice.row.ch["c"].open == once.row.ch["c"].open
    assert twice.row.ch["c"].counted == once.row.ch["c"].counted


@pytest.mark.req("X-12")
def test_row_when_written_and_read_then_decimals_keep_their_digits() -> None:
    desk = Desk(one())
    desk.reading("100.50", 0, 0)
    desk.moved("-0.125", 1)
    assert desk.row is not None
    assert b'"base":100.50' in encode(desk.row)
    assert b",-0.125," in encode(desk.row)
    assert b'"total":100.375' in encode(desk.told["c"])


def test_row_of_one_warehouse_and_two_channels_then_well_under_1_kb() -> None:
    config = StockConfig(warehouses={"w": warehouse()}, channels={"web-dk": channel(), "web-se": channel(incremental=False)})
    desk = Desk(config)
    desk.reading(10, 1_790_000_000_000, 1_790_000_000_500)
    assert desk.row is not None
    assert len(encode(desk.row)) < 400


def test_agent_then_it_names_its_topics_and_rows() -> None:
    agent = stock_agent(two_by_three())
    assert (agent.topic, agent.table, agent.row_type) == ("fact.stock.v1", "stock", StockRow)
    assert agent.outputs == ("level.first.v1", "level.both.v1", "level.stores.v1", "hint.wh-a.v1", "hint.wh-b.v1", "review.v1")
    assert agent.shared == {"@sweep": SweepRow}
    body: Any = agent.decode(b'{"type":"Resend","connection":"c","sku":"S-1"}')
    assert body == Resend(connection="c", sku="S-1")


def test_drift_when_a_late_move_explains_it_then_nothing_is_counted() -> None:
    desk = Desk(one(incremental=False))
    desk.reading(10, 0, 0)
    desk.reading(9, 2_000, 2_000)
    assert desk.row is not None
    assert desk.row.due is not None
    desk.moved(-1, 1)
    assert desk.row.due is None


def test_drift_when_the_move_never_comes_then_counted_after_the_lag() -> None:
    desk = Desk(one(incremental=False))
    desk.reading(10, 0, 0)
    desk.reading(7, 2_000, 2_000)
    assert desk.row is not None
    assert desk.row.due is not None
    decision = desk.tick(desk.row.due)
    assert metrics(decision)["stock_drift_units"] == [(("wh",), 3.0)]
    assert desk.row.due is None


def test_drift_when_the_first_reading_was_unclear_then_there_is_nothing_to_compare_with() -> None:
    desk = Desk(one(incremental=False))
    desk.moved(-1, 1)
    desk.reading(10, 1_000, 2_000)
    desk.reading(10, 3_000, 3_000)
    assert desk.place().drift is None


def test_drift_when_its_time_is_over_while_a_move_is_in_doubt_then_the_row_does_not_stay_due() -> None:
    desk = Desk(one(incremental=False))
    desk.reading(10, 0, 0)
    desk.moved(-1, 1)
    desk.reading(9, 1_500, 1_500)
    drift = desk.place().drift
    assert drift is not None
    due_ms = drift.due_ms
    desk.now = due_ms - 1
    desk.moved(-1, None, received=due_ms - 2)
    desk.tick(due_ms)
    assert desk.row is not None
    assert desk.row.due is not None
    assert desk.row.due > due_ms


def test_tick_and_configuration_when_in_one_record_then_either_does_the_work_of_both() -> None:
    desk = Desk(one(incremental=False))
    desk.reading(10, 0, 0)
    desk.moved(-1, None, received=500)
    desk.config = one(incremental=False, buffer=Decimal(4))
    record = desk.record(Tick(now_ms=2_000), 2_000)
    desk.hand(record)
    desk.hand(msgspec.structs.replace(record, body=ConfigChanged(digest="x", config=msgspec.Raw(b"{}"))))
    assert desk.level() == 5
    assert len(desk.hints) == 1


def per_store(**changes: Any) -> Desk:  # noqa: ANN401  # members of the channel
    """Two places, each a store of an absolute, audited channel that keeps stock per store; what it was told it took."""
    places = channel(
        places=("a", "b"), sellers={}, incremental=False, orders_mode=False, stores={"a": "A", "b": "B"}, audited=True, **changes
    )
    desk = Desk(StockConfig(warehouses={"a": warehouse("wh-a"), "b": warehouse("wh-b")}, channels={"c": places}))
    desk.reading("10.5", 0, 0, place="a", cost=Decimal("310.00"))
    desk.reading(5, 0, 0, place="b")
    desk.taken()
    return desk


@pytest.mark.req("R-17", "R-23")
def test_cost_when_a_warehouse_says_it_then_told_per_place_digit_by_digit_and_absent_elsewhere() -> None:
    level = per_store().told["c"]
    assert level.parts == {"a": Decimal("10.5"), "b": 5}
    assert {place: str(cost) for place, cost in level.costs.items()} == {"a": "310.00"}


@pytest.mark.req("R-17")
def test_cost_when_it_changes_and_the_number_does_not_then_told_again() -> None:
    desk = per_store()
    first = desk.told["c"].sequence
    desk.reading("10.5", 100, 100, place="a", cost=Decimal("310.00"))
    assert desk.told["c"].sequence == first
    desk.reading("10.5", 200, 200, place="a", cost=Decimal("311.25"))
    assert desk.told["c"].sequence > first
    assert desk.told["c"].costs == {"a": Decimal("311.25")}


@pytest.mark.req("R-17")
def test_cost_when_the_channel_keeps_no_stores_then_not_told() -> None:
    desk = Desk(one(incremental=False))
    desk.reading(1, 0, 0, cost=Decimal(7))
    assert desk.told["c"].costs == {}


@pytest.mark.req("R-15", "R-23")
def test_split_when_it_changes_and_the_sum_does_not_then_told_again() -> None:
    desk = per_store()
    first = desk.told["c"].sequence
    desk.moved(-1, 1, place="a")
    desk.moved(1, 1, place="b")
    assert desk.level() == Decimal("15.5")
    assert desk.told["c"].sequence > first
    assert desk.told["c"].parts == {"a": Decimal("9.5"), "b": 6}


@pytest.mark.req("R-15")
def test_stores_when_their_sum_is_right_but_one_is_not_then_told_again_once_proved_quiet() -> None:
    desk = per_store()
    first = desk.told["c"].sequence
    found = metrics(desk.stores(1_000, A="9.5", B=6))
    assert found["channel_drift_units"] == [(("c", "A"), 1.0), (("c", "B"), 1.0)]
    desk.stores(1_010 + LAG_MS, A="9.5", B=6)
    desk.reading("10.5", desk.now + 5, desk.now + 6, place="a", cost=Decimal("310.00"))
    desk.reading(5, desk.now + 5, desk.now + 6, place="b")
    assert desk.told["c"].sequence > first
    assert desk.told["c"].parts == {"a": Decimal("10.5"), "b": 5}


@pytest.mark.req("R-15")
@pytest.mark.parametrize(
    ("shown", "result"), [({"A": "10.5", "B": 5}, "agreed"), ({"A": "10.5", "B": 5, "other": 9}, "agreed"), ({"A": "10.5"}, None)]
)
def test_stores_when_read_back_then_only_ours_count_and_a_missing_row_is_nothing(shown: dict[str, str | int], result: str | None) -> None:
    results = [labels[1] for labels, _ in metrics(per_store().stores(1_000, **shown)).get("channel_audit_total", [])]
    assert results == ([] if result is None else [result])


@pytest.mark.req("R-15")
def test_store_when_it_shows_presence_only_then_1_after_sending_many_is_no_drift() -> None:
    results = metrics(per_store(presence=("A",)).stores(1_000, A=1, B=5))["channel_audit_total"]
    assert results == [(("c", "agreed"), 1.0)]


@pytest.mark.req("R-26")
def test_resend_when_an_answer_may_still_be_written_then_said_at_once_and_once_more_after_it() -> None:
    desk = Desk(one(incremental=False))
    desk.reading(7, 0, 0)
    first = desk.told["c"].sequence
    desk.say(Resend(connection="c", sku="S-1", again_after_ms=30_000), 1_000)
    second = desk.told["c"].sequence
    assert second > first
    assert desk.row is not None
    assert desk.row.due == 31_000
    desk.tick(30_999)
    assert desk.told["c"].sequence == second
    desk.tick(31_000)
    third = desk.told["c"].sequence
    assert third > second
    assert desk.row.due is None
    desk.tick(62_000)
    assert desk.told["c"].sequence == third


@pytest.mark.req("R-30")
def test_sku_when_the_channel_gets_to_know_it_then_the_next_look_has_it_told_again_once() -> None:
    desk = Desk(one(orders_mode=False, incremental=False, audited=True))
    desk.reading(7, 0, 0)
    first = desk.told["c"]
    desk.say(SkuUnknown(connection="c", sku="S-1", sequence=first.sequence - 1))
    assert metrics(desk.shown(0, 1_000))["channel_audit_total"] == [(("c", "not_quiet"), 1.0)]
    desk.say(SkuUnknown(connection="c", sku="S-1", sequence=first.sequence))
    assert metrics(desk.shown(0, 2_000))["channel_audit_total"] == [(("c", "known_now"), 1.0)]
    again = desk.told["c"]
    assert again.sequence > first.sequence
    assert again.level == 7
    desk.shown(0, 3_000)
    assert desk.told["c"] == again
