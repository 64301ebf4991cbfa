"""An answer of any system ─▶ what is known of the elements in it."""

from models.inbound import Inbound
from streams.http import Answer


def inbound_of(answer: Answer, *, kind: str, sweep: str = "") -> Inbound:
    """The headers of each element: when it was asked for and answered, by both clocks, and the sweep it came with."""
    return Inbound(
        kind=kind,
        received_ms=answer.answered_ms,
        asked_ms=answer.asked_ms,
        answered_ms=answer.answered_ms,
        date_ms=answer.date_ms,
        sweep=sweep or None,
    )
