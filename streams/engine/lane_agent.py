"""Batch ─▶ lanes ─▶ I/O ─▶ finished: how a `LaneAgent` runs.

Each key is a lane: its records run one after the other; lanes run side by side, at most `limit` at once.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from models.agent import Abandoned, Count, Dead, Emit, LaneAgent, Rank, Record
from models.codec import encode
from models.topics import DEAD
from streams.dead import dead_headers, dead_value
from streams.encoded import encoded
from streams.engine.channel import Batch
from streams.engine.effects import Changelog, Host, Undecodable, together
from streams.engine.ending import die
from streams.engine.intake import Intake, Poison
from streams.metrics import count

if TYPE_CHECKING:
    from models.message import Headers


class Waiting(NamedTuple):
    """A record in its lane."""

    record: Record | Poison
    batch: Batch
    place: int
    """In the batch."""


class LaneRunner:
    """Runs one lane agent. Offsets are committed up to the first record that is not finished."""

    def __init__(self, agent: LaneAgent[Any], changelog: Changelog | None, host: Host) -> None:
        self.agent = agent
        self.topic = agent.topic
        self.changelog: Changelog | None = changelog
        self.outlet = host.outlet
        self.slots = asyncio.Semaphore(agent.limit)
        self.abandoned = False
        """Whether partitions are being given up: nothing new begins, and whoever backs off stops."""
        self.decode_row = msgspec.json.Decoder(agent.row_type).decode if agent.row_type else None
        self._room = host.room
        self._all_partitions = host.partitions
        self._intake = Intake(agent.name, agent.decode, host.epoch)
        self._lanes: dict[bytes | None, KeyLane] = {}
        self._turns: set[asyncio.Task[None]] = set()

    @property
    def outputs(self) -> tuple[str, ...]:
        """All topics it writes to."""
        return (*self.agent.outputs, *((self.changelog.topic,) if self.changelog else ()))

    def take_over(self, partitions: set[int]) -> None:
        """The partitions are ours and recovered: work may begin."""
        self.abandoned = False
        if self.agent.share is not None:
            self.agent.share(len(partitions) / self._all_partitions)

    def take(self, batch: Batch) -> None:
        """Put each record into its lane."""
        for index, raw in enumerate(batch.records):
            record = self._intake.take(raw)
            if record is None:
                batch.finish(index)
                count(Count("records_skipped_total", (self.agent.name,)))
                continue
            lane = self._lanes.get(raw.key)
            if lane is None:
                lane = self._lanes[raw.key] = KeyLane(self, raw.key, batch.partition)
                turn = asyncio.create_task(self._run(lane))
                self._turns.add(turn)
                turn.add_done_callback(self._turns.discard)
            lane.add(Waiting(record, batch, index))
        self._intake.count_unknown()
        if not batch.unfinished:
            self._room.set()

    async def give_up(self) -> None:
        """Let calls in flight finish; what waits or backs off is given back unfinished."""
        self.abandoned = True
        for lane in self._lanes.values():
            lane.wake()
        await asyncio.gather(*self._turns)
        self._lanes.clear()

    async def _run(self, lane: "KeyLane") -> None:
        try:
            while lane.waiting and not self.abandoned:
                async with self.slots:
                    if not self.abandoned:  # it may have been while we waited for a slot
                        await self._turn(lane)
        except Abandoned:
            pass
        except Exception as error:  # noqa: BLE001  # a bug, or Kafka refuses: neither may be committed over
            die(f"{self.agent.name}: a record of {self.topic} failed", error)
        finally:
            if lane.waiting:
                count(Count("lanes_abandoned_total", (self.agent.name,), len(lane.waiting)))
            self._lanes.pop(lane.raw_key, None)

    async def _turn(self, lane: "KeyLane") -> None:
        record, batch, place = lane.waiting[0]
        lane.begin(record)
        if isinstance(record, Poison):
            await lane.dead(record.record, record.dead)
        elif not (self.agent.conflate and lane.newer):
            await self.agent.run(lane, record)
        elif self.agent.skip is not None:
            await self.agent.skip(lane, record)
        lane.waiting.popleft()
        batch.finish(place)
        self._room.set()
        count(Count("records_finished_total", (self.agent.name,)))


class KeyLane:
    """One key's lane: the `models.agent.Lane` that `run` and `skip` are given."""

    def __init__(self, runner: LaneRunner, raw_key: bytes | None, partition: int) -> None:
        self.raw_key = raw_key
        self.key = (raw_key or b"").decode(errors="replace")
        self.row: Any = None
        self.waiting: deque[Waiting] = deque()
        self._runner = runner
        self._partition = partition
        self._arrived = False
        """Whether a record has come since it was last asked."""
        self._sleeper: asyncio.Future[None] | None = None
        self._good = 0
        """Waiting records that are no poison, the one at hand included."""
        self._cause: Headers = {}

    def add(self, waiting: Waiting) -> None:
        """A record arrives behind the others."""
        self.waiting.append(waiting)
        if isinstance(waiting.record, Record):
            self._good += 1
            self._arrived = True
            self.wake()

    def wake(self) -> None:
        """End a sleep, if there is one."""
        if self._sleeper is not None:
            _end(self._sleeper)

    def begin(self, record: Record | Poison) -> None:
        """The turn of the record at the head begins."""
        self._arrived = False
        if isinstance(record, Record):
            self._good -= 1
            self._cause = record.headers
        self.row = self._stored_row()

    @property
    def newer(self) -> bool:
        """Whether a newer record of this key waits behind the one at hand."""
        return self._good > 0

    async def save(self, row: Any) -> None:  # noqa: ANN401  # the agent's row type
        """Write the row of this key, then show it as `self.row`."""
        if self._runner.changelog is None or self.raw_key is None:
            raise TypeError(f"{self._runner.agent.name} has no table")
        await self._runner.changelog.write(self._partition, {self.raw_key: encode(row)})
        self.row = row

    async def emit(self, *emits: Emit) -> None:
        """Write records, in the order of their rank."""
        for rank in Rank:
            await together([self._append(emit) for emit in emits if emit.rank is rank])

    async def dead(self, record: Record | Undecodable, dead: Dead, exchange: bytes = b"") -> None:
        """Park `record` in `dead.v1`; `exchange` is the redacted HTTP exchange, if any."""
        outlet, name = self._runner.outlet, self._runner.agent.name
        origin = (record.topic, record.partition, record.offset)
        headers = dead_headers(record.headers, dead, agent=name, exchange=exchange, origin=origin)
        partition = outlet.dead_partition_of(self.raw_key)
        await outlet.append(DEAD, partition, self.raw_key, dead_value(record.value), list(headers.items()))
        count(Count("dead_letters_written_total", (name, dead.error)))

    def count(self, *counts: Count) -> None:
        """Count metrics."""
        for counted in counts:
            count(counted)

    async def sleep(self, seconds: float, until: asyncio.Future[Any] | None = None) -> bool:
        """See `models.agent.Lane`."""
        self._runner.slots.release()
        try:
            arrived = await self._slept(seconds, until)
        finally:
            await self._runner.slots.acquire()
        if self._runner.abandoned:
            raise Abandoned
        return arrived

    async def _append(self, emit: Emit) -> None:
        outlet = self._runner.outlet
        await outlet.append(emit.topic, outlet.partition_of(emit.topic, emit.key), emit.key.encode(), *encoded(emit, self._cause))

    async def _slept(self, seconds: float, until: asyncio.Future[Any] | None) -> bool:
        """One future and one timer: there are as many sleepers as there are keys in trouble, or in one call."""
        if not self._arrived and not self._runner.abandoned and not (until is not None and until.done()):
            loop = asyncio.get_running_loop()
            sleeper = self._sleeper = loop.create_future()
            alarm = loop.call_later(seconds, _end, sleeper)
            if until is not None:
                until.add_done_callback(lambda _: _end(sleeper))  # this sleep and no later one
            try:
                await sleeper
            finally:
                alarm.cancel()
        arrived, self._arrived = self._arrived, False  # who is told once and backs off again, must not be told at once for ever
        return arrived

    def _stored_row(self) -> Any:  # noqa: ANN401  # the agent's row type, or None
        runner = self._runner
        if runner.changelog is None or runner.decode_row is None or self.raw_key is None:
            return None
        raw = runner.changelog.store.partitions[self._partition].rows.get(self.raw_key)
        return None if raw is None else runner.decode_row(raw)


def _end(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
