"""The fetch agent of a connection: one read answers every hint of an item in hand; at most one a second per item."""

import math
import random
import time
from collections.abc import Callable

import msgspec
import structlog

from agents.backoff import pause_s
from agents.ports import Element, Reader
from models import topics
from models.agent import Count, Dead, Emit, Lane, LaneAgent, Rank, Record
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
    headers = {"connection": connection.encode(), **element.inbound.headers()}
    return Emit(rank=Rank.FACT, topic=topics.inbound(connection), key=element.key, value=element.value, headers=headers)


class _Pause(msgspec.Struct, frozen=True):
    """When an item may be asked for again, and how often in a row that has failed."""

    until_s: float = -math.inf
    tries: int = 0


class _Fetcher:
    """`_pauses` is memory only: after a restart the first read of an item may be early."""

    def __init__(self, connection: str, reader: Reader, rng: random.Random, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._reader = reader
        self._rng = rng
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}

    async def run(self, lane: Lane[None], record: Record) -> None:
        """Return when the item has been read, or when a newer hint of it waits: its read answers both."""
        hint: ReadItem = record.body
        while True:
            wait_s = self._pauses.get(hint.item, _Pause()).until_s - self._clock()
            if wait_s > 0 and await lane.sleep(wait_s):
                return
            try:
                elements = await self._reader.read(hint.item)
            except (RefusedError, PoisonError) as error:
                self._pause(hint.item, APART_S)
                exchange = b"" if error.exchange is None else encode(error.exchange)
                await lane.dead(record, Dead(error=type(error).__name__, reason=f"item {hint.item} cannot be read: {error}"), exchange)
                return
            except (TransientError, OperatorError) as error:
                self._failed(lane, hint, error)
            else:
                self._pause(hint.item, APART_S)
                await lane.emit(*(received(self._connection, element) for element in elements))
                return

    def _failed(self, lane: Lane[None], hint: ReadItem, error: StockwireError) -> None:
        tries = self._pauses.get(hint.item, _Pause()).tries + 1
        wait_s = max(APART_S, pause_s(error, tries=tries, chance=self._rng.random()))
        # A newer hint waits as long: hints come again and again, and the remote's wish to be left alone holds for each.
        self._pause(hint.item, wait_s, tries)
        lane.count(Count("reads_failed_total", (self._connection, type(error).__name__)))
        say = log.error if isinstance(error, OperatorError) else log.warning
        say("item_not_read", connection=self._connection, item=hint.item, tries=tries, reason=str(error), again_in_s=round(wait_s, 1))

    def _pause(self, item: str, seconds: float, tries: int = 0) -> None:
        now_s = self._clock()
        if len(self._pauses) >= REMEMBERED:
            self._pauses = {item: pause for item, pause in self._pauses.items() if pause.until_s > now_s}
        self._pauses[item] = _Pause(now_s + seconds, tries)
