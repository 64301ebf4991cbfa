"""inbound → `fact.stock.v1`, `hint.<c>.v1`, `review.v1`: observations become facts, with the SKU from the item's row. Pure.

A move of an unknown item waits in the row behind a hint, asked again with back-off until an answer names the item.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from agents.translate import clock as source_clock
from agents.translate import interval
from models import topics
from models.agent import Count, Dead, Decision, Emit, Rank, Record, View
from models.config import TranslateConfig
from models.errors import PoisonError
from models.facts import ChannelShown, StockCounted, StockMoved
from models.hint import ReadItem
from models.inbound import Inbound
from models.item_row import ClockRow, ItemRow, WaitingMove
from models.message import ConfigChanged, Message, Tick
from models.observation import Ignored, ItemGone, MoveSeen, Observation, ReadingSeen, ReadWanted, ShownSeen, UnnamedSeen
from models.review import OfferUnnamed

CLOCK = "@clock"
ASK_AGAIN_MAX_S = 60

Translate = Callable[[bytes, Inbound], list[Observation]]


class Seen(NamedTuple):
    """One inbound record, ready to be judged."""

    item: str
    record: Record
    inbound: Inbound
    clock: ClockRow | None
    config: TranslateConfig


class Step(NamedTuple):
    """What one observation does: the row after it, and what goes out."""

    row: ItemRow
    emits: tuple[Emit, ...] = ()
    counts: tuple[Count, ...] = ()
    dead: tuple[Dead, ...] = ()


def decide(translate: Translate, view: View, record: Record) -> Decision:
    """Judge one record: an element from outside, a `Tick` for a row that is due, or new configuration (nothing to do).

    What the row has seen already was said then, before the row was written: nothing is said again.
    """
    row: ItemRow = view.row or ItemRow()
    if record.sequence <= row.at:
        return Decision()
    match record.body:
        case Tick():
            return _settle(view, record, on_tick(row, view, record))
        case ConfigChanged():
            return Decision()
        case body:
            return _on_element(translate, view, record, body)


def _on_element(translate: Translate, view: View, record: Record, body: bytes) -> Decision:
    try:
        inbound = Inbound.of(record.headers)
        observations = translate(body, inbound)
    except PoisonError as error:
        return _unusable(str(error))
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        return _unusable(f"its headers are not those of an inbound record: {error}")
    known: ClockRow | None = view.shared.get(CLOCK)
    learned, stepped = source_clock.learn(known, inbound, record.sequence)
    seen = Seen(view.key, record, inbound, learned, view.config)
    step = Step(view.row or ItemRow())
    for observation in observations:
        after = observe(step.row, observation, seen)
        step = Step(after.row, step.emits + after.emits, step.counts + after.counts, step.dead + after.dead)
    if learned is None or learned is known:
        return _settle(view, record, step)
    counts = step.counts + _clock_counts(view.config.connection, learned, stepped=stepped)
    return _settle(view, record, step._replace(counts=counts), shared={CLOCK: learned})


def _settle(view: View, record: Record, step: Step, shared: dict[str, ClockRow] | None = None) -> Decision:
    """The decision of a step; a row that says nothing new is not written."""
    changed = step.row != (view.row or ItemRow())
    row = msgspec.structs.replace(step.row, at=record.sequence) if changed else None
    return Decision(row=row, shared=shared or {}, emits=step.emits, counts=step.counts, dead=step.dead)


def _unusable(reason: str) -> Decision:
    return Decision(dead=(Dead(error=PoisonError.__name__, reason=reason),))


def observe(row: ItemRow, observation: Observation, seen: Seen) -> Step:
    """What one observation does."""
    match observation:
        case Ignored(event):
            return Step(row, counts=(_ignored(seen, event),))
        case ShownSeen(sku, shown, stores):
            asked_ms, answered_ms = seen.inbound.asked_ms or seen.inbound.received_ms, seen.inbound.answered_ms or seen.inbound.received_ms
            fact = ChannelShown(
                connection=seen.config.connection, sku=sku, shown=shown, asked_ms=asked_ms, answered_ms=answered_ms, stores=stores
            )
            named = (_review(seen, None),) if row.unnamed else ()
            return Step(msgspec.structs.replace(row, unnamed=False), (_fact(sku, fact), *named))
        case of_item if of_item.item != seen.item:
            reason = f"it speaks of item {of_item.item} under the key {seen.item}: write it again under the item's own key"
            return Step(row, dead=(Dead(error=PoisonError.__name__, reason=reason),))
        case of_item:
            return _observe_item(row, of_item, seen)


def _observe_item(row: ItemRow, observation: MoveSeen | ReadingSeen | ReadWanted | ItemGone | UnnamedSeen, seen: Seen) -> Step:
    match observation:
        case UnnamedSeen():
            return on_unnamed(row, seen)
        case ReadingSeen():
            return on_reading(row, observation, seen)
        case _ if seen.config.place is None:
            return Step(row, counts=(_ignored(seen, type(observation).__name__),))
        case MoveSeen():
            return on_move(row, observation, seen)
        case ReadWanted(_, why):
            return Step(row, (_hint(seen.config, seen.item, why, row.sku),))
        case ItemGone():
            return on_gone(row, seen)


def on_move(row: ItemRow, move: MoveSeen, seen: Seen) -> Step:
    """A fact at once, or a wait behind a hint while the item is unknown.

    Beyond `waiting_max` the record is parked as a dead letter, and no answer is believed that may not have counted it.
    """
    span = interval.of_move(move, seen.inbound.received_ms, seen.clock, seen.config.clock)
    waiting = WaitingMove(
        id=seen.record.origin if move.id is None else move.id,
        lo_ms=span.lo_ms,
        hi_ms=span.hi_ms,
        delta=move.delta,
        seller=move.seller,
        stamp_ms=move.stamp_ms,
    )
    counts = _delay_counts(move, seen)
    if row.sku is not None:
        return Step(row, (_moved(waiting, row.sku, seen),), counts)
    if any(earlier.id == waiting.id for earlier in row.waiting):
        return Step(row, counts=counts)
    if len(row.waiting) >= seen.config.waiting_max:
        parked_ms = max(span.hi_ms, row.parked_ms or span.hi_ms)
        reason = f"{len(row.waiting)} moves wait for the SKU of item {seen.item}: send it again when the item can be read"
        dead = Dead(error=PoisonError.__name__, reason=reason)
        return Step(msgspec.structs.replace(row, parked_ms=parked_ms), counts=counts, dead=(dead,))
    row = msgspec.structs.replace(row, waiting=(*row.waiting, waiting))
    if row.due is not None:
        return Step(row, counts=counts)
    row, hint = _ask(row, seen.config, seen.item, seen.record.time_ms)
    return Step(row, (hint,), counts)


def on_reading(row: ItemRow, reading: ReadingSeen, seen: Seen) -> Step:
    """Learn the item, let the waiting moves go, then say the reading; a SKU that the item no longer has reads as 0."""
    t0_ms, t1_ms = interval.of_reading(seen.inbound, seen.config.clock)
    renamed = row.sku is not None and row.sku != reading.sku
    if renamed and t0_ms <= row.since_ms:
        return Step(row, counts=(_ignored(seen, "older name"),))
    known = row if row.sku == reading.sku else msgspec.structs.replace(row, sku=reading.sku, since_ms=t1_ms)
    if seen.config.place is None:
        return Step(known, counts=(_ignored(seen, "ReadingSeen"),))
    emits = [_moved(move, reading.sku, seen) for move in row.waiting]
    known = msgspec.structs.replace(known, waiting=())
    if row.parked_ms is not None and t0_ms <= row.parked_ms:
        return Step(known, tuple(emits))
    emits += [_counted(row.sku, seen)] if renamed and row.sku is not None else []
    emits.append(_counted(reading.sku, seen, reading))
    return Step(msgspec.structs.replace(known, due=None, tries=0, parked_ms=None), tuple(emits))


def on_gone(row: ItemRow, seen: Seen) -> Step:
    """A known item reads as 0. Of an unknown one, the moves from before the question were of nothing we could ever sell."""
    t0_ms, _ = interval.of_reading(seen.inbound, seen.config.clock)
    emits = () if row.sku is None else (_counted(row.sku, seen),)
    left = tuple(move for move in row.waiting if move.hi_ms >= t0_ms)
    counts = (_ignored(seen, "move of an item that is gone"),) * (len(row.waiting) - len(left))
    if left or (row.parked_ms is not None and t0_ms <= row.parked_ms):
        return Step(msgspec.structs.replace(row, waiting=left), emits, counts)
    return Step(msgspec.structs.replace(row, waiting=(), due=None, tries=0, parked_ms=None), emits, counts)


def on_unnamed(row: ItemRow, seen: Seen) -> Step:
    """A person is shown it once."""
    counts = (_ignored(seen, "offer without SKU"),)
    if row.unnamed:
        return Step(row, counts=counts)
    matter = OfferUnnamed(connection=seen.config.connection, offer=seen.item, at_ms=seen.record.time_ms)
    return Step(msgspec.structs.replace(row, unnamed=True), (_review(seen, matter),), counts)


def on_tick(row: ItemRow, view: View, record: Record) -> Step:
    """Ask again when it is time."""
    if row.due is None or row.due > record.body.now_ms:
        return Step(row)
    row, hint = _ask(row, view.config, view.key, record.body.now_ms)
    return Step(row, (hint,))


def _ask(row: ItemRow, config: TranslateConfig, item: str, now_ms: int) -> tuple[ItemRow, Emit]:
    """A hint now, and the time of the next one: after 1, 2, 4 ... 60 s."""
    wait_s = min(1 << min(row.tries, 6), ASK_AGAIN_MAX_S)
    asked = msgspec.structs.replace(row, due=now_ms + wait_s * 1_000, tries=row.tries + 1)
    return asked, _hint(config, item, "unknown item" if row.sku is None else "parked move", row.sku)


def _hint(config: TranslateConfig, item: str, why: str, sku: str | None) -> Emit:
    hint = ReadItem(connection=config.connection, item=item, why=why, sku=sku)
    return Emit(topic=topics.hint(config.connection), key=item, value=hint)


def _fact(sku: str, fact: Message) -> Emit:
    return Emit(rank=Rank.FACT, topic=topics.FACT_STOCK, key=sku, value=fact)


def _moved(move: WaitingMove, sku: str, seen: Seen) -> Emit:
    place = seen.config.place or ""
    return _fact(sku, StockMoved(connection=seen.config.connection, place=place, sku=sku, item=seen.item, **msgspec.structs.asdict(move)))


def _counted(sku: str, seen: Seen, reading: ReadingSeen | None = None) -> Emit:
    """What was read of this SKU; without a reading there is none of it."""
    t0_ms, t1_ms = interval.of_reading(seen.inbound, seen.config.clock)
    fact = StockCounted(
        connection=seen.config.connection,
        place=seen.config.place or "",
        sku=sku,
        item=seen.item,
        value=reading.value if reading else Decimal(0),
        t0_ms=t0_ms,
        t1_ms=t1_ms,
        sweep=seen.inbound.sweep,
        stocked=reading.stocked if reading else True,
        cost=reading.cost if reading else None,
    )
    return _fact(sku, fact)


def _review(seen: Seen, matter: OfferUnnamed | None) -> Emit:
    return Emit(topic=topics.REVIEW, key=f"unnamed/{seen.config.connection}/{seen.item}", value=matter)


def _ignored(seen: Seen, event: str) -> Count:
    return Count("inbound_ignored_total", (seen.config.connection, event))


def _delay_counts(move: MoveSeen, seen: Seen) -> tuple[Count, ...]:
    if move.stamp_ms is None or seen.clock is None:
        return ()
    delay_ms = seen.inbound.received_ms - (move.stamp_ms - seen.clock.middle_ms)
    return (Count("stock_move_delay_seconds", (seen.config.connection,), delay_ms / 1_000),)


def _clock_counts(connection: str, clock: ClockRow, *, stepped: bool) -> tuple[Count, ...]:
    offset = Count("source_clock_offset_seconds", (connection,), clock.middle_ms / 1_000)
    width = Count("source_clock_width_seconds", (connection,), clock.width_ms / 1_000)
    return (offset, width, Count("source_clock_steps_total", (connection,))) if stepped else (offset, width)
