"""When a list is read next, and where: pure."""

from datetime import UTC, datetime

from croniter.croniter import croniter

from agents.ports import Page, Pager
from models.cursor import Cursor

Rule = str
"""`continuous`, `off`, or a cron line of five fields in UTC."""

NEVER_MS = 2**52
"""Due at no time that anyone will see; fits a double exactly."""


def first_cursor(connection: str, what: str, now_ms: int) -> Cursor:
    """Where a list that was never read begins: at once, whatever the rule (this is the opening reading)."""
    return Cursor(connection=connection, what=what, due_ms=now_ms)


def begun(cursor: Cursor) -> Cursor:
    """The cursor with the name of its sweep; the first page names it after the moment it was due, so a repeat has the same name."""
    if cursor.sweep:
        return cursor
    return Cursor(connection=cursor.connection, what=cursor.what, due_ms=cursor.due_ms, sweep=f"{key_of(cursor)}/{cursor.due_ms}")


def next_cursor(cursor: Cursor, page: Page, *, pager: Pager, rule: Rule, now_ms: int) -> Cursor:
    """The cursor after `page`: the next page when the page says so, or the next sweep by the rule."""
    if page.position is not None:
        return Cursor(
            connection=cursor.connection,
            what=cursor.what,
            due_ms=now_ms + int(page.pause_s * 1_000),
            sweep=cursor.sweep,
            position=page.position,
            rows=cursor.rows + len(page.elements) + len(page.emits),
        )
    return Cursor(connection=cursor.connection, what=cursor.what, due_ms=next_sweep_ms(rule, pager.every_s, now_ms))


def hastened(cursor: Cursor, *, pager: Pager, rule: Rule, now_ms: int) -> Cursor:
    """The cursor, due no later than a sweep that ends now would make it: one that waits by an older rule must not wait for years."""
    due_ms = next_sweep_ms(rule, pager.every_s, now_ms)
    if cursor.sweep or cursor.due_ms <= due_ms:
        return cursor
    return Cursor(connection=cursor.connection, what=cursor.what, due_ms=due_ms)


def next_sweep_ms(rule: Rule, every_s: float, now_ms: int) -> int:
    """When the next sweep is due after one that ended at `now_ms`."""
    if rule == "off":
        return NEVER_MS
    if rule == "continuous":
        return now_ms + int(every_s * 1_000)
    times = croniter(rule, datetime.fromtimestamp(now_ms / 1_000, UTC))  # type: ignore[no-untyped-call]  # croniter has no types
    moment: datetime = times.get_next(datetime)  # type: ignore[no-untyped-call]  # as above
    return int(moment.timestamp() * 1_000)


def key_of(cursor: Cursor) -> str:
    """The key of a cursor in `poll.v1`."""
    return f"{cursor.connection}/{cursor.what}"
