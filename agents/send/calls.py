"""Rows of many lanes ─▶ calls of many rows ─▶ a verdict for each lane. One backoff for the whole connection."""

import asyncio
import random
from collections.abc import Callable

import msgspec
import structlog

from agents.ports import BulkSink, Judged, Row
from agents.send import decide
from agents.send.decide import Trouble
from agents.send.door import Door
from agents.send.outcomes import count_failure
from agents.send.portions import Offer, Parked, Portion, Portions, Withdrawn
from models.agent import Abandoned, Lane
from models.errors import OperatorError, PoisonError, RefusedError, TransientError
from models.sent_row import SentRow

FOREVER_S = 1e9

log = structlog.get_logger()


class Calls:
    """The calls of one connection, at most `at_once` under way; while it is in trouble, one at a time.

    `clock` gives seconds from any origin. What has failed is memory only: a restart begins with fresh patience.
    """

    def __init__(  # noqa: PLR0913  # all by name
        self, *, connection: str, sink: BulkSink, portions: Portions, at_once: int, rng: random.Random, clock: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._sink = sink
        self._portions = portions
        self._at_once = at_once
        self._rng = rng
        self._clock = clock
        self._door = Door(connection)
        self._trouble = Trouble()
        """What the connection has met; nothing goes out before its `retry_s`."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._given_up = False

    async def judged(self, lane: Lane[SentRow], row: Row) -> Offer:
        """Send `row` with others; returns with its verdict when that is known, or `Withdrawn` when a newer record of the lane has come.

        Raises `Abandoned` when the partition is given up and the row is in no call. A call under way is always waited for.
        Raises whatever a call raised that no system may raise.
        """
        self._given_up = False  # else no lane would begin
        offer = self._portions.join(lane, row, asyncio.get_running_loop().create_future(), self._clock())
        self._send_what_is_due()
        try:
            while await lane.sleep(FOREVER_S, until=offer.verdict):
                self._portions.withdraw(offer)
        except Abandoned:
            self._given_up = True
            self._portions.withdraw(offer)
            if isinstance(await offer.verdict, Withdrawn):
                raise
        return offer

    def _send_what_is_due(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        now_s = self._clock()
        while self._may_call(now_s) and (portion := self._portions.take(now_s)) is not None:
            call = asyncio.create_task(self._call(portion))
            self._under_way.add(call)
            call.add_done_callback(self._ended)
        due_s = self._portions.due_s
        if due_s is not None and self._is_slot_free():
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, max(due_s, self._trouble.retry_s) - now_s), self._send_what_is_due)

    def _may_call(self, now_s: float) -> bool:
        return self._is_slot_free() and self._trouble.retry_s <= now_s

    def _is_slot_free(self) -> bool:
        return not self._given_up and len(self._under_way) < (1 if self._trouble.attempts else self._at_once)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._under_way.discard(call)
        self._send_what_is_due()

    async def _call(self, portion: Portion) -> None:
        try:
            await self._attempt(portion)
        except BaseException as error:  # noqa: BLE001  # a bug, or the end: each lane that waits raises it
            portion.fail(error)

    async def _attempt(self, portion: Portion) -> None:
        lane = portion.offers[0].lane
        try:
            judged = await self._sink.send(portion.rows)
            if len(judged.again) == len(portion.offers):
                raise TransientError("none of the rows was taken, and none is said to be at fault").after(judged.exchange)
        except (RefusedError, PoisonError) as error:
            self._refused(portion, error)
        except OperatorError as error:
            self._closed_door(portion, error)
            await self._door.shut(lane, error)
        except TransientError as error:
            self._failed(portion, error)
        else:
            self._answered(portion, judged)
            await self._door.open(lane)

    def _answered(self, portion: Portion, judged: Judged) -> None:
        self._calm()
        self._portions.judge(portion, judged, self._clock())

    def _refused(self, portion: Portion, error: RefusedError | PoisonError) -> None:
        self._calm()
        if len(portion.offers) == 1:
            portion.offers[0].settle(Parked(error))
        else:
            count_failure(portion.offers[0].lane, self._connection, error)
            self._portions.halve(portion, self._clock())

    def _failed(self, portion: Portion, error: TransientError) -> None:
        count_failure(portion.offers[0].lane, self._connection, error)
        self._back_off(self._after_failure(self._trouble, error))
        portion.trouble = self._after_failure(portion.trouble, error)
        if portion.trouble.too_much:
            self._portions.give_up(portion, error)
        else:
            self._portions.put_back(portion)

    def _after_failure(self, trouble: Trouble, error: TransientError) -> Trouble:
        return decide.after_failure(
            trouble, now_s=self._clock(), chance=self._rng.random(), retry_after_s=error.retry_after_s, exchange=error.exchange
        )

    def _closed_door(self, portion: Portion, error: OperatorError) -> None:
        count_failure(portion.offers[0].lane, self._connection, error)
        self._back_off(decide.after_closed_door(self._trouble, now_s=self._clock(), chance=self._rng.random()))
        attempts = self._trouble.attempts
        log.error("send_needs_operator", connection=self._connection, offers=len(portion.offers), reason=str(error), attempts=attempts)
        portion.trouble = Trouble(retry_s=self._trouble.retry_s)
        self._portions.put_back(portion)

    def _back_off(self, trouble: Trouble) -> None:
        """Longer if need be, never shorter: another call may have been told to wait."""
        self._trouble = msgspec.structs.replace(trouble, retry_s=max(trouble.retry_s, self._trouble.retry_s))

    def _calm(self) -> None:
        """The host works; a pause that it has asked for meanwhile, in its answer to another call, still holds."""
        self._trouble = Trouble(retry_s=self._trouble.retry_s)
