"""Observations become facts: the item's row, the waiting moves, and what is asked for."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from agents.translate.agent import translate_agent
from agents.translate.decide import CLOCK
from models import topics
from models.agent import Decision, Rank, Record, View
from models.config import ClockSlack, TranslateConfig
from models.errors import PoisonError
from models.facts import ChannelShown, StockCounted, StockMoved
from models.hint import ReadItem
from models.inbound import Inbound
from models.item_row import ClockRow, ItemRow
from models.message import ConfigChanged, Message, Tick
from models.observation import Ignored, ItemGone, MoveSeen, Observation, ReadingSeen, ReadWanted, ShownSeen, UnnamedSeen
from models.review import OfferUnnamed

CONFIG = TranslateConfig(connection="wh", place="aarhus", clock=ClockSlack(staleness_ms=0), waiting_max=2)
START_MS = 1_000_000
HOUR_MS = 3_600_000


class Side:
    """One item's view of the agent: hands it records, keeps its rows as the engine would."""

    def __init__(self, config: TranslateConfig = CONFIG, item: str = "9001") -> None:
        self.config = config
        self.item = item
        self.row: ItemRow | None = None
        self.shared: dict[str, Any] = {}
        self.sequence = 0
        self._said: list[Observation] = []
        self.agent = translate_agent(config, lambda _body, _inbound: self._said)

    def hear(self, *said: Observation, inbound: Inbound | None = None, now_ms: int = START_MS) -> Decision:
        self._said = list(said)
        return self.hand(b"{}", (inbound or Inbound(kind="webhook", received_ms=now_ms)).headers(), now_ms)

    def answered(
        self, *said: Observation, asked_ms: int, took_ms: int = 0, date_ms: int | None = None, sweep: str | None = None
    ) -> Decision:
        end_ms = asked_ms + took_ms
        inbound = Inbound(kind="reading", received_ms=end_ms, asked_ms=asked_ms, answered_ms=end_ms, date_ms=date_ms, sweep=sweep)
        return self.hear(*said, inbound=inbound, now_ms=end_ms)

    def hand(self, body: object, headers: dict[str, bytes], now_ms: int, sequence: int | None = None) -> Decision:
        self.sequence = self.sequence + 1 if sequence is None else sequence
        record = Record(
            topic=self.agent.topic,
            partition=0,
            offset=self.sequence,
            sequence=self.sequence,
            time_ms=now_ms,
            key=self.item,
            value=b"",
            headers=headers,
            body=body,
        )
        decision = self.agent.decide(View(self.item, self.row, self.config, self.shared), record)
        self.row = self.row if decision.row is None else decision.row
        self.shared |= decision.shared
        return decision


def move(delta: int | str = -3, id_: str | None = "e1", stamp_ms: int | None = None, seller: str | None = None) -> MoveSeen:
    return MoveSeen(item="9001", delta=Decimal(delta), id=id_, stamp_ms=stamp_ms, seller=seller)


def reading(value: int = 7, sku: str = "TEE") -> ReadingSeen:
    return ReadingSeen(item="9001", sku=sku, value=Decimal(value))


def values(decision: Decision) -> list[Message | bytes | None]:
    return [emit.value for emit in decision.emits]


def facts(decision: Decision) -> list[tuple[str, str, Decimal]]:
    """Kind, SKU and number of each fact; each is a fact of its SKU's own key."""
    found = []
    for emit in decision.emits:
        if isinstance(emit.value, StockMoved | StockCounted):
            assert (emit.topic, emit.key, emit.rank) == (topics.FACT_STOCK, emit.value.sku, Rank.FACT)
            number = emit.value.delta if isinstance(emit.value, StockMoved) else emit.value.value
            found.append((type(emit.value).__name__, emit.value.sku, number))
    return found


def known() -> Side:
    side = Side()
    side.answered(reading(), asked_ms=START_MS - 1_000)
    return side


@pytest.mark.req("T-35", "T-39")
def test_move_when_the_item_is_known_then_a_fact_with_its_sku_and_delta() -> None:
    side = known()
    decision = side.hear(move("-2.50", seller="90100042"))
    assert values(decision) == [
        StockMoved(
            connection="wh",
            place="aarhus",
            sku="TEE",
            item="9001",
            id="e1",
            lo_ms=None,
            hi_ms=START_MS,
            delta=Decimal("-2.50"),
            seller="90100042",
        )
    ]
    assert decision.row is None


@pytest.mark.req("T-40")
def test_move_when_it_has_no_id_then_its_record_names_it() -> None:
    side = known()
    moved = values(side.hear(move(id_=None)))[0]
    assert isinstance(moved, StockMoved)
    assert (moved.id, moved.lo_ms) == ("inbound.wh.v1-0-2", None)


def test_move_when_the_item_is_unknown_then_it_waits_behind_a_hint() -> None:
    side = Side()
    assert values(side.hear(move())) == [ReadItem(connection="wh", item="9001", why="unknown item")]
    assert values(side.hear(move(id_="e2"))) == []
    assert values(side.hear(move(id_="e2"))) == []
    decision = side.answered(reading(), asked_ms=START_MS + 10)
    assert facts(decision) == [("StockMoved", "TEE", Decimal(-3)), ("StockMoved", "TEE", Decimal(-3)), ("StockCounted", "TEE", Decimal(7))]
    assert side.row == ItemRow(at=4, sku="TEE", since_ms=START_MS + 10)


def test_hint_when_no_answer_comes_then_it_is_asked_again_with_back_off() -> None:
    side = Side()
    side.hear(move())
    asked_ms = []
    for _ in range(9):
        assert side.row is not None
        assert side.row.due is not None
        assert values(side.hand(Tick(now_ms=side.row.due - 1), {}, side.row.due - 1)) == []
        asked_ms.append(side.row.due)
        assert len(values(side.hand(Tick(now_ms=side.row.due), {}, side.row.due))) == 1
    waits_s = [(later - earlier) // 1_000 for earlier, later in zip([START_MS, *asked_ms], asked_ms, strict=False)]
    assert waits_s == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_moves_when_too_many_wait_then_the_newest_is_parked_and_no_answer_from_before_it_is_believed() -> None:
    side = Side()
    for number in range(3):
        decision = side.hear(move(id_=f"e{number}"), now_ms=START_MS + number * 1_000)
    assert [dead.error for dead in decision.dead] == [PoisonError.__name__]
    too_early = side.answered(reading(), asked_ms=START_MS + 1_500, took_ms=1_000)
    assert [kind for kind, _, _ in facts(too_early)] == ["StockMoved", "StockMoved"]
    assert side.row is not None
    assert side.row.due is not None
    assert values(side.hand(Tick(now_ms=side.row.due), {}, side.row.due)) == [
        ReadItem(connection="wh", item="9001", why="parked move", sku="TEE")
    ]
    assert facts(side.answered(reading(), asked_ms=START_MS + 3_000)) == [("StockCounted", "TEE", Decimal(7))]
    assert side.row.due is None


@pytest.mark.req("T-41", "T-43")
def test_reading_when_it_comes_from_a_sweep_then_it_says_its_bracket_and_sweep() -> None:
    decision = Side().answered(reading(), asked_ms=START_MS, took_ms=200, sweep="s1")
    assert values(decision) == [
        StockCounted(
            connection="wh",
            place="aarhus",
            sku="TEE",
            item="9001",
            value=Decimal(7),
            t0_ms=START_MS,
            t1_ms=START_MS + 200,
            sweep="s1",
        )
    ]


@pytest.mark.req("T-44")
def test_reading_when_the_item_comes_twice_in_one_sweep_then_two_readings_and_no_row_written() -> None:
    side = known()
    for _ in range(2):
        decision = side.answered(reading(), asked_ms=START_MS, sweep="s1")
        assert (facts(decision), decision.row) == ([("StockCounted", "TEE", Decimal(7))], None)


def test_reading_when_the_sku_changed_then_the_old_one_reads_as_nothing() -> None:
    side = known()
    decision = side.answered(reading(sku="TEE-NEW"), asked_ms=START_MS)
    assert facts(decision) == [("StockCounted", "TEE", Decimal(0)), ("StockCounted", "TEE-NEW", Decimal(7))]
    assert facts(side.hear(move())) == [("StockMoved", "TEE-NEW", Decimal(-3))]
    assert facts(side.answered(reading(sku="TEE"), asked_ms=START_MS - 1)) == []


def test_gone_when_the_item_was_known_then_it_reads_as_nothing() -> None:
    assert facts(known().answered(ItemGone("9001"), asked_ms=START_MS)) == [("StockCounted", "TEE", Decimal(0))]


def test_gone_when_the_item_was_never_known_then_older_moves_are_let_fall_and_newer_ones_wait() -> None:
    side = Side()
    side.hear(move(), now_ms=START_MS)
    side.hear(move(id_="e2"), now_ms=START_MS + 500)
    assert values(side.answered(ItemGone("9001"), asked_ms=START_MS + 100, took_ms=500)) == []
    assert side.row is not None
    assert [waiting.id for waiting in side.row.waiting] == ["e2"]
    side.answered(ItemGone("9001"), asked_ms=START_MS + 2_000)
    assert (side.row.waiting, side.row.due) == ((), None)


def test_hint_when_something_only_changed_then_the_item_is_read() -> None:
    assert values(known().hear(ReadWanted("9001", "new item"))) == [ReadItem(connection="wh", item="9001", why="new item", sku="TEE")]


def test_shown_when_a_channel_says_its_number_then_a_fact() -> None:
    side = Side(msgspec.structs.replace(CONFIG, connection="web", place=None), item="TEE")
    shown = ChannelShown(connection="web", sku="TEE", shown=Decimal(4), asked_ms=START_MS, answered_ms=START_MS + 9)
    assert values(side.answered(ShownSeen("TEE", Decimal(4)), asked_ms=START_MS, took_ms=9)) == [shown]


@pytest.mark.req("R-30")
def test_offer_when_it_has_no_sku_then_a_person_is_shown_it_once_until_it_has_one() -> None:
    side = Side(msgspec.structs.replace(CONFIG, connection="crm", place=None), item="20282")
    (emit,) = side.answered(UnnamedSeen("20282"), asked_ms=START_MS).emits
    assert (emit.topic, emit.key) == (topics.REVIEW, "unnamed/crm/20282")
    assert emit.value == OfferUnnamed(connection="crm", offer="20282", at_ms=START_MS)
    again = side.answered(UnnamedSeen("20282"), asked_ms=START_MS + HOUR_MS)
    assert (again.emits, again.row) == ((), None)
    assert [count.labels for count in again.counts] == [("crm", "offer without SKU")]
    named = side.answered(ShownSeen("TEE", Decimal(4)), asked_ms=START_MS + 2 * HOUR_MS)
    assert [(emit.topic, emit.key, emit.value is None) for emit in named.emits] == [
        (topics.FACT_STOCK, "TEE", False),
        (topics.REVIEW, "unnamed/crm/20282", True),
    ]
    assert len(side.answered(ShownSeen("TEE", Decimal(4)), asked_ms=START_MS + 3 * HOUR_MS).emits) == 1
    assert len(side.answered(UnnamedSeen("20282"), asked_ms=START_MS + 4 * HOUR_MS).emits) == 1


def test_connection_when_it_is_no_place_then_ids_are_learned_and_nothing_is_said() -> None:
    side = Side(msgspec.structs.replace(CONFIG, place=None))
    assert values(side.hear(move(), ReadWanted("9001", "new item"), ItemGone("9001"))) == []
    decision = side.answered(reading(), asked_ms=START_MS)
    assert values(decision) == []
    assert side.row is not None
    assert side.row.sku == "TEE"


@pytest.mark.req("T-22")
def test_event_when_it_means_nothing_then_it_is_counted_by_its_name() -> None:
    decision = Side().hear(Ignored("documentCreated"))
    assert [(count.metric, count.labels) for count in decision.counts] == [("inbound_ignored_total", ("wh", "documentCreated"))]
    assert (decision.row, decision.emits, decision.dead) == (None, (), ())


def test_record_when_it_cannot_be_used_then_it_is_parked_and_the_row_stays() -> None:
    side = known()
    before = side.row
    assert side.hear(MoveSeen("9002", Decimal(1), None, None, None)).dead
    assert side.hand(b"{}", {}, START_MS).dead
    assert side.row == before


def test_translate_when_it_raises_poison_then_the_reason_is_kept() -> None:
    def refuse(_body: bytes, _inbound: Inbound) -> list[Observation]:
        raise PoisonError("delta is no quantity: NaN")

    agent = translate_agent(CONFIG, refuse)
    headers = Inbound(kind="webhook", received_ms=1).headers()
    record = Record(
        topic=agent.topic, partition=0, offset=1, sequence=1, time_ms=1, key="9001", value=b"", headers=headers, body=agent.decode(b"x")
    )
    dead = agent.decide(View("9001", None, CONFIG, {}), record).dead
    assert [(each.error, each.reason) for each in dead] == [("PoisonError", "delta is no quantity: NaN")]


@pytest.mark.req("T-40", "X-07")
def test_replay_when_the_row_has_seen_the_record_then_nothing_is_said() -> None:
    side = Side()
    side.hear(move())
    side.answered(reading(), asked_ms=START_MS)
    row = side.row
    for sequence in (1, 2):
        decision = side.hand(b"{}", Inbound(kind="webhook", received_ms=START_MS).headers(), START_MS, sequence)
        assert (decision.emits, decision.row, decision.dead) == ((), None, ())
    assert side.row == row


def test_configuration_when_it_changes_then_nothing_is_said() -> None:
    assert values(known().hand(ConfigChanged(digest="d", config=msgspec.Raw(b"{}")), {}, START_MS)) == []


def test_clock_when_an_answer_tells_it_then_the_shared_row_and_its_metrics() -> None:
    side = Side()
    decision = side.answered(reading(), asked_ms=START_MS, took_ms=100, date_ms=START_MS)
    assert decision.shared == {CLOCK: ClockRow(at=1, low_ms=-100, high_ms=1_000, answered_ms=START_MS + 100)}
    assert {count.metric for count in decision.counts} == {"source_clock_offset_seconds", "source_clock_width_seconds"}
    again = side.answered(reading(), asked_ms=START_MS, took_ms=100, date_ms=START_MS)
    assert (again.shared, again.counts) == ({}, ())


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_clock_when_the_source_steps_an_hour_then_moves_are_placed_right_after_the_next_answer(step_ms: int) -> None:
    side = Side()
    side.answered(reading(), asked_ms=START_MS, date_ms=START_MS)
    now_ms = START_MS + 60_000
    before = values(side.hear(move(stamp_ms=now_ms + step_ms), now_ms=now_ms))[0]
    assert isinstance(before, StockMoved)
    assert before.hi_ms <= now_ms
    stepped = side.answered(reading(), asked_ms=now_ms + 1_000, date_ms=now_ms + 1_000 + step_ms)
    assert "source_clock_steps_total" in {count.metric for count in stepped.counts}
    assert facts(stepped) == [("StockCounted", "TEE", Decimal(7))]
    after = values(side.hear(move(id_="e2", stamp_ms=now_ms + 30_000 + step_ms), now_ms=now_ms + 31_000))[0]
    assert isinstance(after, StockMoved)
    assert after.lo_ms is not None
    assert after.lo_ms <= now_ms + 30_000 <= after.hi_ms <= now_ms + 31_000
    assert after.lo_ms > now_ms + 1_000
