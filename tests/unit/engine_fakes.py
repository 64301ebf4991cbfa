"""A Kafka of lists for the engine's unit tests."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from aiokafka import ConsumerRecord
from faust.types import TP

from streams.engine.channel import Batch
from streams.engine.effects import Changelog, Host, KafkaHeaders, KeyValue, Outlet
from streams.engine.rows import Partition, RowStore


class FakeOutlet(Outlet):
    """Acknowledges at once, or not before `gate` is set; `written` holds topic, key and value in the order of writing."""

    def __init__(self) -> None:
        super().__init__(None)
        self.written: list[tuple[str, bytes | None, bytes | None]] = []
        self.batches: list[list[bytes | None]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.foreign = 0
        """So many records of others lie before ours."""

    def partition_of(self, topic: str, key: str) -> int:  # noqa: ARG002  # one partition
        return 0

    def dead_partition_of(self, raw_key: bytes | None) -> int:  # noqa: ARG002  # one partition
        return 0

    async def write_batch(self, topic: str, partition: int, records: Iterable[KeyValue]) -> list[tuple[int, int]]:  # noqa: ARG002  # one partition
        await self.gate.wait()
        batch = list(records)
        first = sum(written[0] == topic for written in self.written) + self.foreign
        self.written.extend((topic, key, value) for key, value, _ in batch)
        self.batches.append([key for key, _, _ in batch])
        return [(first, len(batch))]

    async def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: KafkaHeaders) -> None:  # noqa: ARG002  # one partition
        await self.gate.wait()
        self.written.append((topic, key, value))

    def values(self, topic: str) -> list[bytes]:
        """What was written to a topic."""
        return [value for name, _, value in self.written if name == topic and value is not None]


class FakeStore:
    """Rows without Faust."""

    table_name = "fake"

    def __init__(self) -> None:
        self.partitions = {0: Partition()}

    def count_rows(self) -> None:
        """Nothing to publish."""


def host(outlet: Outlet) -> Host:
    """For a runner."""
    return Host(outlet, asyncio.Event(), 0, 4)


def changelog(outlet: Outlet) -> Changelog:
    """On fake rows."""
    return Changelog(outlet, "changelog", cast("RowStore", FakeStore()))


def batch(*records: tuple[str, bytes], first: int = 0) -> Batch:
    """A batch of keys and values."""
    raws: list[Any] = [
        ConsumerRecord("source", 0, first + number, 1000 + number, 0, key.encode(), value, None, 1, 1, (("trace", b"t"),))
        for number, (key, value) in enumerate(records)
    ]
    return Batch(TP("source", 0), raws)
