"""What an answer means, and what is shown of it."""

import pytest

from models.errors import OperatorError, OutcomeUnknownError, RefusedError, StockwireError, TransientError
from models.outcome import Exchange
from streams.http import Answer, Row, Verdict, http_date_ms, judge

EXCHANGE = Exchange(method="POST", url="https://shop.example/hook", status=None)


def answer(status: int, **headers: str) -> Answer:
    return Answer(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=b"",
        asked_ms=1_000,
        answered_ms=2_000,
        date_ms=http_date_ms("Sun, 01 Mar 2026 08:15:30 GMT"),
        exchange=EXCHANGE,
    )


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (100, OutcomeUnknownError),
        (301, OperatorError),
        (400, RefusedError),
        (401, OperatorError),
        (403, OperatorError),
        (404, RefusedError),
        (408, TransientError),
        (409, RefusedError),
        (410, OperatorError),
        (422, RefusedError),
        (429, TransientError),
        (500, OutcomeUnknownError),
        (502, OutcomeUnknownError),
        (503, TransientError),
        (504, OutcomeUnknownError),
        (599, OutcomeUnknownError),
    ],
)
@pytest.mark.req("X-17")
def test_judge_when_not_2xx_then_error_says_what_to_do(status: int, error: type[StockwireError]) -> None:
    with pytest.raises(StockwireError) as caught:
        judge(answer(status))
    assert type(caught.value) is error
    assert caught.value.exchange is EXCHANGE


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_judge_when_2xx_then_answer(status: int) -> None:
    assert judge(answer(status)).status == status


def test_judge_when_system_has_rows_then_they_win() -> None:
    table = (Row(404, 404, Verdict.OK), Row(500, 502, Verdict.LATER))
    assert judge(answer(404), table).status == 404
    with pytest.raises(TransientError) as caught:
        judge(answer(501), table)
    assert not isinstance(caught.value, OutcomeUnknownError)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Sun, 01 Mar 2026 08:16:00 GMT", 30.0),
        ("Sun, 01 Mar 2026 08:15:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("²", None),
        ("", None),
    ],
)
def test_judge_when_retry_after_then_seconds(wish: str, expected: float | None) -> None:
    with pytest.raises(TransientError) as caught:
        judge(answer(503, retry_after=wish))
    assert caught.value.retry_after_s == expected


def test_http_date_when_readable_then_unix_ms() -> None:
    assert http_date_ms("Sun, 01 Mar 2026 08:15:30 GMT") == 1_772_352_930_000
    assert http_date_ms("yesterday") is None
