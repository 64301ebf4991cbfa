"""A worker of the fault tests, in a process of its own: counts and sums per key, commands each event onward."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from models.agent import Decision, Emit, Lane, LaneAgent, Record, TableAgent, View
from models.codec import Decoder
from models.message import ConfigChanged, Message, Tick
from tests.faults.worker import work


class Counted(Message, frozen=True):
    """An event of the tests: add `delta` to the key."""

    id: str
    delta: int


class Told(Message, frozen=True):
    """A command of the tests: event `id` has been counted, or a timer or the configuration made us speak."""

    id: str


class SumRow(msgspec.Struct, frozen=True):
    """The row of the tests; `total` is reported as the sum of all deltas, `events` as their number."""

    at: int
    events: int = 0
    total: int = 0
    due: int | None = None
    wakes: int = 0
    config: str = ""


class SumConfig(msgspec.Struct, frozen=True):
    """`wake_after_ms`: each event makes its row due so much later."""

    name: str = "first"
    wake_after_ms: int | None = None


def decide(view: View, record: Record) -> Decision:
    """Count each event once, and tell of it each time."""
    row = view.row or SumRow(at=-1)
    body: Any = record.body
    told = Emit(topic=f"{record.topic}.told", key=record.key, value=Told(id=_id_of(body, row)))
    if row.at >= record.sequence:
        return Decision(emits=(told,))
    if isinstance(body, Tick):
        return Decision(row=msgspec.structs.replace(row, at=record.sequence, due=None, wakes=row.wakes + 1), emits=(told,))
    if isinstance(body, ConfigChanged):
        return Decision(row=msgspec.structs.replace(row, at=record.sequence, config=view.config.name), emits=(told,))
    after = view.config.wake_after_ms
    counted = msgspec.structs.replace(
        row,
        at=record.sequence,
        events=row.events + 1,
        total=row.total + body.delta,
        due=row.due if after is None else record.time_ms + after,
        config=view.config.name,
    )
    return Decision(row=counted, emits=(told,))


def agent(topic: str, config: SumConfig | None = None) -> TableAgent[SumRow]:
    """The counting agent on `topic`; its commands go to `<topic>.told`."""
    return TableAgent(
        name="sums",
        topic=topic,
        table="sums",
        row_type=SumRow,
        decode=Decoder(Counted),
        decide=decide,
        outputs=(f"{topic}.told",),
        config=config or SumConfig(),
    )


async def pass_on(lane: Lane[SumRow], record: Record) -> None:
    """Tell, without a table."""
    await lane.emit(Emit(topic=f"{record.topic}.told", key=record.key, value=Told(id=record.body.id)))


async def call(lane: Lane[SumRow], record: Record) -> None:
    """Call somebody for 10 ms, or in vain for ever (keys `dead-...`), or without a deadline (`stuck-...`); save, then tell."""
    while lane.key.startswith("dead-"):
        await lane.sleep(3600)
    await asyncio.sleep(3600 if lane.key.startswith("stuck-") else 0.01)
    row = lane.row or SumRow(at=-1)
    if row.at < record.sequence:
        await lane.save(msgspec.structs.replace(row, at=record.sequence, events=row.events + 1, total=row.total + record.body.delta))
    await lane.emit(Emit(topic=f"{record.topic}.told", key=record.key, value=Told(id=record.body.id)))


def lane_agent(topic: str, *, table: bool) -> LaneAgent[SumRow]:
    """The calling agent on `topic`, or the one without a table; it tells to `<topic>.told`."""
    return LaneAgent(
        name="calls",
        topic=topic,
        table="sums" if table else None,
        row_type=SumRow if table else None,
        decode=Decoder(Counted),
        run=call if table else pass_on,
        outputs=(f"{topic}.told",),
        limit=100,
    )


def chosen_agent(environ: Mapping[str, str]) -> TableAgent[SumRow] | LaneAgent[SumRow]:
    """The agent that `WORKER_KIND` names: `sums`, `lanes`, or `stateless` ones."""
    topic, kind = environ["WORKER_TOPIC"], environ.get("WORKER_KIND", "sums")
    if kind == "sums":
        return agent(topic, msgspec.json.decode(environ.get("WORKER_CONFIG", "{}"), type=SumConfig))
    return lane_agent(topic, table=kind == "lanes")


def _id_of(body: Counted | Tick | ConfigChanged, row: SumRow) -> str:
    if isinstance(body, Tick):
        return f"wake-{row.wakes + 1}"
    return f"config-{body.digest}" if isinstance(body, ConfigChanged) else body.id


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("WORKER_LOG", "WARNING"), stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    work([chosen_agent(os.environ)])
