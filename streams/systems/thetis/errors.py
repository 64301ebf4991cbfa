"""What Thetis' gateway means where its status alone does not say it."""

from models.errors import PoisonError, TransientError
from streams.http import Answer, Row, Table, Verdict, judge
from streams.systems.thetis import wire

DAY_SPENT_RETRY_S = 900.0
TOO_MANY = 429
TOKEN_TABLE: Table = (Row(400, 401, Verdict.OPERATOR),)
"""`POST /oauth2/token` answers 400 `invalid_client` to wrong credentials: a person must look."""


def judged(answer: Answer, table: Table = ()) -> Answer:
    """`judge`, but a used-up day (`Limit Exceeded`) is asked again after a quarter of an hour, not after seconds."""
    if answer.status == TOO_MANY and _notice(answer).message == "Limit Exceeded":
        reason = "Thetis' daily limit for this api_key is used up"
        raise TransientError(reason, retry_after_s=DAY_SPENT_RETRY_S).after(answer.exchange)
    return judge(answer, table)


def _notice(answer: Answer) -> wire.Notice:
    try:
        return wire.decode_notice(answer.body)
    except PoisonError:
        return wire.Notice()
