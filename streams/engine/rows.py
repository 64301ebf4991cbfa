"""The rows of a table in memory: raw bytes per partition, decoded only when touched. Changelog ─▶ rows."""

import bisect
import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import faust
import msgspec
from aiokafka import ConsumerRecord
from faust.stores import memory
from faust.types import TP

from models.agent import Count
from streams.metrics import count

KafkaRecord = ConsumerRecord[bytes, bytes]


class Head(msgspec.Struct, frozen=True):
    """What recovery needs of a row; the rest of the JSON is skipped."""

    at: int
    due: int | None = None


head_of: Callable[[bytes], Head] = msgspec.json.Decoder(Head).decode


class Partition:
    """One partition of a table. `offset` is that of the last changelog record in `rows`.

    `dues` is a heap of `(due_ms, key)`; an entry counts only while the row still says so.
    `stale` holds keys of which the changelog ends with an older row than ours: it must be written again, for
    compaction would keep the older one.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.offset = -1
        self.dues: list[tuple[int, bytes]] = []
        self.stale: set[bytes] = set()
        self._to_be_told: list[bytes] | None = None

    def recover(self, records: Iterable[KafkaRecord]) -> None:
        """Apply changelog records in their order, but never let an older row replace a newer one."""
        for record in records:
            key, row = record.key or b"", record.value
            if row is None:
                self.rows.pop(key, None)
                continue
            head = head_of(row)
            old = self.rows.get(key)
            if old is not None and head.at < head_of(old).at:
                self.stale.add(key)
                continue
            self.rows[key] = row
            self.stale.discard(key)
            if head.due is not None:
                self.wake(head.due, key)

    def wake(self, due_ms: int, key: bytes) -> None:
        """Remember that the row of `key` is due."""
        heapq.heappush(self.dues, (due_ms, key))
        if len(self.dues) > 2 * len(self.rows) + 1000:
            self._forget_outdated_dues()

    def next_due(self) -> int | None:
        """The earliest remembered due; its row may say otherwise by now."""
        return self.dues[0][0] if self.dues else None

    def pop_due(self, now_ms: int) -> tuple[int, bytes] | None:
        """Take the earliest `(due_ms, key)` not after `now_ms`."""
        if self.dues and self.dues[0][0] <= now_ms:
            return heapq.heappop(self.dues)
        return None

    def tell_all(self, new: Iterable[bytes] = ()) -> None:
        """Begin to tell the configuration to all rows, and to `new` ones that are not in memory yet."""
        self._to_be_told = sorted(key for key in {*self.rows, *new} if not key.startswith(b"@"))

    def next_to_be_told(self, after: bytes, limit: int) -> tuple[list[bytes], bool]:
        """The next keys after `after` to be told the configuration, and whether there are more."""
        if self._to_be_told is None:  # an owner before us began
            self.tell_all()
        keys = self._to_be_told or []
        begin = bisect.bisect_right(keys, after)
        more = begin + limit < len(keys)
        if not more:
            self._to_be_told = None
        return keys[begin : begin + limit], more

    def _forget_outdated_dues(self) -> None:
        heads = ((head_of(row).due, key) for key, row in self.rows.items())
        self.dues = [(due, key) for due, key in heads if due is not None]
        heapq.heapify(self.dues)


class RowStore(memory.Store):  # type: ignore[type-arg]  # keys and values are bytes, and Faust never touches them here
    """Faust's memory store with the rows apart by partition."""

    def __post_init__(self) -> None:
        """Called by Faust at the end of its constructor."""
        super().__post_init__()
        self.partitions: dict[int, Partition] = {}

    def persisted_offset(self, tp: TP) -> int:
        """Where recovery goes on: rows of a partition that stays here are not read again."""
        return self.partitions.setdefault(tp.partition, Partition()).offset

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:  # noqa: ARG002  # Faust's signature
        """Forget the partitions that are no longer ours."""
        ours = {tp.partition for tp in active_tps}
        for partition in self.partitions.keys() - ours:
            del self.partitions[partition]
        self.count_rows()

    def recover(self, tp: TP, records: Sequence[KafkaRecord]) -> int:
        """Apply changelog records of one partition; returns the offset of the last one."""
        partition = self.partitions.setdefault(tp.partition, Partition())
        stale_before = len(partition.stale)
        partition.recover(record for record in records if record.offset > partition.offset)
        partition.offset = max(partition.offset, records[-1].offset)
        if len(partition.stale) > stale_before:
            count(Count("stale_rows_rejected_total", (self.table_name,), len(partition.stale) - stale_before))
        return partition.offset

    def count_rows(self) -> None:
        """Publish how many rows there are."""
        count(Count("table_rows", (self.table_name,), sum(len(partition.rows) for partition in self.partitions.values())))


class RowTable(faust.Table[bytes, bytes]):
    """A Faust table (changelog, assignment, recovery) on a `RowStore`; read and written by the engine only."""

    @property
    def store(self) -> RowStore:
        """The rows."""
        return cast("RowStore", self.data)

    def _new_store(self) -> Any:  # noqa: ANN401  # Faust's StoreT
        return RowStore("memory://", self.app, self, table_name=self.name)
