"""Wrong rules: each replaces the body of one rule of the decision, and some example must notice.

The decision has one small function per rule. A mutant gives it another body while it is applied, wherever it is called from.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from types import FunctionType
from typing import Any, Final

from agents.stock import ask, audit, channel, decide, line, seller, warehouse
from models.stock_row import Move


@dataclass(frozen=True)
class Mutant:
    """`rule` gets the body of `wrong`; `means` says what is then believed."""

    name: str
    means: str
    rule: Callable[..., Any]
    wrong: Callable[..., Any]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The decision with this mistake."""
        rule, wrong = self.rule, self.wrong
        if not isinstance(rule, FunctionType) or not isinstance(wrong, FunctionType):
            raise TypeError(self.name)
        right = rule.__code__
        rule.__code__ = wrong.__code__
        try:
            yield
        finally:
            rule.__code__ = right


def _counts_any(delta: Decimal) -> bool:  # noqa: ARG001  # the rule's own arguments, here and below
    return True


def _touching_is_later(lo_ms: int | None, t1: int) -> bool:
    return lo_ms is not None and lo_ms >= t1


def _adopts_older(place: Any, t0: int) -> bool:  # noqa: ANN401, ARG001
    return True


def _adopts_without_guard(place: Any, t0: int) -> bool:  # noqa: ANN401
    return place.base is None or t0 > place.t0


def _closes_at_answer(by_ms: int | None, t0: int) -> bool:  # noqa: ARG001
    return by_ms is not None


def _closes_at_tie(by_ms: int | None, t0: int) -> bool:
    return by_ms is not None and by_ms <= t0


def _no_dead_units(lines: Iterable[Any], place: str) -> Decimal:  # noqa: ARG001
    return Decimal(0)


def _never(channel: Any, name: str) -> bool:  # noqa: ANN401, ARG001
    return False


def _covers_whatever(moves: Iterable[Move], channel: str) -> Decimal:
    own = (-move.delta for move in moves if move.channel == channel and move.delta < 0)
    return sum(own, start=Decimal(0))


def _covers_nothing(moves: Iterable[Move], channel: str) -> Decimal:  # noqa: ARG001
    return Decimal(0)


def _no_guard(row: Any, record: Any) -> bool:  # noqa: ANN401, ARG001
    return False


def _asks_nothing(draft: Any, name: str, place: Any) -> None:  # noqa: ANN401, ARG001
    return None


def _holds_nothing(draft: Any, name: str, channel: Any, amount: Decimal) -> Any:  # noqa: ANN401, ARG001
    return channel.hold


def _reads_anyhow(draft: Any, name: str, second_ms: int) -> bool:  # noqa: ANN401, ARG001
    return True


def _acknowledged(channel: Any, config: Any) -> bool:  # noqa: ANN401, ARG001
    return True


MUTANTS: Final = (
    Mutant("unclear positives", "an unclear move counts where it raises, too", warehouse.counts_in_low, _counts_any),
    Mutant("touching is later", "a move that touches the bracket is after it", warehouse.is_later, _touching_is_later),
    Mutant("older reading", "a reading that began before the adopted one is taken", warehouse.adopts, _adopts_older),
    Mutant("fold without guard", "after folding any newer reading is taken", warehouse.adopts, _adopts_without_guard),
    Mutant("close at answer", "a reserved line is in the base", channel.closes, _closes_at_answer),
    Mutant("close at tie", "a line reserved by t0 is in the base", channel.closes, _closes_at_tie),
    Mutant("no dead units", "covers of a cancelled line stand for another line", channel.dead_units, _no_dead_units),
    Mutant("no tombstones", "a closed line is a new one", line.is_closed, _never),
    Mutant("covers not fixed", "a move covers lines that were sold after it", channel.covers_remembered, _covers_whatever),
    Mutant("no at guard", "a replayed record is a new one", decide.is_replayed, _no_guard),
    Mutant("own moves twice", "in seller mode a repeated own move is a new one", seller.is_heard, _never),
    Mutant("no hold", "in seller mode a raise that a reading brings is nobody's cancellation", seller.held, _holds_nothing),
    Mutant("audit without reading", "what was read before the second look is good enough", audit._is_read_after, _reads_anyhow),  # noqa: SLF001  # the rule has no other door
    Mutant("audit untaken", "the shop has every number that it was told", audit._is_acknowledged, _acknowledged),  # noqa: SLF001  # as above
    Mutant("never ask", "doubts go away by themselves", ask.wanted, _asks_nothing),
)
HARMLESS: Final = Mutant(
    "no covers", "a dip until the line closes, never a wrong number at rest", channel.covers_remembered, _covers_nothing
)
