"""level ─▶ fact.stock: a channel's whole catalogue, said again page by page; then outcome ─▶ review: how that ended.

The list is our own: each SKU of `level.<c>.v1` becomes a `Resend`, upon which the stock agent says the told number again, word for
word. Where the run stands is in the cursor, so another process goes on there.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog
from confluent_kafka import Consumer

from agents.ports import Page
from models import topics
from models.agent import Emit, Rank
from models.codec import encode
from models.cursor import Cursor
from models.errors import PoisonError
from models.facts import Resend
from models.review import CatalogueReported
from streams import read, scan
from streams.catalogue_report import Tally, is_complete, report
from streams.kafka_client import confluent
from streams.settings import KafkaSettings

CATALOGUE = "catalogue"
"""The list's name in `poll.v1`."""

PAGE_OFFERS = 250
READ_WITHIN_S = 4.0
SETTLE_WITHIN_S = 900.0
LOOK_FIRST_S, LOOK_LATER_S = 5.0, 30.0
DAY_S = 86_400.0

log = structlog.get_logger(__name__)


class Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`Cursor.position` of a run that began at `began_ms` and has `spans` of `level.<c>.v1` to say; they held `size` offsets then.

    `settling_ms`: everything was said at that moment, and outcomes are awaited.
    """

    began_ms: int
    size: int
    spans: scan.Spans
    settling_ms: int | None = None

    @property
    def said(self) -> float:
        """How much of the catalogue has been said, 0 to 1."""
        return 1 - scan.left(self.spans) / self.size if self.size else 1.0


def position_of(cursor: Cursor) -> Position | None:
    """Where a run stands; None before its first page. Raises `PoisonError` for a text that is none of ours."""
    if not cursor.position:
        return None
    try:
        return msgspec.json.decode(cursor.position, type=Position)
    except msgspec.DecodeError as error:
        raise PoisonError(f"no position of a catalogue run ({error}); begin a new one: stockwire reconcile --catalogue") from error


class _Memory(msgspec.Struct):
    """What this process knows of the run beyond the cursor that it wrote last; without it some SKUs are said twice."""

    sweep: str
    position: str
    said: set[str]
    tally: Tally


class CataloguePager:
    """Says at most `offers_per_s` SKUs a second, and waits at most `settle_within_s` for their outcomes."""

    every_s = DAY_S

    def __init__(  # noqa: PLR0913  # all by name but two
        self,
        kafka: KafkaSettings,
        connection: str,
        *,
        offers_per_s: float,
        settle_within_s: float = SETTLE_WITHIN_S,
        look_every_s: float = LOOK_FIRST_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kafka = kafka
        self._connection = connection
        self._offers_per_s = offers_per_s
        self._settle_within_s = settle_within_s
        self._look_every_s = look_every_s
        self._clock = clock
        self._memory: _Memory | None = None

    async def page(self, cursor: Cursor) -> Page:
        """Up to 250 SKUs to be said again; after the last one looks at their outcomes, until the report can be written."""
        return await asyncio.to_thread(self._page, cursor)

    def _page(self, cursor: Cursor) -> Page:
        position = position_of(cursor)
        if position is None:
            with scan.reader(confluent(self._kafka)) as consumer:
                spans = scan.whole(consumer, self._topic)
            position = Position(began_ms=self._now_ms(), size=scan.left(spans), spans=spans)
        memory = self._remembered(cursor, position)
        page = self._say(position, memory) if position.settling_ms is None else self._settle(cursor, position, memory)
        self._memory = None if page.position is None else msgspec.structs.replace(memory, position=page.position)
        return page

    def _remembered(self, cursor: Cursor, position: Position) -> _Memory:
        """Only what led to this very cursor: a page that is asked for again was perhaps never written."""
        memory = self._memory
        if memory is not None and (memory.sweep, memory.position) == (cursor.sweep, cursor.position):
            return memory
        return _Memory(cursor.sweep, cursor.position, set(), Tally(self._kafka, self._connection, position.began_ms))

    def _say(self, position: Position, memory: _Memory) -> Page:
        skus = self._next_skus(position.spans, memory.said)
        memory.said |= set(skus)
        if not scan.left(position.spans):
            memory.said = set()
            position = msgspec.structs.replace(position, settling_ms=self._now_ms())
        emits = tuple(self._resend(sku) for sku in skus)
        return Page(elements=[], position=encode(position).decode(), emits=emits, pause_s=len(emits) / self._offers_per_s)

    def _next_skus(self, spans: scan.Spans, said: set[str]) -> list[str]:
        """SKUs not said yet, from all partitions alike: each sender has its part of the partitions and of the pace."""
        found: dict[str, None] = {}
        deadline = time.monotonic() + READ_WITHIN_S
        with scan.reader(confluent(self._kafka)) as consumer:
            while len(found) < PAGE_OFFERS and scan.left(spans) and time.monotonic() < deadline:
                open_parts = [part for part, span in spans.items() if span.next < span.end]
                quota = -(-(PAGE_OFFERS - len(found)) // len(open_parts))
                for part in open_parts:
                    most = min(PAGE_OFFERS, len(found) + quota)
                    self._from_partition(consumer, {part: spans[part]}, said, found, most)
        return list(found)

    def _from_partition(self, consumer: Consumer, span: scan.Spans, said: set[str], found: dict[str, None], most: int) -> None:
        """Read on until `found` has `most` SKUs."""
        if len(found) >= most:
            return
        for record in scan.records(consumer, self._topic, span, within_s=READ_WITHIN_S):
            sku = read.key_of(record) or ""
            if record.value() is not None and sku not in said:
                found[sku] = None
            if len(found) >= most:
                return

    def _settle(self, cursor: Cursor, position: Position, memory: _Memory) -> Page:
        caught_up = memory.tally.look(within_s=READ_WITHIN_S) if position.size else True
        waited_s = self._clock() - (position.settling_ms or 0) / 1_000
        found = report(memory.tally, cursor.sweep, self._now_ms())
        if caught_up and (not found.left or waited_s >= self._settle_within_s):
            return Page(elements=[], position=None, emits=(self._reported(found),))
        pause_s = min(LOOK_LATER_S, max(self._look_every_s, waited_s / 4)) if caught_up else 0.0
        return Page(elements=[], position=cursor.position, pause_s=pause_s)

    def _reported(self, found: CatalogueReported) -> Emit:
        numbers = {name: getattr(found, name) for name in ("offers", "taken", "left", "missing_count", "refused_count")}
        say = log.info if is_complete(found) else log.warning
        say("catalogue_reported", connection=self._connection, run=found.run, complete=is_complete(found), **numbers)
        return Emit(topic=topics.REVIEW, key=report_key(self._connection), value=found)

    def _resend(self, sku: str) -> Emit:
        return Emit(rank=Rank.FACT, topic=topics.FACT_STOCK, key=sku, value=Resend(connection=self._connection, sku=sku))

    @property
    def _topic(self) -> str:
        return topics.level(self._connection)

    def _now_ms(self) -> int:
        return int(self._clock() * 1_000)


def report_key(connection: str) -> str:
    """The key of the report in `review.v1`."""
    return f"catalogue/{connection}"
