"""Seller mode: a channel whose orders go to the warehouse past us is known by its seller id only.

Own moves are summed up in `counted`, each once; a raise that a reading had part in waits for moves that may be late.
Needed for incremental channels only: an absolute one is told what the warehouse has.
"""

from decimal import Decimal

from msgspec.structs import replace

from agents.stock.draft import Draft
from models.facts import StockMoved
from models.stock_row import Channel, Heard, Hold


def is_heard(channel: Channel, move_id: str) -> bool:
    """Whether the own move was counted before."""
    return any(heard.id == move_id for heard in channel.ids)


def counts(channel: Channel, fact: StockMoved) -> bool:
    """Whether an unheard own move counts: in doubt only what lowers the channel's total does.

    In doubt are moves without time or id, and those up to the floor, whose ids may be forgotten.
    """
    if fact.lo_ms is None or fact.stamp_ms is None:
        return fact.delta > 0
    if channel.floor_ms is not None and fact.stamp_ms <= channel.floor_ms:
        return fact.delta > 0
    return True


def on_own_move(draft: Draft, name: str, fact: StockMoved, *, late: bool) -> None:
    """Count an own move of channel `name` once, remembered by the warehouse side or not (`late`: it was in the base)."""
    config = draft.plan.channels[name]
    channel = draft.channel(name)
    if not config.incremental or is_heard(channel, fact.id) or not counts(channel, fact):
        return
    ids = tuple(sorted((*channel.ids, Heard(fact.id, fact.stamp_ms)), key=_stamp))
    hold = channel.hold
    if late and fact.delta < 0:
        hold = held(draft, name, channel, -fact.delta)
    draft.put_channel(name, replace(channel, counted=channel.counted - fact.delta, ids=ids, hold=hold))


def on_low_risen(draft: Draft, place: str, risen: Decimal) -> None:
    """A reading raised what is certain at `place`: it may have an own cancellation in it that we hear of later."""
    for name in draft.plan.fed[place]:
        config = draft.plan.channels[name]
        if config.incremental and not config.orders_mode:
            channel = draft.channel(name)
            draft.put_channel(name, replace(channel, hold=held(draft, name, channel, risen)))


def held(draft: Draft, name: str, channel: Channel, amount: Decimal) -> tuple[Hold, ...]:
    """The holds with one more; for lack of room the two oldest become one that waits as long as the later of them."""
    config = draft.plan.channels[name]
    draft.count("stock_hold_units", name, value=float(amount))
    hold = (*channel.hold, Hold(draft.now + config.lag_ms, amount))
    if len(hold) > config.cap:
        first, second, *rest = hold
        hold = (Hold(max(first.due_ms, second.due_ms), first.amount + second.amount), *rest)
    return hold


def release(channel: Channel, now: int) -> Channel:
    """Let go of what waited long enough."""
    kept = tuple(hold for hold in channel.hold if hold.due_ms > now)
    return channel if len(kept) == len(channel.hold) else replace(channel, hold=kept)


def forget(channel: Channel, keep_ms: int, cap: int, now: int) -> Channel:
    """Ids go after `keep_ms`, and the oldest for lack of room; the floor rises to their stamps."""
    ids = channel.ids
    if len(ids) <= cap and _stamp(ids[0]) >= now - keep_ms:
        return channel
    over = len(ids) - cap
    gone = [heard for index, heard in enumerate(ids) if index < over or is_old(heard, now - keep_ms)]
    if not gone:
        return channel
    stamps = [heard.stamp_ms for heard in gone if heard.stamp_ms is not None]
    if channel.floor_ms is not None:
        stamps.append(channel.floor_ms)
    return replace(channel, ids=tuple(heard for heard in ids if heard not in gone), floor_ms=max(stamps, default=None))


def is_old(heard: Heard, before_ms: int) -> bool:
    """Whether the id is kept long enough; one without a stamp stays as long as there is room."""
    return heard.stamp_ms is not None and heard.stamp_ms < before_ms


def _stamp(heard: Heard) -> int:
    return -1 if heard.stamp_ms is None else heard.stamp_ms
