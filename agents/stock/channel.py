"""The channel side of one SKU: one formula, and the own order lines in it (C1, C2).

P = sum of live of the open lines      C = sum over the places of min(live, max(0, covers - dead))
level = sum of low - buffer - (P - C)
total = level + counted - sum of hold  (what an incremental channel is told)
"""

from collections.abc import Iterable
from decimal import Decimal

from models.stock_row import ZERO, Channel, Line, Move, Place


def covers_remembered(moves: Iterable[Move], channel: str) -> Decimal:
    """What own moves of `channel` stand for already."""
    return sum((move.covers for move in moves if move.channel == channel), start=ZERO)


def covers_for(size: Decimal, lines: Iterable[Line], place: str, remembered: Decimal) -> Decimal:
    """C1: how much of an own negative move of `size` stands for lines open at `place` now; fixed for good."""
    sold = sum((line.live + line.dead for line in lines if line.place == place), start=ZERO)
    return max(ZERO, min(size, sold - remembered))


def live_at(lines: Iterable[Line], place: str) -> Decimal:
    """What the channel still counts as sold of the lines open at `place`."""
    return sum((line.live for line in lines if line.place == place), start=ZERO)


def dead_units(lines: Iterable[Line], place: str) -> Decimal:
    """What the channel took back of the lines open at `place`: covers go to these first."""
    return sum((line.dead for line in lines if line.place == place), start=ZERO)


def covered_at(channel: str, lines: tuple[Line, ...], name: str, place: Place) -> Decimal:
    """C at one place: live units whose own move is in `low` already."""
    spare = covers_remembered(place.moves, channel) - dead_units(lines, name)
    return min(live_at(lines, name), max(ZERO, spare))


def uncovered_at(channel: str, lines: tuple[Line, ...], name: str, place: Place) -> Decimal:
    """P - C at one place: live units that the warehouse's number does not have yet."""
    return live_at(lines, name) - covered_at(channel, lines, name, place)


def closes(by_ms: int | None, t0: int) -> bool:
    """C2: the reservation is surely in the base; `by_ms == t0` is not enough."""
    return by_ms is not None and by_ms < t0


def held_back(channel: Channel) -> Decimal:
    """The raises that wait."""
    return sum((hold.amount for hold in channel.hold), start=ZERO)


def split(shares: dict[str, Decimal], buffer: Decimal) -> dict[str, Decimal]:
    """What each place contributes: the buffer off the first, what a place lacks off the next, after the last off the first.

    The parts are not negative and add up to the level, or to 0 if that is negative.
    """
    parts: dict[str, Decimal] = {}
    lack = buffer
    for place, share in shares.items():
        rest = share - lack
        parts[place] = max(ZERO, rest)
        lack = max(ZERO, -rest)
    for place, part in parts.items():
        if not lack:
            break
        taken = min(part, lack)
        parts[place] = part - taken
        lack -= taken
    return parts
