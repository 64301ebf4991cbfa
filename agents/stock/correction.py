"""Readings that are too far off are held until a second one, or a person, agrees (K5).

A full list reading with too many of them stops: the rest of it is not adopted by this partition, and a person is called.
"""

from decimal import Decimal

from msgspec.structs import replace

from agents.stock import warehouse
from agents.stock.draft import Draft
from agents.stock.warehouse import Value
from models import topics
from models.agent import Emit
from models.facts import StockCounted
from models.review import SweepStopped
from models.stock_row import ZERO, Held, Place, SweepCount, SweepRow

SWEEP = "@sweep"
SWEEPS_KEPT = 4


def distance(expected: Value, found: Value) -> Decimal:
    """How far two ranges are apart; a folded one has no upper end."""
    if found.low > expected.high and not expected.folded:
        return found.low - expected.high
    if found.high < expected.low and not found.folded:
        return expected.low - found.high
    return ZERO


def agrees(place: Place, reading: Held, limit: Decimal) -> bool:
    """Whether the place would not change by more than `limit` if it adopted the reading; a place without base agrees with all."""
    expected = warehouse.value_of(place)
    found = warehouse.value_of(warehouse.adopt(place, reading.value, reading.t0, reading.t1))
    return expected is None or found is None or distance(expected, found) <= limit


def is_second(place: Place, reading: Held, limit: Decimal) -> bool:
    """Whether the reading began after the held one and says the same, moves allowed for."""
    held = place.held
    if held is None or reading.t0 <= held.t0:
        return False
    return agrees(warehouse.adopt(place, held.value, held.t0, held.t1), reading, limit)


def refuses(draft: Draft, fact: StockCounted, place: Place, reading: Held) -> bool:
    """Whether the reading is not applied now; the newest one that is too far off waits in the row."""
    config = draft.plan.warehouses[fact.place]
    if config.correction_limit is None:
        return False
    stopped = fact.sweep is not None and _is_stopped(draft, fact.place, fact.sweep)
    if agrees(place, reading, config.correction_limit):
        return stopped
    if not stopped and is_second(place, reading, config.correction_limit):
        return False
    if place.held is None or reading.t0 > place.held.t0:
        draft.note_place(fact.place, replace(place, held=reading))
    if fact.sweep is not None and not stopped:
        _count_held(draft, fact, fact.sweep)
    return True


def _sweeps(draft: Draft) -> SweepRow:
    row: SweepRow | None = draft.view_shared.get(SWEEP)
    return SweepRow(at=-1) if row is None else row


def _is_stopped(draft: Draft, place: str, sweep: str) -> bool:
    """Only records after the one that stopped it are concerned, so that a replay decides as before."""
    for known in _sweeps(draft).places.get(place, ()):
        if known.sweep == sweep:
            return known.stopped is not None and draft.record.sequence > known.stopped
    return False


def _count_held(draft: Draft, fact: StockCounted, sweep: str) -> None:
    row = _sweeps(draft)
    sequence = draft.record.sequence
    if sequence <= row.at:
        return
    known = row.places.get(fact.place, ())
    held = 1 + next((count.held for count in known if count.sweep == sweep), 0)
    config = draft.plan.warehouses[fact.place]
    stopped = sequence if held > config.held_max else None
    others = tuple(count for count in known if count.sweep != sweep)
    counts = (*others, SweepCount(sweep, held, stopped))[-SWEEPS_KEPT:]
    draft.shared[SWEEP] = SweepRow(at=sequence, places={**row.places, fact.place: counts})
    if stopped is None:
        return
    review = SweepStopped(
        connection=fact.connection,
        place=fact.place,
        sweep=sweep,
        held=held,
        held_max=config.held_max,
        partition=draft.record.partition,
        at_ms=draft.now,
    )
    draft.emits.append(Emit(topic=topics.REVIEW, key=f"sweep/{fact.place}/{sweep}", value=review))
