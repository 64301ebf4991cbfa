"""J2 as a table agent on our engine, with its settings as they come. Decoding and outputs are plain, as in the bare program."""

import logging
import sys
import time
from typing import Any

import msgspec

from models.agent import Decision, Emit, Record, TableAgent, View
from models.message import ConfigChanged
from streams.bench.profile import Profiler
from streams.bench.sums import Delta, Setup, Sum
from streams.engine import EngineApp, EngineSettings, run

PARTITIONS = 4
EPOCH = 1
"""Rows that the recovery job writes itself are of epoch 0, and so before each event."""


class SumRow(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The row of a key."""

    at: int
    total: int = 0
    due: int | None = None


class Nothing(msgspec.Struct, frozen=True):
    """There is nothing to configure."""


FIRST = SumRow(at=-1)
encode = msgspec.json.Encoder().encode


def agent(setup: Setup) -> TableAgent[SumRow]:
    """The agent."""
    target = setup.target

    def decide(view: View, record: Record) -> Decision:
        event: Delta | ConfigChanged = record.body
        if isinstance(event, ConfigChanged):
            return Decision()
        row: SumRow = view.row or FIRST
        if record.sequence > row.at:
            row = SumRow(record.sequence, row.total + event.delta)
        said = Emit(topic=target, key=record.key, value=encode(Sum(event.sku, event.seq, row.total)))
        return Decision(row=row, emits=(said,))

    return TableAgent(
        name="sums",
        topic=setup.source,
        table="sums",
        row_type=SumRow,
        decode=msgspec.json.Decoder(Delta).decode,
        decide=decide,
        outputs=(target,),
        config=Nothing(),
    )


def main(setup: Setup) -> None:
    """Until SIGTERM; then, if asked, where the time went."""
    assigned: list[float] = []
    profiler = Profiler()

    def on_assigned(_app: Any, *_more: Any, **_named: Any) -> None:  # noqa: ANN401  # Faust's signature
        assigned.append(time.time())

    def on_ready() -> None:
        print(msgspec.json.encode({"assigned_s": assigned[-1], "ready_s": time.time()}).decode(), flush=True)  # noqa: T201  # read by the bench
        if setup.profile:
            profiler.start()

    signal: Any = EngineApp.on_partitions_assigned  # its type asks for more than it gives
    signal.connect(on_assigned)
    run(EngineSettings(bootstrap=setup.bootstrap, group=setup.group, partitions=PARTITIONS, epoch=EPOCH), [agent(setup)], on_ready=on_ready)
    if setup.profile:
        print(msgspec.json.encode(profiler.stop()).decode(), flush=True)  # noqa: T201  # read by the bench


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main(msgspec.json.decode(sys.argv[1], type=Setup))
