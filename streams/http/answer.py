"""What an answer means: from status to the error that says what the loop does next. Data, so a system can differ by rows."""

import enum
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from models.errors import OperatorError, OutcomeUnknownError, RefusedError, StockwireError, TransientError
from models.outcome import Exchange


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `headers` have lower-case names; `exchange` is the redacted record of it, for people.

    `asked_ms` was taken just before the request left, `answered_ms` when the body was complete (our clock, Unix ms);
    `date_ms` is the remote's own clock by its `Date` header, or None.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    asked_ms: int
    answered_ms: int
    date_ms: int | None
    exchange: Exchange


class Verdict(enum.Enum):
    """What the loop does next: go on, again later, find out first or repeat the same, call a person, park."""

    OK = "ok"
    LATER = "later"
    UNKNOWN = "unknown"
    OPERATOR = "operator"
    REFUSED = "refused"


class Row(msgspec.Struct, frozen=True):
    """Statuses `first .. last` (both included) mean `verdict`."""

    first: int
    last: int
    verdict: Verdict


Table = tuple[Row, ...]

DEFAULT: Table = (
    Row(200, 299, Verdict.OK),
    Row(300, 399, Verdict.OPERATOR),  # we follow no redirect: the configured URL is wrong
    Row(401, 401, Verdict.OPERATOR),
    Row(403, 403, Verdict.OPERATOR),
    Row(408, 408, Verdict.LATER),
    Row(410, 410, Verdict.OPERATOR),  # retired for good
    Row(425, 425, Verdict.LATER),
    Row(429, 429, Verdict.LATER),
    Row(400, 499, Verdict.REFUSED),
    Row(503, 503, Verdict.LATER),
    Row(100, 999, Verdict.UNKNOWN),
)


def judge(answer: Answer, table: Table = ()) -> Answer:
    """Return a good answer; else raise what the loop does next, with the exchange on it.

    The first row that matches decides; the rows of `table` come before the default ones.
    Raises `TransientError`, `OutcomeUnknownError`, `OperatorError` or `RefusedError`.
    """
    verdict = next(row.verdict for row in (*table, *DEFAULT) if row.first <= answer.status <= row.last)
    if verdict is Verdict.OK:
        return answer
    reason = f"{answer.exchange.method} {answer.exchange.url} was answered {answer.status}"
    raise _error(verdict, reason, answer).after(answer.exchange)


def _error(verdict: Verdict, reason: str, answer: Answer) -> StockwireError:
    if verdict is Verdict.REFUSED:
        return RefusedError(reason, status=answer.status)
    if verdict is Verdict.OPERATOR:
        return OperatorError(f"{reason}: check its address and credentials")
    if verdict is Verdict.LATER:
        return TransientError(reason, retry_after_s=retry_after_s(answer))
    return OutcomeUnknownError(reason, retry_after_s=retry_after_s(answer))


def retry_after_s(answer: Answer) -> float | None:
    """How long the remote wants us to wait: `Retry-After` in seconds or as an HTTP date (by the remote's own clock)."""
    wish = answer.headers.get("retry-after", "").strip()
    if wish.isascii() and wish.isdigit():
        return float(wish)
    until_ms = http_date_ms(wish)
    if until_ms is None:
        return None
    now_ms = answer.answered_ms if answer.date_ms is None else answer.date_ms
    return max(0.0, (until_ms - now_ms) / 1_000)


def http_date_ms(text: str) -> int | None:
    """An HTTP date as Unix ms, or None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
