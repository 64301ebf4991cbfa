"""The sender for channels that are told many SKUs in one call: `level.<c>.v1` to calls, their outcomes and what was told.

Each lane gives its row to `Calls` and waits for its own verdict. Levels are said outright here, so a repetition is harmless:
nothing is written before a call. Once taken, `Told` and the outcome are acknowledged before the row says so.
"""

import random
import time
from collections.abc import Callable

from msgspec.structs import replace

from agents.ports import BulkSink, Row
from agents.send import decide
from agents.send.calls import Calls
from agents.send.outcomes import dead, refusal, say, shown
from agents.send.portions import Missing, Parked, Portions, Taken, Withdrawn
from models.agent import Emit, Lane, LaneAgent, Rank, Record
from models.codec import Decoder
from models.errors import PoisonError, StockwireError
from models.facts import SkuUnknown
from models.level import Level
from models.outcome import Done, Exchange, Refused, Superseded
from models.review import OfferMissing
from models.sent_row import SentRow
from models.topics import FACT_STOCK, REVIEW, outcome
from models.topics import level as level_topic

ANSWER_CHARS = 200
"""How much of an answer about many SKUs each outcome keeps: enough to see that it was one."""


def bulk_send_agent(  # noqa: PLR0913  # all by name, each with its default
    connection: str,
    sink: BulkSink,
    *,
    limit: int = 1000,
    linger_s: float = 0.1,
    calls_at_once: int = 2,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> LaneAgent[SentRow]:
    """The lane agent that tells `connection` its levels through `sink`, as many SKUs a call as there are and as it takes.

    Reads `level.<c>.v1`, table `sent.<c>`; writes `fact.stock.v1` (`Told`, `SkuUnknown`), `outcome.<c>.v1`, and to `review.v1`
    each SKU that the channel does not know; what is refused, or not taken in 15 minutes of the host answering, goes to
    `dead.v1`. A row waits at most `linger_s` for others while one of the `calls_at_once` is free. `limit` lanes at once write
    what became of their rows; those that wait are not counted. `clock` gives seconds from any origin.
    """
    portions = Portions(sink.rows_max, linger_s)
    calls = Calls(connection=connection, sink=sink, portions=portions, at_once=calls_at_once, rng=rng or random.SystemRandom(), clock=clock)
    sender = _BulkSender(sink, calls)
    return LaneAgent(
        name=f"send.{connection}",
        topic=level_topic(connection),
        table=f"sent.{connection}",
        row_type=SentRow,
        decode=Decoder[Level](Level),
        run=sender.run,
        outputs=(FACT_STOCK, outcome(connection), REVIEW),
        limit=limit,
        conflate=True,
        skip=sender.skip,
    )


class _BulkSender:
    """`run` and `skip` of one connection."""

    def __init__(self, sink: BulkSink, calls: Calls) -> None:
        self._sink = sink
        self._calls = calls

    async def skip(self, lane: Lane[SentRow], record: Record) -> None:
        """A newer level waits behind this one."""
        await _superseded(lane, record, attempts=0)

    async def run(self, lane: Lane[SentRow], record: Record) -> None:
        """Return when the channel has taken the level or does not know the SKU, or when a newer level or a person has to go on.

        A strictly older level is dropped; an equal one is sent again, for that is how everything is said anew.
        """
        level: Level = record.body
        if lane.row is not None and level.sequence < lane.row.sequence:
            await self.skip(lane, record)
            return
        try:
            row = self._sink.row_for(level)
        except PoisonError as error:
            await _parked(lane, record, error, attempts=0)
            return
        offer = await self._calls.judged(lane, row)
        match offer.verdict.result():
            case Taken(exchange):
                await _taken(lane, record, _own_part(exchange, row), offer.attempts)
            case Missing(exchange):
                await _missing(lane, record, _own_part(exchange, row), offer.attempts)
            case Parked(reason):
                await _parked(lane, record, reason, offer.attempts)
            case Withdrawn():
                await _superseded(lane, record, offer.attempts)


def _own_part(exchange: Exchange, row: Row) -> Exchange:
    """What was said of this SKU, without the others of its portion: an outcome each for all of them would be as long as the call."""
    return replace(exchange, request=row.body.decode(), response=exchange.response[:ANSWER_CHARS])


async def _taken(lane: Lane[SentRow], record: Record, exchange: Exchange, attempts: int) -> None:
    level: Level = record.body
    row = lane.row or SentRow()
    done = Done(connection=level.connection, sku=level.sku, sequence=level.sequence, attempts=attempts, exchange=exchange)
    found = [_review(level, None)] if row.missing else []
    await say(lane, level, done, decide.told(level, level.sequence, None), *found)
    await lane.save(decide.shown(row, level, record.sequence, missing=False))


async def _missing(lane: Lane[SentRow], record: Record, exchange: Exchange, attempts: int) -> None:
    """A person is shown it once; a later number, or the same said again, is tried all the same.

    The stock agent hears of it each time, so that a reading which shows the SKU there has it told again.
    """
    level: Level = record.body
    row = lane.row or SentRow()
    refused = Refused(
        connection=level.connection,
        sku=level.sku,
        sequence=level.sequence,
        attempts=attempts,
        exchange=exchange,
        reason=f"{level.connection} does not know {level.sku}: make the offer there, or give it our SKU; the next number is tried again",
        missing=True,
    )
    unknown = SkuUnknown(connection=level.connection, sku=level.sku, sequence=level.sequence)
    found = [Emit(rank=Rank.FACT, topic=FACT_STOCK, key=level.sku, value=unknown)]
    if not row.missing:
        found.append(_review(level, OfferMissing(connection=level.connection, sku=level.sku, at_ms=record.time_ms)))
    await say(lane, level, refused, *found)
    await lane.save(decide.shown(row, level, record.sequence, missing=True))


async def _parked(lane: Lane[SentRow], record: Record, error: StockwireError, attempts: int) -> None:
    level: Level = record.body
    await lane.dead(record, dead(error), shown(error))
    await say(lane, level, refusal(level, level.sequence, attempts, error))


async def _superseded(lane: Lane[SentRow], record: Record, attempts: int) -> None:
    level: Level = record.body
    await say(lane, level, Superseded(connection=level.connection, sku=level.sku, sequence=level.sequence, attempts=attempts))


def _review(level: Level, matter: OfferMissing | None) -> Emit:
    return Emit(topic=REVIEW, key=f"offer/{level.connection}/{level.sku}", value=matter)
