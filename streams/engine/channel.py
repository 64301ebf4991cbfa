"""Broker ─▶ runner: one fetch of one partition goes to its runner as one batch, and only finished records are ever committed.

Faust's own path handles each record by itself and loses some in ordinary rebalances: it clears queues after the fetch
has been opened again, never seeks back partitions without a commit, and drops what a fetch that outlives its
assignment has taken. Here every partition remembers which offset comes next; anything else is un-read.
"""

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from aiokafka import AIOKafkaConsumer
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.futures import maybe_async

from streams.engine.ending import die
from streams.engine.rows import KafkaRecord

if TYPE_CHECKING:
    from streams.engine.app import EngineApp
    from streams.engine.recovery import BulkRecovery, BulkTableManager

FETCH_WAIT_S = 0.25
BUSY_FETCH_WAIT_S = 0.05
"""Shorter while some topics are not fetched, for they may have room at any moment."""

BROKER_WAIT_MS = 200
"""How long a broker may wait for records before it answers a fetch with none."""

log = logging.getLogger(__name__)


class Batch:
    """What one fetch brought of one partition; `records` are in order, and gone when all are finished.

    `committable` is the offset up to which all is finished; None: not even the first record.
    """

    def __init__(self, tp: TP, records: Sequence[KafkaRecord]) -> None:
        self.topic, self.partition = tp
        self.records = records
        self.unfinished = len(records)
        self.committable: int | None = None
        self._finished = bytearray(len(records))
        self._head = 0

    def finish(self, index: int) -> None:
        """The effects of `records[index]` are all acknowledged."""
        self._finished[index] = 1
        self.unfinished -= 1
        while self._head < len(self._finished) and self._finished[self._head]:
            self.committable = self.records[self._head].offset + 1
            self._head += 1
        if self.unfinished == 0:
            self.records = ()

    def finish_all(self) -> None:
        """The effects of all records are acknowledged. Their memory is free for the next ones long before the commit."""
        self.unfinished = 0
        self.committable = self.records[-1].offset + 1
        self.records = ()


class ConsumerOnLoop(driver.AIOKafkaConsumerThread):
    """Faust's wrapper of aiokafka's consumer, without its thread: every fetch would wait for the other thread twice."""

    def __init__(self, consumer: driver.Consumer, **options: Any) -> None:  # noqa: ANN401  # Faust's
        super().__init__(consumer, thread_loop=consumer.loop, **options)

    async def start(self) -> None:
        """As any service of Faust, on the loop of all others."""
        self._thread_started.set()
        await self._default_start()

    async def stop(self) -> None:
        """Do here what the thread does at its end."""
        if self._started.is_set() and not self._stopped.is_set():
            self._stopped.set()
            await self._shutdown_thread()

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **options: Any) -> Any:  # noqa: ANN401  # Faust's signature
        """Call `fun` here and now, and not by way of a queue."""
        return await maybe_async(fun(*args, **options))  # some of aiokafka's are not asynchronous

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        """A broker answers one request of a connection after the other: at a rebalance all wait behind the fetch that waits for records."""
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = BROKER_WAIT_MS  # noqa: SLF001  # Faust gives 1500 and lets nobody choose
        return consumer


class BatchConsumer(driver.Consumer):
    """Faust's consumer, with its fetch loop, its bookkeeping of offsets and its revocation replaced."""

    app: "EngineApp"

    def on_init(self) -> None:
        """Called by Faust at construction and at restart."""
        self._flight: dict[TP, deque[Batch]] = defaultdict(deque)
        """Fetched and not yet wholly committable, in order."""
        self._finished_to: dict[TP, int] = {}
        self._next: dict[TP, int] = {}
        """The offset that must come next."""
        self._accepted_hole: dict[TP, int] = {}

    def _new_consumer_thread(self) -> ConsumerOnLoop:
        return ConsumerOnLoop(self, loop=self.loop, beacon=self.beacon)

    # --- fetching

    async def _drain_messages(self, fetcher: Any) -> None:  # noqa: ANN401  # Faust's Fetcher; the base class says less
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):  # noqa: SLF001  # as in Faust's own loop
                if self.flow_active:
                    await self._fetch_once()
                else:
                    await self.wait(self.can_resume_flow.wait())
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _fetch_once(self) -> None:
        generation = self.app.consumer_generation_id
        active = self._get_active_partitions()
        wanted = self._with_room(active)
        if not wanted:  # aiokafka takes an empty set for "all partitions"
            self.app.room.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.app.room.wait(), FETCH_WAIT_S)
            return
        # The fetch may outlive its assignment: aiokafka waits for the next one and then returns records of that.
        fetched = await self._getmany(wanted, FETCH_WAIT_S if len(wanted) == len(active) else BUSY_FETCH_WAIT_S)
        for tp, records in fetched.items():
            await self._accept(ensure_TP(tp), records, generation)
        await asyncio.sleep(0)

    @property
    def _recovery(self) -> "BulkRecovery":
        return cast("BulkTableManager", self.app.tables).recovery

    def _with_room(self, active: set[TP]) -> set[TP]:
        """A slow topic must not starve the others, nor fill the memory; counted per topic, for fewer partitions mean tiny fetches."""
        unfinished: Counter[str] = Counter()
        for tp, batches in self._flight.items():
            unfinished[tp.topic] += sum(batch.unfinished for batch in batches)
        limit = self.app.settings.flight_records
        return {tp for tp in active if unfinished[tp.topic] < limit}

    async def _accept(self, tp: TP, records: Sequence[KafkaRecord], generation: int) -> None:
        is_changelog = self._is_changelog_tp(tp)
        expected = self._recovery.next_offset(tp) if is_changelog else self._next.get(tp)
        outdated = generation != self.app.consumer_generation_id or not self.flow_active or tp not in self._get_active_partitions()
        if outdated or (not is_changelog and self._is_new_hole(tp, records[0].offset, expected)):
            await self._unread(tp, records[0].offset, expected)
        elif is_changelog:
            self._recovery.apply(tp, records)
        elif fresh := [record for record in records if record.offset >= (expected or 0)]:
            self._next[tp] = fresh[-1].offset + 1
            batch = Batch(tp, fresh)
            self._flight[tp].append(batch)
            self.app.deliver(batch)

    def _is_new_hole(self, tp: TP, first: int, expected: int | None) -> bool:
        """Records are missing before `first`. Seen a second time the hole is real (compaction, retention) and accepted."""
        if expected is None or first <= expected or self._accepted_hole.get(tp) == expected:
            return False
        log.warning("hole in %s-%s: expected %s, got %s; reading again", tp.topic, tp.partition, expected, first)
        self._accepted_hole[tp] = expected
        return True

    async def _unread(self, tp: TP, first: int, expected: int | None) -> None:
        """Seek back, so that what this fetch took is fetched again; in vain, and needless, where `tp` is no longer ours."""
        with contextlib.suppress(Exception):
            await self.seek_wait({tp: first if expected is None else min(expected, first)})

    async def perform_seek(self) -> None:
        """Go to the committed offsets; without a commit to an explicit beginning, for aiokafka leaves such partitions where they are."""
        committed = {ensure_TP(tp): offset or None for tp, offset in (await self.seek_to_committed()).items()}
        sources = {tp: offset for tp, offset in committed.items() if not self._is_changelog_tp(tp)}
        fresh = [tp for tp, offset in sources.items() if offset is None]
        first = await self.earliest_offsets(*fresh) if fresh else {}
        if first:
            await self.seek_wait(first)
        self._forget_flight()
        self._next = {tp: first[tp] if offset is None else offset for tp, offset in sources.items()}
        self._read_offset.update(sources)
        self._committed_offset.update(sources)

    # --- committing

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:  # noqa: ANN401, ARG002  # Faust's signature
        return iter(list(self._flight))

    def _new_offset(self, tp: TP) -> int | None:
        """Strictly in order, and only what the agent has finished; Faust's own acknowledgement counts for nothing."""
        batches = self._flight[tp]
        while batches:
            finished_to = batches[0].committable
            if finished_to is not None:
                self._finished_to[tp] = finished_to
            if batches[0].unfinished:
                break
            batches.popleft()
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self._finished_to.get(tp)

    # --- giving up partitions

    async def wait_empty(self) -> None:
        """At a revocation and at the end: let what runs finish, drop what waits, commit what is finished."""
        try:
            await asyncio.wait_for(self.app.give_up(), self.app.settings.drain_s)
        except TimeoutError:
            die("calls still in flight at a revocation or at the end")
        while await self.maybe_wait_for_commit_to_finish():
            pass
        await self.commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit before Faust forgets what is finished."""
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        try:
            await self.wait_empty()
        except Exception:
            log.exception("commit at a revocation")  # repeats follow, no loss
        self._forget_flight()
        self._next.clear()
        self._unacked_messages.clear()
        await super().on_partitions_revoked(revoked)

    def _forget_flight(self) -> None:
        self._flight.clear()
        self._finished_to.clear()
        self._accepted_hole.clear()

    # --- Faust's alarms

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's livelock alarm compares different clocks and cries wolf."""

    def idle_positions(self) -> dict[TP, int]:
        """The next offset of each source partition of which nothing is in flight."""
        return {tp: offset for tp, offset in self._next.items() if not any(batch.unfinished for batch in self._flight.get(tp, ()))}
