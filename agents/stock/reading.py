"""On `StockCounted` and `CorrectionAccepted`: adopt the reading, or hold it back (W3, K5)."""

from msgspec.structs import replace

from agents.stock import correction, drift, seller, warehouse
from agents.stock.draft import Draft
from models.facts import CorrectionAccepted, StockCounted
from models.stock_row import Held, Place


def on_counted(draft: Draft, fact: StockCounted) -> None:
    """A reading of a place that is not configured means nothing."""
    config = draft.plan.warehouses.get(fact.place)
    if config is None:
        return
    place = draft.place(fact.place)
    if place.item != fact.item:
        place = replace(place, item=fact.item)
        draft.note_place(fact.place, place)
    reading = Held(fact.value, fact.t0_ms, fact.t1_ms)
    if not warehouse.adopts(place, fact.t0_ms):
        draft.count("stock_readings_total", fact.connection, "older")
        return
    if correction.refuses(draft, fact, place, reading):
        draft.count("stock_readings_total", fact.connection, "held")
        return
    if (place.stocked, place.cost) != (fact.stocked, fact.cost):
        place = replace(place, stocked=fact.stocked, cost=fact.cost)
    adopt(draft, fact.place, place, reading)
    _count(draft, fact)


def on_accepted(draft: Draft, fact: CorrectionAccepted) -> None:
    """A person says that what is held back is right."""
    for name, place in draft.wh.items():
        if fact.place not in (None, name) or place.held is None or name not in draft.plan.warehouses:
            continue
        if warehouse.adopts(place, place.held.t0):
            adopt(draft, name, place, place.held)
        else:
            draft.note_place(name, replace(place, held=None))


def adopt(draft: Draft, name: str, before: Place, reading: Held) -> None:
    """Take the reading; where that raises what is certain, seller mode waits with it."""
    was = draft.value(name)
    after = warehouse.adopt(before, reading.value, reading.t0, reading.t1)
    draft.put_place(name, drift.after_reading(draft, name, before, after))
    value = draft.value(name)
    if was is not None and value is not None and value.low > was.low:
        seller.on_low_risen(draft, name, value.low - was.low)


def _count(draft: Draft, fact: StockCounted) -> None:
    value = draft.value(fact.place)
    if value is not None:
        draft.count("stock_readings_total", fact.connection, "clean" if value.exact else "unclear")
        draft.count("stock_low_gap", fact.connection, value=float(value.high - value.low))
        draft.count("stock_row_moves", fact.connection, value=len(draft.place(fact.place).moves))
