"""What a sender says of a level once its fate is known: outcomes for people, dead letters, counts."""

from models.agent import Count, Dead, Emit, Lane
from models.codec import encode
from models.errors import StockwireError
from models.level import Level
from models.outcome import AnyOutcome, Refused
from models.sent_row import SentRow
from models.topics import outcome


async def say(lane: Lane[SentRow], level: Level, what: AnyOutcome, *others: Emit) -> None:
    """Write the outcome, and `others` with it, each in its rank."""
    lane.count(Count("channel_outcomes_said_total", (level.connection, type(what).__name__)))
    await lane.emit(*others, Emit(topic=outcome(level.connection), key=level.sku, value=what))


def count_failure(lane: Lane[SentRow], connection: str, error: StockwireError) -> None:
    """Count a call that must be made again."""
    lane.count(Count("channel_calls_failed_total", (connection, type(error).__name__)))


def refusal(level: Level, sequence: int, attempts: int, error: StockwireError) -> Refused:
    """The outcome of what was parked with `error`."""
    return Refused(
        connection=level.connection, sku=level.sku, sequence=sequence, attempts=attempts, exchange=error.exchange, reason=str(error)
    )


def dead(error: StockwireError) -> Dead:
    """The dead letter's own words."""
    return Dead(error=type(error).__name__, reason=str(error))


def shown(error: StockwireError) -> bytes:
    """The exchange that led to `error`, as it stands beside a dead letter."""
    return b"" if error.exchange is None else encode(error.exchange)
