"""The fetch agent of a connection: one read answers every hint of an item in hand; at most one a second per item."""

import random
import time
from collections.abc import Callable

import structlog

from agents.backoff import pause_s
from agents.ports import Element, Reader
from models import topics
from models.agent import Dead, Emit, Lane, LaneAgent, Rank, Record
from models.codec import Decoder, encode
from models.errors import OperatorError, PoisonError, RefusedError, StockwireError, TransientError
from models.hint import ReadItem

APART_S = 1.0
REMEMBERED = 10_000

log = structlog.get_logger(__name__)


def fetch_agent(
    connection: str,
    reader: Reader,
    *,
    limit: int = 16,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> LaneAgent[None]:
    """Reads `hint.<c>.v1` and writes `inbound.<c>.v1`. `clock` gives seconds from any origin; at most `limit` reads at once."""
    fetcher = _Fetcher(connection, reader, rng or random.SystemRandom(), clock)
    return LaneAgent(
        name=f"fetch.{connection}",
        topic=topics.hint(connection),
        table=None,
        row_type=None,
        decode=Decoder[ReadItem](ReadItem),
        run=fetcher.run,
        outputs=(topics.inbound(connection),),
        limit=limit,
        conflate=True,
    )


def received(connection: str, element: Element) -> Emit:
    """The element on its way to be translated."""
    return Emit(rank=Rank.FACT, topic=topics.inbound(connection), key=element.key, value=element.value, headers=element.inbound.headers())


class _Fetcher:
    """`_read_at` is when an item was last asked for; memory only: after a restart the first read is early by less than a second."""

    def __init__(self, connection: str, reader: Reader, rng: random.Random, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._reader = reader
        self._rng = rng
        self._clock = clock
        self._read_at: dict[str, float] = {}

    async def run(self, lane: Lane[None], record: Record) -> None:
        """Return when the item has been read, or when a newer hint of it waits: its read answers both."""
        hint: ReadItem = record.body
        wait_s = self._read_at.get(hint.item, 0.0) + APART_S - self._clock()
        tries = 0
        while True:
            if wait_s > 0 and await lane.sleep(wait_s):
                return
            self._asked(hint.item)
            try:
                elements = await self._reader.read(hint.item)
            except (RefusedError, PoisonError) as error:
                exchange = b"" if error.exchange is None else encode(error.exchange)
                await lane.dead(record, Dead(error=type(error).__name__, reason=f"item {hint.item} cannot be read: {error}"), exchange)
                return
            except (TransientError, OperatorError) as error:
                tries += 1
                wait_s = self._wait_s(hint, error, tries)
            else:
                await lane.emit(*(received(self._connection, element) for element in elements))
                return

    def _asked(self, item: str) -> None:
        if len(self._read_at) >= REMEMBERED:
            self._read_at.clear()  # the worst is one read too early for each
        self._read_at[item] = self._clock()

    def _wait_s(self, hint: ReadItem, error: StockwireError, tries: int) -> float:
        wait_s = pause_s(error, tries=tries, chance=self._rng.random())
        say = log.error if isinstance(error, OperatorError) else log.warning
        say("item_not_read", connection=self._connection, item=hint.item, tries=tries, reason=str(error), again_in_s=round(wait_s, 1))
        return wait_s
