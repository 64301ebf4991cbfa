"""One record of `fact.stock.v1` and the row of its SKU: what changes, and what is to be told.

Read `decide` first; each fact has its handler, and after every record the same steps follow (`_settle`).
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from agents.stock import ask, audit, drift, line, move, reading, say, seller
from agents.stock.draft import Draft
from agents.stock.plan import plan_of
from models import facts
from models.agent import Count, Decision, Record, View
from models.config import ChannelConfig
from models.message import ConfigChanged, Tick
from models.stock_row import StockRow


def decide(view: View, record: Record) -> Decision:
    """The decision on one record. Pure: "now" is the record's time, the configuration is the view's."""
    plan = plan_of(view.config)
    row: StockRow | None = view.row
    if row is not None and is_replayed(row, record):
        connection = getattr(record.body, "connection", "")
        return Decision(emits=say.say_told(plan, row, record.key), counts=(Count("replayed_records_total", (connection,)),))
    draft = Draft(plan, row, record, view.shared)
    _HANDLERS[type(record.body)](draft, record.body)
    _settle(draft)
    return _decision(draft, row)


def is_replayed(row: StockRow, record: Record) -> bool:
    """K1: the row has this record already."""
    return record.sequence <= row.at


def _on_resend(draft: Draft, fact: facts.Resend) -> None:
    channel = draft.channel(fact.connection)
    if channel.told is None or fact.connection not in draft.plan.channels:
        return
    draft.say_again.add(fact.connection)
    if fact.again_after_ms:
        draft.put_channel(fact.connection, replace(channel, again_ms=draft.now + fact.again_after_ms))


def _on_woken(draft: Draft, _fact: Tick | ConfigChanged) -> None:
    """A timer, or another configuration: what follows every record is all there is to do, but places may be gone."""
    if any(place not in draft.plan.warehouses for place in draft.wh):
        draft.wh = {name: place for name, place in draft.wh.items() if name in draft.plan.warehouses}


_HANDLERS: dict[type, Callable[[Draft, Any], None]] = {
    facts.StockMoved: move.on_moved,
    facts.StockCounted: reading.on_counted,
    facts.CorrectionAccepted: reading.on_accepted,
    facts.LinePlaced: line.on_placed,
    facts.LineReserved: line.on_reserved,
    facts.LineCounted: line.on_counted,
    facts.LineDropped: line.on_dropped,
    facts.ChannelShown: audit.on_shown,
    facts.Told: audit.on_told,
    facts.SkuUnknown: audit.on_unknown,
    facts.Resend: _on_resend,
    Tick: _on_woken,
    ConfigChanged: _on_woken,
}


def _settle(draft: Draft) -> None:
    """What follows every record: close lines, end waits, look after audits and questions, and tell."""
    plan = draft.plan
    for name, channel in draft.ch.items():
        config = plan.channels.get(name)
        if config is not None and (
            channel.open or channel.done or channel.ids or channel.hold or channel.look or channel.again_ms is not None
        ):
            _settle_channel(draft, name, config)
    for name, place in draft.wh.items():
        warehouse = plan.warehouses.get(name)
        if warehouse is not None:
            settled = ask.ask(draft, name, drift.settle(draft, name, place, warehouse.connection), warehouse)
            if settled is not place:
                draft.note_place(name, settled)
    for name, config in plan.channels.items():
        say.say(draft, name, config)


def _settle_channel(draft: Draft, name: str, config: ChannelConfig) -> None:
    line.close_lines(draft, name)
    channel = old = draft.channel(name)
    if channel.done:
        channel = line.forget(channel, config.keep_ms, config.cap, draft.now)
    if channel.ids:
        channel = seller.forget(channel, config.keep_ms, config.cap, draft.now)
    if channel.hold:
        channel = seller.release(channel, draft.now)
    if channel.again_ms is not None and channel.again_ms <= draft.now:
        draft.say_again.add(name)
        channel = replace(channel, again_ms=None)
    if channel is not old:
        draft.put_channel(name, channel)
    if channel.open:
        draft.count("own_line_uncovered_units", name, value=float(draft.uncovered(name)))
    if channel.look is not None:
        audit.follow(draft, name)


def _decision(draft: Draft, row: StockRow | None) -> Decision:
    """The row is written only if the record changed it: one that did not may be applied again without harm."""
    wants = due(draft)
    changed = bool(draft.wh or draft.ch) if row is None else draft.wh is not row.wh or draft.ch is not row.ch or wants != row.due
    return Decision(
        row=StockRow(draft.record.sequence, wants, draft.wh, draft.ch) if changed else None,
        shared=draft.shared,
        emits=tuple(draft.emits),
        dead=tuple(draft.dead),
        counts=tuple(draft.counts),
    )


def due(draft: Draft) -> int | None:
    """When the row wants a `Tick`: a question, the end of a wait, or what is left of a drift."""
    dues = []
    for place in draft.wh.values():
        if place.ask is not None:
            dues.append(place.ask.due_ms)
        if place.drift is not None and place.drift.due_ms > draft.now:
            dues.append(place.drift.due_ms)
    for name, channel in draft.ch.items():
        if name in draft.plan.channels:
            dues.extend(hold.due_ms for hold in channel.hold)
            if channel.again_ms is not None:
                dues.append(channel.again_ms)
    return min(dues, default=None)
