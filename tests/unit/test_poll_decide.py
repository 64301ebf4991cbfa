"""When a list is read next, and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.poll.decide import NEVER_MS, begun, first_cursor, key_of, next_cursor, next_sweep_ms
from agents.ports import Element, Page
from models.agent import Emit
from models.cursor import Cursor
from models.inbound import Inbound

NOON_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z, a Sunday
HOUR_MS = 3_600_000
ELEMENT = Element(key="k", value=b"{}", inbound=Inbound(kind="reading", received_ms=1))


class Every:
    every_s = 900.0

    async def page(self, cursor: Cursor) -> Page:
        raise AssertionError(cursor)


def _next(cursor: Cursor, page: Page, rule: str = "continuous") -> Cursor:
    return next_cursor(cursor, page, pager=Every(), rule=rule, now_ms=NOON_MS)


def test_begun_when_asked_twice_then_sweep_has_the_same_name() -> None:
    cursor = first_cursor("wh", "stock", 1_000)
    assert begun(cursor).sweep == begun(cursor).sweep == "wh/stock/1000"
    assert begun(begun(cursor)) == begun(cursor)


def test_next_cursor_when_there_is_a_next_page_then_it_is_due_at_once_in_the_same_sweep() -> None:
    cursor = Cursor(connection="wh", what="stock", due_ms=5, sweep="s", position="10", rows=10)
    found = _next(cursor, Page(elements=[ELEMENT] * 3, position="13"))
    assert found == Cursor(connection="wh", what="stock", due_ms=NOON_MS, sweep="s", position="13", rows=13)
    assert key_of(found) == "wh/stock"


@pytest.mark.parametrize(
    ("rule", "due_ms"),
    [("continuous", NOON_MS + 900_000), ("off", NEVER_MS), ("0 3 * * *", NOON_MS + 15 * HOUR_MS), ("0 12 * * *", NOON_MS + 24 * HOUR_MS)],
)
def test_next_cursor_when_list_ends_then_next_sweep_is_due_by_the_rule(rule: str, due_ms: int) -> None:
    cursor = Cursor(connection="wh", what="stock", due_ms=5, sweep="s", position="10", rows=10)
    assert _next(cursor, Page(elements=[], position=None), rule) == Cursor(connection="wh", what="stock", due_ms=due_ms)


def test_next_cursor_when_the_page_wants_a_pause_then_the_next_one_is_due_after_it_and_its_records_count() -> None:
    cursor = Cursor(connection="crm", what="catalogue", due_ms=5, sweep="s", position="x", rows=10)
    emits = (Emit(topic="fact.stock.v1", key="k", value=b""),) * 2
    found = _next(cursor, Page(elements=[], position="y", emits=emits, pause_s=1.5))
    assert found == Cursor(connection="crm", what="catalogue", due_ms=NOON_MS + 1_500, sweep="s", position="y", rows=12)


@given(st.integers(0, 4_000_000_000_000))
def test_next_sweep_when_by_cron_then_it_is_after_now_and_within_its_period(now_ms: int) -> None:
    assert now_ms < next_sweep_ms("30 2 * * *", 900.0, now_ms) <= now_ms + 24 * HOUR_MS
