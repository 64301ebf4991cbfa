"""Batch ─▶ `decide` per record ─▶ effects ─▶ finished: how a `TableAgent` runs."""

import asyncio
import time
from collections import deque
from typing import Any

import msgspec

from models.agent import Count, Decision, Record, TableAgent, View
from models.codec import encode
from models.message import ConfigChanged, ConfigRow, Tick
from streams.engine.channel import Batch
from streams.engine.config_record import Announcement, digest_of
from streams.engine.effects import Changelog, Effects, Host
from streams.engine.ending import die
from streams.engine.intake import CONFIG_KEY, Intake, Poison
from streams.engine.rows import Partition
from streams.engine.timers import Timer
from streams.metrics import count

TICK_SLICE = 500
"""At most so many rows per Tick; the next one follows at once."""


class TableRunner:
    """Runs one table agent: partitions side by side, each strictly in order, one batch of each at a time."""

    def __init__(self, agent: TableAgent[Any], changelog: Changelog, host: Host) -> None:
        self.agent = agent
        self.topic = agent.topic
        self.changelog: Changelog = changelog
        self.store = changelog.store
        self.decode_row = msgspec.json.Decoder(agent.row_type).decode
        self.decode_shared = {name: msgspec.json.Decoder(kind).decode for name, kind in agent.shared.items()}
        self.timers: dict[int, Timer] = {}
        """Of the partitions that are ours and recovered."""
        self.outlet = host.outlet
        self._room = host.room
        self._intake = Intake(agent.name, agent.decode, host.epoch)
        self._decode_config = msgspec.json.Decoder(type(agent.config)).decode
        self._configs: dict[str, msgspec.Struct] = {}
        self._waiting: dict[int, deque[Batch]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}

    @property
    def outputs(self) -> tuple[str, ...]:
        """All topics it writes to."""
        return (*self.agent.outputs, self.changelog.topic)

    def take_over(self, partitions: set[int]) -> None:
        """The partitions are ours and recovered: work may begin."""
        self.timers = {partition: Timer(self.topic, partition, self.store.partitions[partition]) for partition in partitions}

    def take(self, batch: Batch) -> None:
        """Work on the batch after those of its partition that came before."""
        self._waiting.setdefault(batch.partition, deque()).append(batch)
        if batch.partition not in self._workers:
            self._workers[batch.partition] = asyncio.create_task(self._work(batch.partition))

    async def give_up(self) -> None:
        """Finish the batches at hand and drop those that wait."""
        self._waiting.clear()
        self.timers = {}
        await asyncio.gather(*self._workers.values())

    async def announce_config(self) -> None:
        """Tell each partition the configuration, where it differs from what the partition knows."""
        digest, config = digest_of(self.agent.config)
        for number in list(self.timers):
            row = config_row(self.store.partitions[number])
            if row.digest != digest:
                await Announcement(digest, config).write(self.outlet, self.topic, number)

    def config_of(self, row: ConfigRow) -> msgspec.Struct:
        """The configuration that a partition has been told, or the declared one where it has been told none."""
        if row.at < 0:
            return self.agent.config
        if row.digest not in self._configs:
            self._configs = {row.digest: self._decode_config(row.config)}  # partitions mostly know the same one
        return self._configs[row.digest]

    async def _work(self, partition: int) -> None:
        try:
            while waiting := self._waiting.get(partition):
                await self._run(waiting.popleft())
        except Exception as error:  # noqa: BLE001  # a bug, or Kafka refuses: neither may be committed over
            die(f"{self.agent.name}: a batch of {self.topic}-{partition} failed", error)
        finally:
            del self._workers[partition]

    async def _run(self, batch: Batch) -> None:
        started = time.monotonic()
        partition = self.store.partitions[batch.partition]
        work = Work(self, partition)
        take = self._intake.take
        for raw in batch.records:
            record = take(raw)
            if isinstance(record, Record):
                if record.key[0] == "@":
                    work.obey(record)
                else:
                    work.decide(raw.key or b"", record)
            elif isinstance(record, Poison):
                work.effects.dead(self.agent.name, record.record, record.dead)
            else:
                count(Count("records_skipped_total", (self.agent.name,)))
        self._intake.count_unknown()
        await self.outlet.write(work.effects)
        if changed := work.encoded_rows():
            await self.changelog.write(batch.partition, changed)
        work.remember_dues()
        if batch.partition in self.timers and work.ticked:
            self.timers[batch.partition].ticked(more=work.more_due)
        batch.finish_all()
        self._room.set()
        self._count(batch, work, started)

    def _count(self, batch: Batch, work: "Work", started: float) -> None:
        name = (self.agent.name,)
        self.store.count_rows()
        count(Count("records_finished_total", name, len(batch.records)))
        count(Count("batches_finished_total", name))
        count(Count("batch_finished_seconds", name, time.monotonic() - started))
        if work.replays:
            count(Count("records_replayed_total", name, work.replays))
        for counted in work.counts:
            count(counted)


class Work:
    """One batch in hand: decisions see the rows that earlier records of the batch have changed."""

    def __init__(self, runner: TableRunner, partition: Partition) -> None:
        self.effects = Effects(runner.outlet)
        self.counts: list[Count] = []
        self.replays = 0
        self.ticked = False
        self.more_due = False
        self._runner = runner
        self._decide = runner.agent.decide
        self._decode_row = runner.decode_row
        self._partition = partition
        self._stored = partition.rows
        self._rows: dict[bytes, Any] = {}
        self._due_before: dict[bytes, int | None] = {}
        """By key of each changed row: what its row in memory said."""
        self._popped_dues: list[tuple[int, bytes]] = []
        self._shared = _decoded_shared(runner, partition)
        self._changed_shared: dict[str, Any] = {}
        self._config_row = config_row(partition)
        self._config_row_before = self._config_row
        self._config_stays_due = False
        self._config = runner.config_of(self._config_row)

    def decide(self, key: bytes, record: Record) -> None:
        """Decide one record; `key` is the record's as bytes, or that of the row that a record of the engine is told to."""
        row = self._row(key)
        if row is not None and row.at >= record.sequence:
            self.replays += 1
        decision = self._decide(View(record.key, row, self._config, self._shared), record)
        changed = decision.row
        if changed is not None and (row is None or changed.at >= row.at):
            if key not in self._due_before:
                self._due_before[key] = None if row is None else row.due
            self._rows[key] = changed
        if decision.emits:
            self.effects.emit(decision.emits, record.headers)
        if decision.dead or decision.counts or decision.shared:
            self._take(decision, record)

    def obey(self, record: Record) -> None:
        """Do what a record of the engine says, whose key begins with `@`."""
        if isinstance(record.body, Tick):
            self._tick(record, record.body.now_ms)
        elif isinstance(record.body, ConfigChanged):
            self._change_config(record, record.body)

    def encoded_rows(self) -> dict[bytes, bytes]:
        """The changed rows as they go to the changelog; shared rows last, for they speak of the others."""
        rows = {key: encode(self._rows[key]) for key in self._due_before}
        rows |= {name.encode(): encode(row) for name, row in self._changed_shared.items()}
        if self._config_row is not self._config_row_before:
            rows[CONFIG_KEY.encode()] = encode(self._config_row)
        return rows

    def remember_dues(self) -> None:
        """After the rows are in memory: wake the changed ones when they want, and those again that stayed due."""
        for key, before in self._due_before.items():
            due = self._rows[key].due
            if due is not None and due != before:
                self._partition.wake(due, key)
        for due, key in self._popped_dues:
            if self._rows[key].due == due:
                self._partition.wake(due, key)
        config_due = self._config_row.due
        if config_due is not None and (self._config_stays_due or self._config_row is not self._config_row_before):
            self._partition.wake(config_due, CONFIG_KEY.encode())

    def _row(self, key: bytes) -> Any:  # noqa: ANN401  # the agent's row type, or None
        row = self._rows.get(key)
        if row is None and (raw := self._stored.get(key)) is not None:
            row = self._rows[key] = self._decode_row(raw)
        return row

    def _take(self, decision: Decision, record: Record) -> None:
        for dead in decision.dead:
            self.effects.dead(self._runner.agent.name, record, dead)
        self.counts.extend(decision.counts)
        for name, row in decision.shared.items():
            known = self._shared.get(name)
            if known is None or row.at >= known.at:
                self._shared[name] = self._changed_shared[name] = row

    def _tick(self, record: Record, now_ms: int) -> None:
        """Decide for each row that is due: at most a slice."""
        self.ticked = True
        for _ in range(TICK_SLICE):
            due = self._partition.pop_due(now_ms)
            if due is None:
                break
            self._wake(record, *due)
        next_due = self._partition.next_due()
        self.more_due = (next_due is not None and next_due <= now_ms) or self._config_row.due is not None

    def _wake(self, record: Record, due_ms: int, key: bytes) -> None:
        if key == CONFIG_KEY.encode() and self._config_row.due is not None:
            self._go_on_telling(record)
        if key.startswith(b"@") or (due_ms, key) in self._popped_dues[-1:]:
            return
        row = self._row(key)
        if row is None or row.due != due_ms:
            return  # the row has changed its mind since
        self._popped_dues.append((due_ms, key))
        self.decide(key, msgspec.structs.replace(record, key=key.decode()))

    def _change_config(self, record: Record, change: ConfigChanged) -> None:
        """From this record on decisions see `change`; the rows are told in slices, beginning here."""
        if self._config_row.digest == change.digest or self._config_row.at >= record.sequence:
            return
        self._config_row = ConfigRow(at=record.sequence, digest=change.digest, config=change.config, said_up_to="")
        self._config = self._runner.config_of(self._config_row)
        self._partition.tell_all(key for key, row in self._rows.items() if row is not None)
        self._say_config(record)

    def _go_on_telling(self, record: Record) -> None:
        """Tell the next slice, but not by a replayed Tick: rows that are newer would not hear it, and none would be told again."""
        if record.sequence > self._config_row.at:
            self._say_config(record)
        else:
            self._config_stays_due = True

    def _say_config(self, record: Record) -> None:
        row = self._config_row
        told = ConfigChanged(digest=row.digest, config=row.config)
        keys, more = self._partition.next_to_be_told((row.said_up_to or "").encode(), TICK_SLICE)
        for key in keys:
            self.decide(key, msgspec.structs.replace(record, key=key.decode(), body=told))
        self._config_row = msgspec.structs.replace(
            row, at=record.sequence, said_up_to=keys[-1].decode() if more else None, due=record.time_ms if more else None
        )


def config_row(partition: Partition) -> ConfigRow:
    """What the partition knows of the configuration; `at` < 0 while it knows nothing."""
    raw = partition.rows.get(CONFIG_KEY.encode())
    return ConfigRow() if raw is None else _decode_config_row(raw)


_decode_config_row = msgspec.json.Decoder(ConfigRow).decode


def _decoded_shared(runner: TableRunner, partition: Partition) -> dict[str, Any]:
    raws = {name: partition.rows.get(name.encode()) for name in runner.decode_shared}
    return {name: runner.decode_shared[name](raw) for name, raw in raws.items() if raw is not None}
