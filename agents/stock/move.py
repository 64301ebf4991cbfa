"""On `StockMoved`: remember the move, find whose it is, keep room (W1, W5, C1)."""

from msgspec.structs import replace

from agents.stock import channel as channels
from agents.stock import drift, seller, warehouse
from agents.stock.draft import Draft
from models.facts import StockMoved
from models.stock_row import ZERO, Move, Place

DROPPED = ("late", "repeat")


def on_moved(draft: Draft, fact: StockMoved) -> None:
    """A place that is not configured is not ours: its moves mean nothing."""
    config = draft.plan.warehouses.get(fact.place)
    if config is None:
        return
    place = draft.place(fact.place)
    owner = None if fact.seller is None else draft.plan.owners.get((fact.place, fact.seller))
    move = Move(fact.id, fact.lo_ms, fact.hi_ms, fact.delta, owner)
    verdict = warehouse.verdict(place, move, fact.stamp_ms)
    draft.count("stock_moves_total", fact.connection, verdict)
    if verdict not in DROPPED:
        place = _learned(_with(draft, place, move, fact), fact.item)
        if len(place.moves) > config.cap:
            place = warehouse.fold(place)
            draft.count("stock_row_folded_total", fact.connection)
        draft.put_place(fact.place, place)
        if verdict != "later":
            _count_gap(draft, fact)
    elif verdict == "late":
        drift.explain(draft, fact.place, fact.delta)
    if owner is not None and not draft.plan.channels[owner].orders_mode:
        seller.on_own_move(draft, owner, fact, late=verdict == "late")


def _with(draft: Draft, place: Place, move: Move, fact: StockMoved) -> Place:
    """The place with the move in it; an own negative move stands for open lines as they are now."""
    owner = move.channel
    if owner is None:
        return warehouse.remember(place, move)
    if move.delta >= 0 or not draft.plan.channels[owner].orders_mode:
        return warehouse.remember(place, move)
    remembered = channels.covers_remembered(place.moves, owner)
    covers = channels.covers_for(-move.delta, draft.channel(owner).open, fact.place, remembered)
    result = "none" if covers == 0 else "full" if covers == -move.delta else "part"
    draft.count("own_move_covers_total", owner, result)
    return warehouse.remember(place, Move(move.id, move.lo_ms, move.hi_ms, move.delta, owner, covers or ZERO))


def _learned(place: Place, item: str) -> Place:
    return place if place.item == item else replace(place, item=item)


def _count_gap(draft: Draft, fact: StockMoved) -> None:
    value = draft.value(fact.place)
    if value is not None:
        draft.count("stock_low_gap", fact.connection, value=float(value.high - value.low))
