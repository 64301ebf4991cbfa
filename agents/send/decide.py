"""Which call comes next for a SKU, what a taken call changes, and how long trouble is borne. Pure."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from models.agent import Emit, Rank
from models.facts import Told
from models.level import Level
from models.outcome import Exchange
from models.sent_row import Call, SentRow
from models.topics import FACT_STOCK

PATIENCE_S = 900.0
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 60.0

CallFor = Callable[[Level, Decimal], Call | None]


class Overtaken(msgspec.Struct, frozen=True):
    """The channel has already taken a newer level."""


class Settled(msgspec.Struct, frozen=True):
    """There is nothing to send: the channel already stands at the level."""


class Make(msgspec.Struct, frozen=True):
    """Make `call`. `saved`: it stands in the row already, so it may have been made before."""

    call: Call
    saved: bool


Step = Overtaken | Settled | Make


def next_step(row: SentRow, level: Level, call_for: CallFor) -> Step:
    """What to do about `level`: first the call in flight, then strictly older levels are dropped, equal ones taken again."""
    if row.flight is not None:
        return Make(row.flight, saved=True)
    if level.sequence < row.sequence:
        return Overtaken()
    call = call_for(level, row.total)
    return Settled() if call is None else Make(call, saved=False)


def must_be_saved(call: Call) -> bool:
    """Whether making the call twice under two ids would do harm: a difference adds up, a level said outright does not."""
    return call.total is not None


def in_flight(row: SentRow, call: Call, at: int) -> SentRow:
    """The row before `call` is made."""
    return msgspec.structs.replace(row, at=max(row.at, at), flight=call)


def taken(row: SentRow, call: Call, at: int) -> SentRow:
    """The row once the channel has taken `call`."""
    total = row.total if call.total is None else call.total
    return SentRow(at=max(row.at, at), sequence=call.sequence, total=total)


def settled(row: SentRow, level: Level, at: int) -> SentRow:
    """The row once the channel is found to stand at `level` already."""
    return msgspec.structs.replace(row, at=max(row.at, at), sequence=level.sequence)


def refused(row: SentRow, at: int) -> SentRow:
    """The row once the channel has refused a call: the next difference is taken from what was taken before."""
    return msgspec.structs.replace(row, at=max(row.at, at), flight=None)


def told(level: Level, sequence: int, total: Decimal | None) -> Emit:
    """The fact that the channel has taken the number of `sequence`: a total, or (None) the level outright."""
    fact = Told(connection=level.connection, sku=level.sku, sequence=sequence, value=level.level if total is None else total)
    return Emit(rank=Rank.FACT, topic=FACT_STOCK, key=level.sku, value=fact)


def shown(row: SentRow, level: Level, at: int, *, missing: bool) -> SentRow:
    """The row once a channel of many SKUs a call has taken `level`, or has said that it does not know the SKU (`missing`)."""
    return msgspec.structs.replace(row, at=max(row.at, at), sequence=level.sequence, missing=missing)


class Trouble(msgspec.Struct, frozen=True):
    """What one SKU has met since its last known outcome.

    `attempts` calls were made in vain, the last one at `failed_s`; none before `retry_s`. `host_up_s` is the time during
    which the host answered something: a host that is down is waited for without end, for the backlog is safe in Kafka.
    """

    attempts: int = 0
    failed_s: float | None = None
    retry_s: float = 0.0
    host_up_s: float = 0.0

    @property
    def too_much(self) -> bool:
        """Whether a person should know."""
        return self.host_up_s >= PATIENCE_S


def after_failure(trouble: Trouble, *, now_s: float, chance: float, retry_after_s: float | None, exchange: Exchange | None) -> Trouble:
    """One more failed attempt: wait as the host wished, and a random part (`chance`, 0 to 1) of a doubling time beyond it."""
    ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(trouble.attempts, 10))
    answered = exchange is not None and exchange.status is not None
    since_s = now_s - trouble.failed_s if answered and trouble.failed_s is not None else 0.0
    return Trouble(
        attempts=trouble.attempts + 1,
        failed_s=now_s,
        retry_s=now_s + (retry_after_s or 0.0) + chance * ceiling_s,
        host_up_s=trouble.host_up_s + since_s,
    )


def after_closed_door(trouble: Trouble, *, now_s: float, chance: float) -> Trouble:
    """The connection does not let us in at all: a person must act, and until then a call now and then is enough."""
    return Trouble(attempts=trouble.attempts + 1, retry_s=now_s + BACKOFF_MAX_S * (0.5 + chance / 2))
