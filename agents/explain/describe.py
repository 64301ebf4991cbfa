"""One decision ─▶ its step: what it changed, said and asked for, read off the decision and the two rows alone."""

from collections.abc import Iterator

import msgspec

from agents.explain.step import Asked, Number, Said, Step, Told
from agents.stock import audit
from agents.stock.draft import Draft
from agents.stock.plan import Plan, plan_of
from agents.stock.warehouse import value_of
from models.agent import Count, Decision, Record, View
from models.config import ChannelConfig
from models.facts import ChannelShown, StockMoved
from models.hint import ReadItem
from models.level import Level
from models.stock_row import Place, StockRow
from models.stock_row import Told as LastTold

FIRST, CHANGED, DETAILS, AGAIN = "first", "changed", "details", "again"
_NO_PLACE = Place()


def step(view: View, record: Record, after: StockRow | None, decision: Decision, *, stopped: str | None) -> Step:
    """What `decision` on `record` did. `stopped`: the full reading that stopped with it."""
    plan = plan_of(view.config)
    before: StockRow | None = view.row
    said = tuple(_said(plan, before, emit.value) for emit in decision.emits if isinstance(emit.value, Level))
    return Step(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        sequence=record.sequence,
        time_ms=record.time_ms,
        event=type(record.body).__name__,
        fact=record.body,
        did=tuple(Told(metric=count.metric, labels=count.labels, value=count.value) for count in decision.counts),
        owner=_owner(plan, record),
        unproved=" and ".join(_unproved(plan, before, record, decision)),
        numbers=dict(_numbers(before, after)),
        said=said,
        silent=dict(_silent(plan, before, after, record, {one.channel for one in said})) if after is not before else {},
        asked=tuple(
            Asked(connection=emit.value.connection, item=emit.value.item, why=emit.value.why)
            for emit in decision.emits
            if isinstance(emit.value, ReadItem)
        ),
        refused=tuple(dead.reason for dead in decision.dead),
        stopped=stopped,
        row=after if after is not before else None,
    )


def unusable(record: Record, reason: str) -> Step:
    """A record that nobody understands."""
    return Step(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        sequence=record.sequence,
        time_ms=record.time_ms,
        event="Unusable",
        fact=None,
        refused=(reason,),
    )


def differences(ours: StockRow | None, theirs: StockRow) -> list[str]:
    """Where two rows differ, member by member; members added to the rows later are compared as well."""
    return list(_differing("", msgspec.to_builtins(ours), msgspec.to_builtins(theirs)))


def _differing(path: str, ours: object, theirs: object) -> Iterator[str]:
    if ours == theirs:
        return
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in dict.fromkeys((*ours, *theirs)):
            yield from _differing(f"{path}.{name}" if path else str(name), ours.get(name), theirs.get(name))
        return
    yield f"{path or 'row'} is {theirs} in the table, {ours} by the records"


def _owner(plan: Plan, record: Record) -> str | None:
    body = record.body
    return plan.owners.get((body.place, body.seller)) if isinstance(body, StockMoved) and body.seller is not None else None


def _unproved(plan: Plan, before: StockRow | None, record: Record, decision: Decision) -> Iterator[str]:
    """What keeps a look from proving anything, where that was its verdict: as `audit.on_shown` asks the row before it."""
    look = record.body
    if not isinstance(look, ChannelShown) or Count("channel_audit_total", (look.connection, "not_quiet")) not in decision.counts:
        return
    draft, config = Draft(plan, before, record, {}), plan.channels[look.connection]
    channel = draft.channel(look.connection)
    if channel.told is not None and not channel.told.taken:
        yield "its last number is not taken (yet)"
    if channel.told is None and audit.is_opened(channel, config):
        yield "nothing has been told there yet"
    if channel.open:
        yield "an order line is open"
    if channel.hold:
        yield "a raise waits"
    for place in config.places:
        value = draft.value(place)
        if value is None:
            yield f"{place} was never read"
        elif not value.exact:
            yield f"moves at {place} are in doubt"


def _numbers(before: StockRow | None, after: StockRow | None) -> Iterator[tuple[str, Number]]:
    was = {} if before is None else before.wh
    now = {} if after is None else after.wh
    for name in dict.fromkeys((*was, *now)):
        old, new = value_of(was.get(name, _NO_PLACE)), value_of(now.get(name, _NO_PLACE))
        low_before, low = None if old is None else old.low, None if new is None else new.low
        high_before, high = None if old is None else old.high, None if new is None else new.high
        if (low_before, high_before) != (low, high):
            yield name, Number(low_before=low_before, low=low, high_before=high_before, high=high)


def _said(plan: Plan, before: StockRow | None, level: Level) -> Said:
    config = plan.channels[level.connection]
    channel = None if before is None else before.ch.get(level.connection)
    last = None if channel is None else channel.told
    level_before = None if last is None else last.value if last.level is None else last.level
    return Said(
        channel=level.connection,
        sequence=level.sequence,
        level=level.level,
        total=level.total,
        why=_why(last, level),
        level_before=level_before,
        total_before=None if last is None or level.total is None else last.value,
        parts=level.parts if config.stores or len(level.parts) > 1 else {},
        costs=level.costs,
        presence=tuple(place for place in level.parts if config.stores.get(place) in config.presence),
    )


def _why(last: LastTold | None, level: Level) -> str:
    if last is None:
        return FIRST
    if last.value != (level.level if level.total is None else level.total):
        return CHANGED
    return DETAILS if last.costs != level.costs or (last.parts is not None and last.parts != level.parts) else AGAIN


def _silent(plan: Plan, before: StockRow | None, after: StockRow | None, record: Record, told: set[str]) -> Iterator[tuple[str, str]]:
    """Why a channel, whose places or whose own side changed, was not told a number."""
    draft = Draft(plan, after, record, {})
    was = Draft(plan, before, record, {})
    for name, config in plan.channels.items():
        concerned = draft.channel(name) is not was.channel(name) or any(draft.value(place) != was.value(place) for place in config.places)
        if concerned and name not in told:
            yield name, _reason(draft, name, config)


def _reason(draft: Draft, name: str, config: ChannelConfig) -> str:
    unread = [place for place in config.places if draft.value(place) is None]
    if unread:
        return f"{' and '.join(unread)} not read yet"
    if not any(draft.place(place).stocked for place in config.places):
        return "no warehouse keeps stock of it"
    channel = draft.channel(name)
    if not audit.is_opened(channel, config):
        return f"not opened yet: what it shows is not known (starts_at = {config.starts_at})"
    return "a raise waits for moves that may be late" if channel.hold else "its number stays the same"
