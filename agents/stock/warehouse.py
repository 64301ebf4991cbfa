"""The warehouse side of one SKU: moves, readings and what they add up to (W1 to W5).

A move is an interval of our time, a reading (the fence `t0 .. t1`) a bracket. What surely happened after the figure is
added, what touches the bracket counts only where it lowers, and a new reading starts from nothing.
"""

from bisect import bisect_right
from decimal import Decimal
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from models.stock_row import ZERO, Move, Place

_hi = attrgetter("hi_ms")


class Value(msgspec.Struct, frozen=True, gc=False):
    """What a place has for certain (`low`) and at most (`high`); `unclear_hi` is the largest `hi_ms` of its unclear moves.

    `folded`: moves were forgotten, so that `high` says nothing.
    """

    low: Decimal
    high: Decimal
    unclear_hi: int | None
    folded: bool

    @property
    def exact(self) -> bool:
        """Whether nothing is in doubt."""
        return self.unclear_hi is None and not self.folded


def is_later(lo_ms: int | None, t1: int) -> bool:
    """W2: the move surely happened after the figure; touching the bracket is not enough."""
    return lo_ms is not None and lo_ms > t1


def counts_in_low(delta: Decimal) -> bool:
    """W2: an unclear move is passed on only where it lowers."""
    return delta < 0


def is_in_base(hi_ms: int, t0: int) -> bool:
    """W1: the move surely happened before the figure, so the figure has it."""
    return hi_ms < t0


def is_repeat(place: Place, move_id: str) -> bool:
    """W1: the move is remembered already."""
    return any(move.id == move_id for move in place.moves)


def adopts(place: Place, t0: int) -> bool:
    """W3: only a reading that began after the old one did knows everything that was forgotten with it.

    After folding it must have begun after the folded moves, even where there is no base yet.
    """
    if place.folded:
        return t0 > place.t1
    return place.base is None or t0 > place.t0


def value_of(place: Place) -> Value | None:
    """W2: what the place is worth now; None without a base."""
    low = place.base
    if low is None:
        return None
    if not place.moves:
        return Value(low, low, None, place.folded)
    high = low
    unclear_hi = None
    for move in place.moves:
        delta = move.delta
        if is_later(move.lo_ms, place.t1):
            low += delta
            high += delta
            continue
        unclear_hi = move.hi_ms  # moves are ordered by it
        if counts_in_low(delta):
            low += delta
        if delta > 0:
            high += delta
    return Value(low, high, unclear_hi, place.folded)


def sum_of(place: Place) -> Decimal:
    """The base and every move in memory: what the source should say if each of them came after the figure."""
    return sum((move.delta for move in place.moves), start=place.base or ZERO)


def verdict(place: Place, move: Move, stamp_ms: int | None) -> str:
    """W1: what becomes of a move that arrives: `late` and `repeat` are dropped, the others remembered.

    `no_time` and `no_id` name the cause of an unclear move that could be told apart if the source said more.
    """
    if place.base is not None and is_in_base(move.hi_ms, place.t0):
        return "late"
    if is_repeat(place, move.id):
        return "repeat"
    if move.lo_ms is None:
        return "no_time" if stamp_ms is None else "no_id"
    return "later" if is_later(move.lo_ms, place.t1) else "unclear"


def remember(place: Place, move: Move) -> Place:
    """W1: keep the move, in the order of `hi_ms`."""
    moves = place.moves
    if not moves or moves[-1].hi_ms <= move.hi_ms:
        return replace(place, moves=(*moves, move))
    index = bisect_right(moves, move.hi_ms, key=_hi)
    return replace(place, moves=(*moves[:index], move, *moves[index:]))


def fold(place: Place) -> Place:
    """W5: forget the oldest move in the way that can only be too low; the fence widens over it, so a reading must start later."""
    oldest = place.moves[0]
    base = place.base
    if base is not None and (is_later(oldest.lo_ms, place.t1) or counts_in_low(oldest.delta)):
        base += oldest.delta
    return replace(place, base=base, moves=place.moves[1:], t1=max(place.t1, oldest.hi_ms), folded=True)


def adopt(place: Place, value: Decimal, t0: int, t1: int) -> Place:
    """W3: the reading is the base from now on, and only moves that it may not have are kept."""
    moves = place.moves
    if moves and is_in_base(moves[0].hi_ms, t0):
        moves = tuple(move for move in moves if not is_in_base(move.hi_ms, t0))
    return Place(value, t0, t1, place.item, moves, False, place.ask, None, place.drift, place.stocked, place.cost)  # noqa: FBT003  # positions are faster here
