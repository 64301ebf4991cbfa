"""A worker whose agent uses everything a decision can ask for; in a process of its own."""

import logging
import os

import msgspec

from models.agent import Count, Dead, Decision, Emit, Rank, Record, TableAgent, View
from models.codec import Decoder
from models.message import ConfigChanged, Message, Tick
from streams.engine import EngineSettings, run


class Seen(Message, frozen=True):
    """An event: `number` is new for `sku`."""

    sku: str
    number: int


class NumberRow(msgspec.Struct, frozen=True):
    """The last number of a key, and the greatest of the partition when it came."""

    at: int
    number: int = 0
    greatest: int = 0
    due: int | None = None


class GreatestRow(msgspec.Struct, frozen=True):
    """Shared by the partition."""

    at: int
    number: int = 0
    due: int | None = None


class NumberConfig(msgspec.Struct, frozen=True):
    """`unlucky` numbers are dead letters."""

    unlucky: int = 13


def decide(view: View, record: Record) -> Decision:
    """One fact per event, one level per key and batch."""
    if isinstance(record.body, Tick | ConfigChanged):
        return Decision()
    seen: Seen = record.body
    if seen.number == view.config.unlucky:
        return Decision(dead=(Dead(error="RefusedError", reason="unlucky"),))
    greatest = max(seen.number, view.shared["@greatest"].number if "@greatest" in view.shared else 0)
    fact = Emit(rank=Rank.FACT, topic=f"{record.topic}.facts", key=record.key, value=seen, headers={"extra": b"1"})
    level = Emit(topic=f"{record.topic}.levels", key=record.key, value=b"%d" % seen.number, conflate=True)
    return Decision(
        row=NumberRow(at=record.sequence, number=seen.number, greatest=greatest),
        shared={"@greatest": GreatestRow(at=record.sequence, number=greatest)},
        emits=(level, fact),
        counts=(Count("ticks_written_total", ("counted-by-decide",)),),
    )


if __name__ == "__main__":
    logging.basicConfig(level="WARNING")
    source = os.environ["WORKER_TOPIC"]
    settings = EngineSettings(
        bootstrap=os.environ["WORKER_KAFKA"],
        group=os.environ["WORKER_GROUP"],
        partitions=2,
        epoch=3,
        session_timeout_s=6.0,
        heartbeat_s=1.0,
        produce_timeout_s=5.0,
        commit_every_s=0.3,
        web_port=int(os.environ["WORKER_WEB"]),
        web_host="127.0.0.1",
    )
    agent = TableAgent(
        name="numbers",
        topic=source,
        table="numbers",
        row_type=NumberRow,
        decode=Decoder(Seen),
        decide=decide,
        outputs=(f"{source}.facts", f"{source}.levels"),
        config=NumberConfig(),
        shared={"@greatest": GreatestRow},
    )
    run(settings, [agent], on_ready=lambda: print("READY", flush=True))  # noqa: T201  # the parent waits for it
