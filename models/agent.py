"""What an agent is to the engine: plain declarations, no Kafka and no Faust in sight.

A *table agent* decides: `decide(view, record) -> Decision`, synchronous and pure.
A *lane agent* acts: `async run(lane, record)`, one record of a key at a time, keys side by side.
What is made per record can form no cycle, hence `gc=False`: there are a hundred thousand a second.
"""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from models.message import Headers, Message


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Kafka record, decoded.

    `sequence` is `epoch * 2**40 + offset`: it grows for ever, even when the topic is made anew under the next epoch.
    `time_ms` is the record's own time (our clock); it is the only "now" that a decision may know.
    `body` is what the agent's `decode` made of `value`.
    """

    topic: str
    partition: int
    offset: int
    sequence: int
    time_ms: int
    key: str
    value: bytes
    headers: Headers
    body: Any

    @property
    def origin(self) -> str:
        """`topic-partition-offset`: where ids of things that have none of their own come from."""
        return f"{self.topic}-{self.partition}-{self.offset}"


class Row(Protocol):
    """What the engine needs of a table row: its guard and its timer. A row is an immutable msgspec struct."""

    @property
    def at(self) -> int:
        """The sequence of the last record applied; a smaller one never replaces a larger one."""

    @property
    def due(self) -> int | None:
        """When this row wants a `Tick` (Unix ms, our clock), or None."""


class View(msgspec.Struct, frozen=True, gc=False):
    """What a decision may look at: the row of its key, and the rows shared by the partition.

    `row` is None for a key never seen. `config` is the agent's configuration as of this record.
    `shared` maps `@name` to the partition's shared row of that name; absent names were never written.
    """

    key: str
    row: Any
    config: Any
    shared: Mapping[str, Any]


class Rank(enum.IntEnum):
    """The order in which effects are acknowledged: what is told to others comes after what is known here."""

    FACT = 0
    COMMAND = 1


class Emit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One record to write.

    `conflate`: only the newest one of a (topic, key) in a batch is needed, as for a level.
    A `bytes` value goes out as it is, None deletes the key from a register. Headers `type`, `connection`, `sku`, `item`,
    `order` are derived from a `Message` value and `trace` is handed on from the causing record; `headers` adds to these.
    """

    rank: Rank = Rank.COMMAND
    topic: str
    key: str
    value: Message | bytes | None
    headers: Headers = {}
    conflate: bool = False


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """The record at hand cannot be used: park it in `dead.v1` with its original bytes and this reason.

    `error` is one of the names in `models.errors`; `reason` says to a person what is wrong and what to do.
    """

    error: str
    reason: str


class Count(msgspec.Struct, frozen=True):
    """A metric of `streams.metrics`, counted up (counter) or observed (histogram) by `value`."""

    metric: str
    labels: tuple[str, ...] = ()
    value: float = 1.0


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a decision wants: its row from now on (None: unchanged), records to write, dead letters, counts."""

    row: Any = None
    shared: Mapping[str, Any] = {}
    emits: tuple[Emit, ...] = ()
    dead: tuple[Dead, ...] = ()
    counts: tuple[Count, ...] = ()


R = TypeVar("R")


class TableAgent(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """An agent with a table: one input topic, rows keyed as the topic is.

    `decode(value)` gives `Record.body` or raises `models.errors.PoisonError` (the record goes to `dead.v1`).
    `decide` also receives `Tick` (for each row that is due) and `ConfigChanged` (for each row, in slices) as bodies,
    with the key of the row; `config` is told to every partition as a record whenever it differs.
    `shared` names the partition-shared rows and their types, for instance `{"@clock": ClockRow}`.
    `outputs` are the topics that `decide` may name.
    """

    name: str
    topic: str
    table: str
    row_type: type[R]
    decode: Callable[[bytes], Any]
    decide: Callable[[View, Record], Decision]
    outputs: tuple[str, ...]
    config: msgspec.Struct
    shared: Mapping[str, type[Any]] = {}


class Abandoned(Exception):  # noqa: N818  # not an error: the partition moves to another process, which goes on
    """Raised out of `Lane.sleep` when the partition is being given up; let it pass."""


class Lane(Protocol[R]):
    """One key's turn in a lane agent. Everything awaited here is acknowledged by Kafka when it returns."""

    key: str
    row: R | None

    async def save(self, row: R) -> None:
        """Write the row of this key, then show it as `self.row`."""

    async def emit(self, *emits: Emit) -> None:
        """Write records, in the order of their rank."""

    async def dead(self, record: Record, dead: Dead, exchange: bytes = b"") -> None:
        """Park `record` in `dead.v1`; `exchange` is the redacted HTTP exchange, if any."""

    def count(self, *counts: Count) -> None:
        """Count metrics."""

    async def sleep(self, seconds: float, until: asyncio.Future[Any] | None = None) -> bool:
        """Back off, or wait until `until` is done; others use the slot meanwhile.

        True at once when a newer record of this key has arrived, else False when the time is over or `until` is done.
        Raises `Abandoned` when the partition is being given up.
        """

    @property
    def newer(self) -> bool:
        """Whether a newer record of this key waits behind the one at hand."""


class LaneAgent(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """An agent that does I/O: keys side by side (at most `limit` at once), each key in order.

    With `conflate`, records of a key that wait behind a newer one are handed to `skip` (if given) instead of `run`.
    `run` returns when the record's effects are all acknowledged; an exception other than `Abandoned` stops the
    process (exit 70), so it retries by itself within a deadline of 10 s per call and parks what is refused.
    `table` None: no row, `Lane.save` is not to be used. `share` is told, at each assignment, which part (0 to 1) of the topic's
    partitions this process has: what is limited for all processes together is limited to this part here.
    """

    name: str
    topic: str
    table: str | None
    row_type: type[R] | None
    decode: Callable[[bytes], Any]
    run: Callable[[Lane[R], Record], Awaitable[None]]
    outputs: tuple[str, ...]
    limit: int = 64
    conflate: bool = False
    skip: Callable[[Lane[R], Record], Awaitable[None]] | None = None
    share: Callable[[float], None] | None = None
