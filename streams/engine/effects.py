"""Decisions ─▶ Kafka: facts, then commands and dead letters, then rows, each acknowledged before the next begins.

A crash in between repeats effects and never loses one; a replay makes the same records, so repeats are harmless.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from models.agent import Count, Dead, Emit, Rank, Record
from models.message import Headers
from models.topics import DEAD
from streams.dead import dead_headers, dead_value
from streams.encoded import encoded
from streams.engine.ending import die
from streams.engine.rows import RowStore
from streams.metrics import count

KafkaHeaders = list[tuple[str, bytes]]
KeyValue = tuple[bytes | None, bytes | None, KafkaHeaders]
Groups = Mapping[tuple[str, int], list[KeyValue]]


def hash_of(key: bytes) -> int:
    """The number by which every Kafka client chooses the partition of a key (Java's default partitioner)."""
    return int(murmur2(key) & 0x7FFFFFFF)  # type: ignore[no-untyped-call]  # aiokafka is untyped here


class Places(dict[str, int]):
    """By key its partition in a topic with `partitions`, as far as asked for; to hash a key costs as much as to decide."""

    def __init__(self, partitions: int, most: int = 1 << 16) -> None:
        super().__init__()
        self._partitions = partitions
        self._most = most

    def __missing__(self, key: str) -> int:
        """Remember it. Beyond `most` all are forgotten, for to know which is the oldest costs more than it saves."""
        if len(self) >= self._most:
            self.clear()
        place = self[key] = hash_of(key.encode()) % self._partitions
        return place


async def together(writing: Sequence[Coroutine[Any, Any, object]]) -> None:
    """Await all side by side; one alone, as mostly, without the detour of a task."""
    if len(writing) == 1:
        await writing[0]
    elif writing:
        await asyncio.gather(*writing)


class Outlet:
    """Writes records with Faust's idempotent producer (acks=all); everything awaited here is acknowledged when it returns."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401  # the EngineApp; it owns this
        self._app = app
        self._partitions: dict[str, int] = {}
        self._places: dict[str, Places] = {}
        """By topic; topics with as many partitions share them."""

    async def open(self, topics: Iterable[str]) -> None:
        """Learn the partitions of all topics that will be read or written; one that cannot be found ends the process."""
        for topic in topics:
            try:
                self._partitions[topic] = len(await self.producer.partitions_for(topic))
            except KafkaError as error:
                die(f"{topic} cannot be found; `stockwire topics create` makes what is missing", error)
        places = {partitions: Places(partitions) for partitions in set(self._partitions.values())}
        self._places = {topic: places[partitions] for topic, partitions in self._partitions.items()}

    @property
    def producer(self) -> Any:  # noqa: ANN401  # an AIOKafkaProducer, which has no types
        """The aiokafka producer under Faust's, whose own send costs ten times as much."""
        return self._app.producer._producer  # noqa: SLF001  # Faust hides it

    def partitions(self, topic: str) -> int:
        """How many partitions an opened topic has."""
        return self._partitions[topic]

    def partition_of(self, topic: str, key: str) -> int:
        """The partition of `key` in an opened topic."""
        return self._places[topic][key]

    def dead_partition_of(self, raw_key: bytes | None) -> int:
        """The partition of `dead.v1` for the key of a dead letter, which may be no text."""
        return hash_of(raw_key or b"") % self._partitions[DEAD]

    async def write(self, effects: "Effects") -> None:
        """Write all, rank by rank."""
        for rank in Rank:
            groups = effects.groups(rank)
            await together([self.write_batch(topic, partition, records) for (topic, partition), records in groups.items()])

    async def write_batch(self, topic: str, partition: int, records: Iterable[KeyValue]) -> list[tuple[int, int]]:
        """Write in order, in as few batches as they fit in; returns `(first offset, count)` of each batch."""
        sent = []
        builder = self.producer.create_batch()
        for key, value, headers in records:
            if builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
                sent.append((await self.producer.send_batch(builder, topic, partition=partition), builder.record_count()))
                builder = self.producer.create_batch()
                builder.append(key=key, value=value, timestamp=None, headers=headers)  # the first always fits
        builder.close()  # so that nobody adds to it and its count stays true
        sent.append((await self.producer.send_batch(builder, topic, partition=partition), builder.record_count()))
        return [((await future).offset, records_count) for future, records_count in sent]

    async def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: KafkaHeaders) -> None:
        """Write one record; many at once share their batches."""
        await (await self.producer.send(topic, value, key=key, partition=partition, headers=headers))


class Host(NamedTuple):
    """What the process gives each of its runners. `room` is set whenever a record is finished; each topic has `partitions`."""

    outlet: Outlet
    room: asyncio.Event
    epoch: int
    partitions: int


class Undecodable(msgspec.Struct, frozen=True, kw_only=True):
    """A source record that is no `Record`: without a key, or with bytes that nobody understands."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers


class Effects:
    """What the records of one batch want written, by rank, topic and partition."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._groups: dict[Rank, defaultdict[tuple[str, int], list[KeyValue]]] = {rank: defaultdict(list) for rank in Rank}
        self._newest: dict[Rank, dict[tuple[str, str], tuple[Emit, Headers]]] = {rank: {} for rank in Rank}

    def emit(self, emits: Iterable[Emit], cause: Headers) -> None:
        """Add what a record with headers `cause` causes."""
        for emit in emits:
            if emit.conflate:
                newest = self._newest[emit.rank]
                newest.pop((emit.topic, emit.key), None)  # the newest takes the last place
                newest[emit.topic, emit.key] = (emit, cause)
            else:
                self._add(emit, cause)

    def dead(self, agent: str, record: Record | Undecodable, dead: Dead, exchange: bytes = b"") -> None:
        """Add a dead letter; its key, value and headers are the record's own."""
        origin = (record.topic, record.partition, record.offset)
        key = record.key.encode() if isinstance(record, Record) else record.key
        headers = dead_headers(record.headers, dead, agent=agent, exchange=exchange, origin=origin)
        partition = self._outlet.dead_partition_of(key)
        self._groups[Rank.COMMAND][DEAD, partition].append((key, dead_value(record.value), list(headers.items())))
        count(Count("dead_letters_written_total", (agent, dead.error)))

    def groups(self, rank: Rank) -> Groups:
        """The encoded records of one rank, in the order of their causes, those of which only the newest is needed last."""
        newest, self._newest[rank] = self._newest[rank], {}
        for emit, cause in newest.values():
            self._add(emit, cause)
        return self._groups[rank]

    def _add(self, emit: Emit, cause: Headers) -> None:
        partition = self._outlet.partition_of(emit.topic, emit.key)
        self._groups[emit.rank][emit.topic, partition].append((emit.key.encode(), *encoded(emit, cause)))


class Changelog:
    """Writes rows of one table: per partition one batch in flight, and what arrives meanwhile is the next one.

    Nobody else writes to a changelog. If the first offset of an acknowledged batch is not the one after our last, an
    owner before us has woken up, or we are that owner: end, start again, recover.
    """

    def __init__(self, outlet: Outlet, topic: str, store: RowStore) -> None:
        self.topic = topic
        self.store = store
        self._outlet = outlet
        self._waiting: dict[int, tuple[dict[bytes, bytes], asyncio.Task[None]]] = {}
        self._locks: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def write(self, partition: int, rows: Mapping[bytes, bytes]) -> None:
        """Return when the rows are acknowledged and in memory."""
        if partition in self._waiting:
            together, writing = self._waiting[partition]
            together.update(rows)
        else:
            together = dict(rows)
            writing = asyncio.create_task(self._write_next(partition, together))
            self._waiting[partition] = (together, writing)
        await asyncio.shield(writing)

    async def mend(self) -> None:
        """Write again the rows that an earlier owner has put older ones behind."""
        for number, partition in list(self.store.partitions.items()):
            if partition.stale:
                await self.write(number, {key: partition.rows[key] for key in sorted(partition.stale)})
                partition.stale.clear()

    async def _write_next(self, partition: int, rows: dict[bytes, bytes]) -> None:
        async with self._locks[partition]:
            del self._waiting[partition]  # from here on `rows` stays as it is
            await self._append(partition, rows)

    async def _append(self, number: int, rows: Mapping[bytes, bytes]) -> None:
        partition = self.store.partitions.get(number)
        if partition is None:
            die(f"partition {number} of {self.topic} is no longer ours")
        for first, records in await self._outlet.write_batch(self.topic, number, ((key, row, []) for key, row in rows.items())):
            if first != partition.offset + 1:
                die(f"foreign write in {self.topic}-{number}: expected offset {partition.offset + 1}, got {first}")
            partition.offset += records
        partition.rows.update(rows)
        count(Count("changelog_written_bytes_total", (self.store.table_name,), sum(map(len, rows.values()))))
