"""When to read a SKU once at a warehouse, and the hint that makes it happen (W4, C3).

A reading settles a move only if it was asked for after the move, so it waits for the largest `hi_ms` in doubt; and it
is asked for again at 1, 2, 4 ... 60 s until one is clean, so that a lost hint heals itself.
"""

import msgspec
from msgspec.structs import replace

from agents.stock.draft import Draft
from models.agent import Emit
from models.config import WarehouseConfig
from models.hint import ReadItem
from models.stock_row import Ask, Place

BACKOFF_MAX_MS = 60_000


class Want(msgspec.Struct, frozen=True, gc=False):
    """A reading asked for at `from_ms` or later would help, because of `why`."""

    from_ms: int
    why: str


def wanted(draft: Draft, name: str, place: Place) -> Want | None:
    """W4 and C3: whether, why and from when on a reading is wanted; None without an item to ask for."""
    if place.item is None:
        return None
    staleness = draft.plan.warehouses[name].clock.staleness_ms
    value = draft.value(name)
    if value is None:
        return Want(max(place.t1 + staleness + 1, draft.now) if place.folded else draft.now, "never read")
    wants = []
    if value.unclear_hi is not None:
        wants.append(Want(value.unclear_hi + staleness + 1, "unclear move"))
    if place.folded:
        wants.append(Want(place.t1 + staleness + 1, "moves forgotten"))
    for channel in draft.plan.fed[name]:
        row = draft.ch.get(channel)
        if row is None:
            continue
        if row.open:
            wants.extend(_for_lines(draft, name, channel, staleness))
        if row.look is not None and row.look.second_ms is not None and place.t0 + staleness <= row.look.second_ms:
            wants.append(Want(row.look.second_ms + 1, "audit"))
    return max(wants, key=_from) if wants else None


def _for_lines(draft: Draft, name: str, channel: str, staleness: int) -> list[Want]:
    """C3: some live unit is not in the warehouse's number, and a line's reservation was shown."""
    shown = [line.by_ms for line in draft.channel(channel).open if line.place == name and line.by_ms is not None]
    return [Want(max(shown) + staleness + 1, "open line")] if shown and draft.uncovered(channel) > 0 else []


def _from(want: Want) -> int:
    return want.from_ms


def backoff_ms(tries: int) -> int:
    """How long to wait after the `tries`-th hint."""
    return min(BACKOFF_MAX_MS, 1_000 << min(tries - 1, 6))


def ask(draft: Draft, name: str, place: Place, config: WarehouseConfig) -> Place:
    """The place with its question as it should be now; a hint goes out if that is due."""
    want = wanted(draft, name, place)
    old = place.ask
    if want is None:
        if old is None:
            return place
        draft.count("stock_unclear_seconds", config.connection, value=(draft.now - old.since_ms) / 1000)
        return replace(place, ask=None)
    new = question(old, want, draft.now, config.clock.staleness_ms)
    if new.due_ms <= draft.now:
        draft.emits.append(_hint(draft, name, place, config, want))
        new = Ask(draft.now + backoff_ms(new.tries + 1), new.tries + 1, new.since_ms)
    return place if new == old else replace(place, ask=new)


def question(old: Ask | None, want: Want, now: int, staleness_ms: int) -> Ask:
    """When to ask. A steady stream of moves in doubt puts it off, but by no more than the longest back-off."""
    if old is None:
        return Ask(want.from_ms, 0, now)
    due = min(want.from_ms, old.since_ms + BACKOFF_MAX_MS + staleness_ms)
    return Ask(max(due, old.due_ms) if old.tries else due, old.tries, old.since_ms)


def _hint(draft: Draft, name: str, place: Place, config: WarehouseConfig, want: Want) -> Emit:
    item = place.item or ""
    hint = ReadItem(connection=config.connection, item=item, why=want.why, sku=draft.sku)
    return Emit(topic=draft.plan.hint_topics[name], key=item, value=hint, conflate=True)
