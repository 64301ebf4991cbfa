"""Orders mode: a channel's own order lines, from the order side, and the readings they need (C2, C3).

A line is told before the warehouse is asked; it closes when a reading began after its reservation was shown.
"""

from decimal import Decimal

from msgspec.structs import replace

from agents.stock import channel as channels
from agents.stock.draft import Draft
from models.facts import LineCounted, LineDropped, LinePlaced, LineReserved
from models.stock_row import ZERO, Channel, Closed, Line

Fact = LinePlaced | LineReserved | LineCounted | LineDropped
_POISON = "PoisonError"


def on_placed(draft: Draft, fact: LinePlaced) -> None:
    """A new line opens; one that is known changes nothing; one that may be forgotten already is for a person."""
    channel = _channel(draft, fact)
    if channel is None or open_line(channel, fact.line) is not None or is_closed(channel, fact.line):
        return
    if fact.quantity <= 0:
        draft.park(_POISON, f"line {fact.line} sells {fact.quantity}: a line must sell more than 0; correct the order in {fact.connection}")
        return
    if is_too_old(draft, channel, fact):
        draft.park(
            _POISON, f"line {fact.line} was first said too long ago to know whether it was counted: count {fact.sku} and correct by hand"
        )
        return
    line = Line(fact.line, fact.place, fact.quantity, ZERO, None, draft.now)
    draft.put_channel(fact.connection, replace(channel, counted=channel.counted + fact.quantity, open=(*channel.open, line)))


def on_reserved(draft: Draft, fact: LineReserved) -> None:
    """The earliest answer that showed the reservation counts."""
    channel = _channel(draft, fact)
    line = None if channel is None else open_line(channel, fact.line)
    if channel is None or line is None or (line.by_ms is not None and line.by_ms <= fact.by_ms):
        return
    draft.put_channel(fact.connection, with_line(channel, replace(line, by_ms=fact.by_ms)))


def on_counted(draft: Draft, fact: LineCounted) -> None:
    """The channel counts less of the line as sold. A line that is forgotten is taken off all the same."""
    channel = _channel(draft, fact)
    if channel is None or fact.now >= fact.was:
        return
    line = open_line(channel, fact.line)
    if line is not None:
        gone = max(ZERO, line.live - fact.now)
        changed = with_line(channel, replace(line, live=line.live - gone, dead=line.dead + gone))
    else:
        gone = taken_back(channel, fact)
        changed = with_tombstone(channel, Closed(fact.line, fact.now, draft.now)) if gone else channel
    if gone:
        draft.put_channel(fact.connection, replace(changed, counted=channel.counted - gone))


def on_dropped(draft: Draft, fact: LineDropped) -> None:
    """A line that the warehouse will never have; the channel must have taken it back before."""
    channel = _channel(draft, fact)
    line = None if channel is None else open_line(channel, fact.line)
    if channel is None or line is None:
        return
    if line.live != 0:
        draft.park(
            _POISON, f"line {fact.line} is dropped while {fact.connection} still counts {line.live} of it as sold: cancel it there first"
        )
        return
    draft.put_channel(fact.connection, closed(channel, (line,), draft.now))


def close_lines(draft: Draft, name: str) -> None:
    """C2: after every record, lines whose reservation is surely in the base are closed."""
    channel = draft.channel(name)
    done = tuple(line for line in channel.open if _is_done(draft, line))
    if not done:
        return
    for line in done:
        draft.count("own_line_open_seconds", name, value=(draft.now - line.since_ms) / 1000)
    draft.put_channel(name, closed(channel, done, draft.now))


def _is_done(draft: Draft, line: Line) -> bool:
    place = draft.place(line.place)
    return place.base is not None and channels.closes(line.by_ms, place.t0)


def closed(channel: Channel, lines: tuple[Line, ...], now: int) -> Channel:
    """The channel with `lines` turned into tombstones."""
    kept = tuple(line for line in channel.open if line not in lines)
    tombs = tuple(Closed(line.line, line.live, now) for line in lines)
    return replace(channel, open=kept, done=(*channel.done, *tombs))


def forget(channel: Channel, keep_ms: int, cap: int, now: int) -> Channel:
    """Tombstones go after `keep_ms`, and the oldest for lack of room: then the floor says from when on they may be missing."""
    done = channel.done
    if len(done) <= cap and done[0].at_ms >= now - keep_ms:
        return channel
    kept = tuple(tomb for tomb in done if tomb.at_ms >= now - keep_ms)
    dropped, kept = kept[: max(0, len(kept) - cap)], kept[max(0, len(kept) - cap) :]
    floor = max((tomb.at_ms for tomb in dropped), default=channel.floor_ms)
    if channel.floor_ms is not None and floor is not None:
        floor = max(floor, channel.floor_ms)
    return replace(channel, done=kept, floor_ms=floor)


def open_line(channel: Channel, name: str) -> Line | None:
    """The open line of that name."""
    return next((line for line in channel.open if line.line == name), None)


def is_closed(channel: Channel, name: str) -> bool:
    """Whether there is a tombstone of that name."""
    return any(tomb.line == name for tomb in channel.done)


def is_too_old(draft: Draft, channel: Channel, fact: LinePlaced) -> bool:
    """Whether the line's tombstone may be gone already."""
    if channel.floor_ms is not None and fact.said_ms <= channel.floor_ms:
        return True
    return fact.said_ms < draft.now - draft.plan.channels[fact.connection].keep_ms


def taken_back(channel: Channel, fact: LineCounted) -> Decimal:
    """How much less a line that is not open counts now: by its tombstone, or as the fact says when that is gone."""
    for tomb in channel.done:
        if tomb.line == fact.line:
            return max(ZERO, tomb.live - fact.now)
    return fact.was - fact.now


def with_line(channel: Channel, line: Line) -> Channel:
    """The channel with an open line changed."""
    return replace(channel, open=tuple(line if old.line == line.line else old for old in channel.open))


def with_tombstone(channel: Channel, tomb: Closed) -> Channel:
    """The channel with the tombstone lowered where it stands; a line that was forgotten gets one, so that a repeat is known."""
    if is_closed(channel, tomb.line):
        lowered = (replace(old, live=tomb.live) if old.line == tomb.line else old for old in channel.done)
        return replace(channel, done=tuple(lowered))
    return replace(channel, done=(*channel.done, tomb))


def _channel(draft: Draft, fact: Fact) -> Channel | None:
    """The channel the fact speaks of; order lines of any other than a configured orders-mode channel are for a person."""
    config = draft.plan.channels.get(fact.connection)
    if config is not None and config.orders_mode:
        return draft.channel(fact.connection)
    draft.park(
        _POISON,
        f"order line {fact.line} of {fact.connection}, which is no channel in orders mode: add an [[orders]] route or resolve by hand",
    )
    return None
