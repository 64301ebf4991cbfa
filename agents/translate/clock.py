"""The source's clock, learned from the `Date` of its answers: offset = source minus ours, as an interval."""

import msgspec

from models.inbound import Inbound
from models.item_row import ClockRow

DATE_RESOLUTION_MS = 1_000
"""RFC 9110: `Date` has whole seconds."""
DRIFT_DIVISOR = 10_000
"""What was known widens by 100 ppm on either side: ordinary clocks drift less, so old answers count less and less."""


def bracket(asked_ms: int, answered_ms: int, date_ms: int) -> tuple[int, int]:
    """The offsets that one answer allows: it was stamped some time between question and answer."""
    return date_ms - answered_ms, date_ms + DATE_RESOLUTION_MS - asked_ms


def learn(clock: ClockRow | None, inbound: Inbound, sequence: int) -> tuple[ClockRow | None, bool]:
    """The clock after an answer, and whether the source's clock has stepped.

    Answers agree on an offset: their brackets are intersected. An empty intersection means that the source was set to
    another time: what was known is worth nothing, and the newest answer alone counts.
    """
    if inbound.asked_ms is None or inbound.answered_ms is None or inbound.date_ms is None:
        return clock, False
    low_ms, high_ms = bracket(inbound.asked_ms, inbound.answered_ms, inbound.date_ms)
    newest = ClockRow(at=sequence, low_ms=low_ms, high_ms=high_ms, answered_ms=inbound.answered_ms)
    if clock is None:
        return newest, False
    if inbound.answered_ms < clock.answered_ms:
        return clock, False
    drift_ms = (inbound.answered_ms - clock.answered_ms) // DRIFT_DIVISOR
    low_ms = max(low_ms, clock.low_ms - drift_ms)
    high_ms = min(high_ms, clock.high_ms + drift_ms)
    if low_ms > high_ms:
        return newest, True
    agreed = msgspec.structs.replace(newest, low_ms=low_ms, high_ms=high_ms)
    return (clock if msgspec.structs.replace(agreed, at=clock.at) == clock else agreed), False
