"""How far readings are off what the moves add up to: what remains is lost webhooks, or slack that is too narrow.

`amount` = (base + all moves in memory) - (the last exact value + every move handed over since). A reading that is ahead
of a late move makes it differ from 0; the move makes it 0 again. What is left after the lag is counted.
"""

from decimal import Decimal

from msgspec.structs import replace

from agents.stock import warehouse
from agents.stock.draft import Draft
from models.stock_row import Drift, Place


def after_reading(draft: Draft, name: str, before: Place, after: Place) -> Place:
    """The place after it adopted a reading, with what that reading could not explain."""
    value = warehouse.value_of(after)
    if before.base is None or before.folded or is_unanchored(before.drift):
        return replace(after, drift=None if value is None or value.exact else Drift(0, None))
    off = warehouse.sum_of(after) - warehouse.sum_of(before)
    return with_amount(after, off, draft.now + draft.plan.lags[name]) if off else after


def is_unanchored(drift: Drift | None) -> bool:
    """Whether there was no exact value yet to compare with."""
    return drift is not None and drift.amount is None


def with_amount(place: Place, off: Decimal, due_ms: int) -> Place:
    """Add `off` to the open amount."""
    old = place.drift
    if old is None or old.amount is None:
        return replace(place, drift=Drift(due_ms, off))
    amount = old.amount + off
    return replace(place, drift=Drift(old.due_ms, amount) if amount else None)


def explain(draft: Draft, name: str, delta: Decimal) -> None:
    """A move came that the base has already: take it off, but never past 0, as it may be the repeat of a known one."""
    place = draft.place(name)
    old = place.drift
    if old is None or old.amount is None or (old.amount > 0) != (delta > 0) or abs(delta) > abs(old.amount):
        return
    draft.note_place(name, with_amount(place, -delta, old.due_ms))


def settle(draft: Draft, name: str, place: Place, connection: str) -> Place:
    """Count what is left when its time is over and the place is exact."""
    old = place.drift
    if old is None or old.amount is None or old.due_ms > draft.now:
        return place
    value = draft.value(name)
    if value is None or not value.exact:
        return place
    draft.count("stock_drift_units", connection, value=float(abs(old.amount)))
    return replace(place, drift=None)
