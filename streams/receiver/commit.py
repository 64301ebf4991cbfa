"""receiver ─▶ Kafka: group commit. One batch per partition is on its way; what arrives meanwhile is the next batch."""

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from models.agent import Count
from streams.metrics import count

log = structlog.get_logger(__name__)

BATCH_BYTES = 262_144
LOOK_AGAIN_S = 1.0
GROWN_S = 30.0
"""How often we look whether a topic has got more partitions."""
_hash = functools.lru_cache(maxsize=65_536)(murmur2)


class Deposit(msgspec.Struct):
    """One record to be written; `done` is called once, with whether all replicas have it.

    `False` says only that nobody knows: it may be written yet. `since` is the loop's time at which it came.
    """

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    time_ms: int
    since: float
    done: Callable[[bool], None]

    @property
    def size(self) -> int:
        """Roughly the memory it holds."""
        return len(self.value or b"") + len(self.key) + 512


class Together:
    """Deposits with one answer: `done` is called once, when the last one is stored or the first one is not."""

    def __init__(self, deposits: int, done: Callable[[bool], None]) -> None:
        self._left, self._done = deposits, done

    def settle(self, stored: bool) -> None:  # noqa: FBT001  # the `done` of each deposit
        """One of them is settled."""
        if self._left:
            self._left = self._left - 1 if stored else 0
            if not self._left:
                self._done(stored)

    def forget(self) -> None:
        """Call nobody any more."""
        self._left = 0


class Batch(Protocol):
    """aiokafka's batch builder."""

    def append(self, *, timestamp: int, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> object | None:
        """Add a record; None when it is full."""


class Producer(Protocol):
    """The part of `AIOKafkaProducer` (which has no types) that is used here."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""

    async def partitions_for(self, topic: str) -> Collection[int]:
        """The partitions of a topic."""

    def create_batch(self) -> Batch:
        """An empty batch."""

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Awaitable[object]:
        """Hand a batch over; what it returns is done when the batch is acknowledged."""


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of `key`, as the Java client computes it."""
    return int(_hash(key) & 0x7FFFFFFF) % partitions


class Lane:
    """One partition: what waits for it and what is on its way."""

    def __init__(self, producer: Producer, topic: str, partition: int, release: Callable[[int], None]) -> None:
        self._producer, self._topic, self._partition, self._release = producer, topic, partition, release
        self._waiting: deque[Deposit] = deque()
        self._flying: list[Deposit] = []
        self._pump: asyncio.Task[None] | None = None
        self.stuck = False
        """Whether the batch on its way is overdue: then nothing more is taken, its answer comes at once."""

    def put(self, deposit: Deposit) -> None:
        """Join the next batch."""
        self._waiting.append(deposit)
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._waiting:
            batch = self._producer.create_batch()
            while self._waiting and self._append(batch, self._waiting[0]):
                self._flying.append(self._waiting.popleft())
            stored = await self._send(batch)
            self.stuck = False
            flying, self._flying = self._flying, []
            if stored and flying:
                count(Count("deliveries_stored_seconds", (), asyncio.get_running_loop().time() - flying[0].since))
            self._settle(flying, stored=stored)
        self._pump = None

    @staticmethod
    def _append(batch: Batch, deposit: Deposit) -> bool:
        added = batch.append(key=deposit.key, value=deposit.value, timestamp=deposit.time_ms, headers=deposit.headers)
        return added is not None

    async def _send(self, batch: Batch) -> bool:
        try:
            await (await self._producer.send_batch(batch, self._topic, partition=self._partition))
        except KafkaError as error:
            log.warning("batch_not_stored", topic=self._topic, partition=self._partition, error=repr(error))
            return False
        return True

    def expire(self, before: float) -> None:
        """Answer no to what came before `before` and is not stored yet; an overdue batch takes all behind it along."""
        if self._flying and self._flying[0].since < before:
            self.stuck = True
            # The batch may still arrive. Its senders will repeat it: twice is fine, never is not.
            flying, self._flying = self._flying, []
            self._settle(flying, stored=False)
        overdue = []
        while self._waiting and (self.stuck or self._waiting[0].since < before):
            overdue.append(self._waiting.popleft())
        self._settle(overdue, stored=False)

    def _settle(self, deposits: Sequence[Deposit], *, stored: bool) -> None:
        self._release(sum(deposit.size for deposit in deposits))
        for deposit in deposits:
            deposit.done(stored)

    async def stop(self) -> None:
        """Abandon the batch on its way."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        self.stuck = True
        self.expire(float("inf"))


class GroupCommit:
    """The way of all records into Kafka, with `acks=all`.

    `queue_bytes` bounds what waits and flies; `deadline_s` how long anyone waits for the answer.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Iterable[str],
        *,
        deadline_s: float = 3.0,
        queue_bytes: int = 67_108_864,
        client: Mapping[str, Any] = {},
    ) -> None:
        self._topics = tuple(topics)
        self._deadline_s, self._queue_bytes = deadline_s, queue_bytes
        self._options = {"bootstrap_servers": bootstrap, "client_id": "stockwire-receiver", **client}
        self._lanes: dict[str, list[Lane]] = {}
        self._producer: Producer | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.held_bytes = 0

    @property
    def connected(self) -> bool:
        """Whether Kafka has been reached and has told the partitions of every topic."""
        return all(self._lanes.get(topic) for topic in self._topics)

    def start(self) -> None:
        """Reach for Kafka in the background, for as long as it takes; until then everything offered is refused."""
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        producer = await self._reach()
        while True:
            for topic in self._topics:
                await self._look_at(producer, topic)
            await asyncio.sleep(GROWN_S if self.connected else LOOK_AGAIN_S)

    async def _reach(self) -> Producer:
        while True:
            self._producer = self._new_producer()
            try:
                await self._producer.start()
            except KafkaError as error:
                log.warning("kafka_not_reached", error=repr(error))
                await self._producer.stop()
                await asyncio.sleep(LOOK_AGAIN_S)
            else:
                return self._producer

    def _new_producer(self) -> Producer:
        # Not idempotent: aiokafka never gives up an idempotent batch, so its partition would be shut until Kafka answers for it.
        producer = AIOKafkaProducer(  # type: ignore[no-untyped-call]  # aiokafka has no types
            **self._options,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=int(self._deadline_s * 1000),
            metadata_max_age_ms=int(GROWN_S * 1000),
        )
        return cast("Producer", producer)

    async def _look_at(self, producer: Producer, topic: str) -> None:
        """Learn the partitions of a topic: at the start, and when it has grown."""
        try:
            partitions = await producer.partitions_for(topic)
        except KafkaError as error:
            log.warning("topic_not_known", topic=topic, error=repr(error))
            return
        lanes = self._lanes.setdefault(topic, [])
        lanes.extend(Lane(producer, topic, partition, self._let_go) for partition in range(len(lanes), len(partitions)))

    def _let_go(self, size: int) -> None:
        self.held_bytes -= size

    def offer(self, deposit: Deposit) -> bool:
        """Take it (then its `done` will be called), or refuse at once because Kafka is away or too much waits."""
        lanes = self._lanes.get(deposit.topic)
        held_bytes = self.held_bytes + deposit.size
        if not lanes or held_bytes > self._queue_bytes:
            return False
        lane = lanes[partition_of(deposit.key, len(lanes))]
        if lane.stuck:
            return False
        self.held_bytes = held_bytes
        lane.put(deposit)
        return True

    def expire(self, now: float) -> None:
        """Answer what has waited longer than the deadline; to be called a few times per second with the loop's time."""
        if self.held_bytes:
            for lanes in self._lanes.values():
                for lane in lanes:
                    lane.expire(now - self._deadline_s)

    async def stop(self) -> None:
        """Give up what is not stored, and leave."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        for lanes in self._lanes.values():
            for lane in lanes:
                await lane.stop()
        if self._producer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._producer.stop(), self._deadline_s)
