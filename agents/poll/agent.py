"""The poll agent: each list's cursor is the order to read its next page. Page acknowledged, then the next cursor."""

import random
import time
from collections.abc import Callable, Iterable, Mapping

import structlog

from agents.backoff import pause_s
from agents.fetch.agent import received
from agents.poll.decide import Rule, begun, hastened, key_of, next_cursor
from agents.ports import Page, Pager
from models import topics
from models.agent import Count, Emit, Lane, LaneAgent, Rank, Record
from models.codec import Decoder
from models.cursor import Cursor
from models.errors import OperatorError, StockwireError

Lists = Mapping[tuple[str, str], tuple[Pager, Rule]]
"""(connection, list name) to how it is read and when."""

REST_S = 3_600.0

log = structlog.get_logger(__name__)


def poll_agent(
    lists: Lists,
    *,
    also: Iterable[str] = (),
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.time,
) -> LaneAgent[None]:
    """Reads `poll.v1` and writes it, `inbound.<c>.v1`, and the topics `also`, which the pages name. `clock` gives Unix seconds."""
    poller = _Poller(lists, rng or random.SystemRandom(), clock)
    return LaneAgent(
        name="poll",
        topic=topics.POLL,
        table=None,
        row_type=None,
        decode=Decoder[Cursor](Cursor),
        run=poller.run,
        outputs=(topics.POLL, *sorted({topics.inbound(connection) for connection, _ in lists} | set(also))),
        limit=max(1, len(lists)),
        conflate=True,
    )


class _Poller:
    def __init__(self, lists: Lists, rng: random.Random, clock: Callable[[], float]) -> None:
        self._lists = lists
        self._rng = rng
        self._clock = clock

    async def run(self, lane: Lane[None], record: Record) -> None:
        """Wait until the cursor is due, read its page, go on; a newer cursor of the list takes its place at any time."""
        cursor: Cursor = record.body
        known = self._lists.get((cursor.connection, cursor.what))
        if known is None:
            await self._rest(lane, cursor)
            return
        pager, rule = known
        sooner = hastened(cursor, pager=pager, rule=rule, now_ms=int(self._clock() * 1_000))
        if sooner != cursor:
            await self._go_on(lane, sooner)
            return
        if await lane.sleep(max(0.0, cursor.due_ms / 1_000 - self._clock())):
            return
        cursor = begun(cursor)
        page = await self._page(lane, cursor, pager)
        if page is None:
            return
        await lane.emit(*(received(cursor.connection, element) for element in page.elements), *page.emits)
        await self._go_on(lane, next_cursor(cursor, page, pager=pager, rule=rule, now_ms=int(self._clock() * 1_000)))

    async def _go_on(self, lane: Lane[None], following: Cursor) -> None:
        """Put `following` in the place of this cursor, unless a newer one has come: two chains of cursors become one."""
        if not lane.newer:
            await lane.emit(Emit(rank=Rank.FACT, topic=topics.POLL, key=key_of(following), value=following))

    async def _rest(self, lane: Lane[None], cursor: Cursor) -> None:
        """A list that is not in the configuration (any more): its cursor stays where it is, for when it comes back."""
        log.warning("list_not_configured", list=key_of(cursor))
        while not await lane.sleep(REST_S):
            pass

    async def _page(self, lane: Lane[None], cursor: Cursor, pager: Pager) -> Page | None:
        """The page, after as many tries as it takes; None when a newer cursor has come."""
        tries = 0
        while True:
            try:
                return await pager.page(cursor)
            except StockwireError as error:
                tries += 1
                wait_s = pause_s(error, tries=tries, chance=self._rng.random())
                lane.count(Count("reads_failed_total", (cursor.connection, type(error).__name__)))
                say = log.error if isinstance(error, OperatorError) else log.warning
                say(
                    "page_not_read",
                    list=key_of(cursor),
                    position=cursor.position,
                    tries=tries,
                    reason=str(error),
                    again_in_s=round(wait_s, 1),
                )
            if await lane.sleep(wait_s):
                return None
