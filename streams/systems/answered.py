"""An answer of any system ─▶ its body, and what is known of the elements in it."""

from typing import TypeVar

from models.codec import ForeignDecoder
from models.errors import PoisonError, TransientError
from models.inbound import Inbound
from streams.http import Answer

T = TypeVar("T")


def expected(decode: ForeignDecoder[T], answer: Answer) -> T:
    """The decoded body of a good answer. Raises `TransientError` for one of another shape, as of a maintenance page with status 200."""
    try:
        return decode(answer.body)
    except PoisonError as error:
        reason = f"{answer.exchange.method} {answer.exchange.url} was answered with something else than its JSON ({error})"
        raise TransientError(reason).after(answer.exchange) from error


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
