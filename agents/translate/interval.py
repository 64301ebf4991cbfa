"""When a move happened and when a reading was true, as intervals on our clock."""

from typing import NamedTuple

from models.config import ClockSlack
from models.inbound import Inbound
from models.item_row import ClockRow
from models.observation import MoveSeen


class Span(NamedTuple):
    """`lo_ms` None: no idea how early."""

    lo_ms: int | None
    hi_ms: int


def of_move(move: MoveSeen, received_ms: int, clock: ClockRow | None, slack: ClockSlack) -> Span:
    """When the move happened: its stamp on our clock with all its slack, and before we heard of it.

    Without a stamp, or while the source's clock is not known, only the latter is sure. Without an id the move may be a
    repeat of one long counted, so its beginning stays open. A stamp from after we heard of it is wrong: the source's
    clock has stepped, and no answer has told us yet.
    """
    if move.stamp_ms is None or clock is None:
        return Span(None, received_ms)
    lo_ms = move.stamp_ms - clock.high_ms - slack.late_ms - slack.skew_ms
    hi_ms = move.stamp_ms - clock.low_ms + slack.resolution_ms - 1 + slack.early_ms + slack.skew_ms
    if lo_ms > received_ms:
        return Span(None, received_ms)
    return Span(None if move.id is None else lo_ms, min(hi_ms, received_ms))


def of_reading(inbound: Inbound, slack: ClockSlack) -> tuple[int, int]:
    """`t0, t1`: the answer was true at some moment since a little before the question.

    An element that does not say when it was asked for (sent by hand) was true when we had it, or up to `staleness_ms` before.
    """
    asked_ms = inbound.received_ms if inbound.asked_ms is None else inbound.asked_ms
    answered_ms = inbound.received_ms if inbound.answered_ms is None else inbound.answered_ms
    return asked_ms - slack.staleness_ms, answered_ms
