"""The sender: one level of a SKU at a time to its channel, until the channel has taken it.

Every level is a register: newest wins, so what is skipped is not missed. Order of effects: a call that adds is written to
the row before it is made; once taken, `Told` and the outcome are acknowledged before the row says so.
"""

import random
import time
from collections.abc import Callable

import structlog

from agents.ports import Sink
from agents.send import decide
from agents.send.decide import Make, Overtaken, Settled, Trouble
from agents.send.door import Door
from agents.send.outcomes import count_failure, dead, refusal, say, shown
from models.agent import Lane, LaneAgent, Record
from models.codec import Decoder
from models.errors import OperatorError, PoisonError, RefusedError, StockwireError, TransientError
from models.level import Level
from models.outcome import Done, Exchange, Superseded
from models.sent_row import Call, SentRow
from models.topics import FACT_STOCK, REVIEW, outcome
from models.topics import level as level_topic

log = structlog.get_logger()


def send_agent(
    connection: str,
    sink: Sink,
    *,
    limit: int = 64,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> LaneAgent[SentRow]:
    """The lane agent that tells `connection` its levels through `sink`, at most `limit` SKUs at once.

    Reads `level.<c>.v1`, table `sent.<c>`; writes `fact.stock.v1` (`Told`), `outcome.<c>.v1`, and to `review.v1` that the
    channel turns us away; what is refused, or not taken in 15 minutes of the host answering, goes to `dead.v1`. `clock` gives
    seconds from any origin.
    """
    sender = _Sender(sink, Door(connection), rng or random.SystemRandom(), clock)
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


class _Sender:
    """`run` and `skip` of one connection. `_trouble` is memory only: a restart begins with fresh patience."""

    def __init__(self, sink: Sink, door: Door, rng: random.Random, clock: Callable[[], float]) -> None:
        self._sink = sink
        self._door = door
        self._rng = rng
        self._clock = clock
        self._trouble: dict[str, Trouble] = {}

    async def skip(self, lane: Lane[SentRow], record: Record) -> None:
        """A newer level waits behind this one; a call in flight for it will have its own outcome."""
        level: Level = record.body
        flight = lane.row.flight if lane.row is not None else None
        if flight is None or flight.sequence != level.sequence:
            await say(lane, level, Superseded(connection=level.connection, sku=level.sku, sequence=level.sequence, attempts=0))

    async def run(self, lane: Lane[SentRow], record: Record) -> None:
        """Return when the channel has taken the level or a newer one, or when a person has been told that it will not."""
        while not await self._one_step(lane, record):
            pass

    async def _one_step(self, lane: Lane[SentRow], record: Record) -> bool:
        """Do what comes next; True when the record is dealt with."""
        level: Level = record.body
        row = lane.row or SentRow()
        try:
            step = decide.next_step(row, level, self._sink.call_for)
        except PoisonError as error:
            await lane.dead(record, dead(error))
            await say(lane, level, refusal(level, level.sequence, 0, error))
            return True
        match step:
            case Overtaken():
                await self.skip(lane, record)
                return True
            case Settled():
                done = Done(connection=level.connection, sku=level.sku, sequence=level.sequence, attempts=0)
                await say(lane, level, done, decide.told(level, level.sequence, level.total))
                await lane.save(decide.settled(row, level, record.sequence))
                return True
            case Make(call, saved):
                return await self._make(lane, record, call, saved=saved)

    async def _make(self, lane: Lane[SentRow], record: Record, call: Call, *, saved: bool) -> bool:
        trouble = self._trouble.get(record.body.sku)
        if trouble is not None and await lane.sleep(max(0.0, trouble.retry_s - self._clock())):
            await self.skip(lane, record)
            return True
        if not saved and decide.must_be_saved(call):
            await lane.save(decide.in_flight(lane.row or SentRow(), call, record.sequence))
        try:
            exchange = await self._sink.send(call)
        except (RefusedError, PoisonError) as error:
            return await self._refused(lane, record, call, error)
        except OperatorError as error:
            count_failure(lane, record.body.connection, error)
            self._closed_door(record.body, error)
            await self._door.shut(lane, error)
        except TransientError as error:
            count_failure(lane, record.body.connection, error)
            return await self._failed(lane, record, error)
        else:
            return await self._taken(lane, record, call, exchange)
        return False

    async def _taken(self, lane: Lane[SentRow], record: Record, call: Call, exchange: Exchange) -> bool:
        level: Level = record.body
        attempts = self._trouble.pop(level.sku, Trouble()).attempts + 1
        done = Done(connection=level.connection, sku=level.sku, sequence=call.sequence, attempts=attempts, exchange=exchange)
        await say(lane, level, done, decide.told(level, call.sequence, call.total))
        await lane.save(decide.taken(lane.row or SentRow(), call, record.sequence))
        await self._door.open(lane)
        return call.sequence == level.sequence

    async def _failed(self, lane: Lane[SentRow], record: Record, error: TransientError) -> bool:
        level: Level = record.body
        trouble = decide.after_failure(
            self._trouble.get(level.sku, Trouble()),
            now_s=self._clock(),
            chance=self._rng.random(),
            retry_after_s=error.retry_after_s,
            exchange=error.exchange,
        )
        self._trouble[level.sku] = trouble
        if trouble.too_much:
            return await self._gave_up(lane, record, error)
        return False

    async def _refused(self, lane: Lane[SentRow], record: Record, call: Call, error: StockwireError) -> bool:
        """The channel surely has not taken the call. One of an older level is let go: the level at hand says more."""
        level: Level = record.body
        attempts = self._trouble.pop(level.sku, Trouble()).attempts + 1
        own = call.sequence == level.sequence
        if own:
            await lane.dead(record, dead(error), shown(error))
        await say(lane, level, refusal(level, call.sequence, attempts, error))
        if lane.row is not None and lane.row.flight is not None:
            await lane.save(decide.refused(lane.row, record.sequence))
        return own

    async def _gave_up(self, lane: Lane[SentRow], record: Record, error: StockwireError) -> bool:
        """A person is told. A call in flight stays in the row: the next level begins by repeating it."""
        level: Level = record.body
        attempts = self._trouble.pop(level.sku).attempts
        await lane.dead(record, dead(error), shown(error))
        await say(lane, level, refusal(level, level.sequence, attempts, error))
        return True

    def _closed_door(self, level: Level, error: OperatorError) -> None:
        trouble = decide.after_closed_door(self._trouble.get(level.sku, Trouble()), now_s=self._clock(), chance=self._rng.random())
        self._trouble[level.sku] = trouble
        log.error("send_needs_operator", connection=level.connection, sku=level.sku, reason=str(error), attempts=trouble.attempts)
