"""(c) Recovery: a process starts with an empty memory and a changelog of 200,000 rows, and decides as soon as it can."""

from collections.abc import Callable

import msgspec

from models.topics import DEAD
from streams.bench import sums
from streams.bench.desk import Feed
from streams.bench.figure import Bar, Figure, Result
from streams.bench.ground import Ground
from streams.bench.programs.sums import SumRow
from streams.bench.subject import RunFailedError, Subject

JOB, SUBJECT, OURS, BARE = "recovery", "rows of a table", "stockwire", "bare aiokafka"
ROWS, PROBES = 200_000, 40
READY_WITHIN_S, STARTED_WITHIN_S = 2.0, 5.0

Encode = Callable[[int, int], bytes]
"""The row of a key: `(sequence, total)` to bytes."""


class Moments(msgspec.Struct, frozen=True):
    """Unix times: the partitions were assigned, the rows were there."""

    assigned_s: float
    ready_s: float


def run(ground: Ground) -> Result:
    """Measure ours and the bare program."""
    rows = ground.scaled(ROWS)
    peers: dict[str, Callable[[], Figure]] = {
        OURS: lambda: _run(ground, OURS, "sums", rows, lambda at, total: msgspec.json.encode(SumRow(at, total))),
        BARE: lambda: _run(ground, BARE, "sums_bare", rows, lambda _at, total: b"%d" % total),
    }
    found = ground.alternately(peers)
    return Result(list(found.values()), bars(found.get(OURS)), [], [name for name in peers if name not in found])


def bars(ours: Figure | None) -> list[Bar]:
    """Seconds until ready."""
    if ours is None:
        return []
    wanted = (("assigned_to_ready_s", READY_WITHIN_S), ("start_to_ready_s", STARTED_WITHIN_S))
    return [Bar(job=JOB, what=name, value=ours.extra[name] or 0.0, wanted=most, at_least=False, aim=True) for name, most in wanted]


def _run(ground: Ground, peer: str, program: str, rows: int, encode: Encode) -> Figure:
    work = sums.work(rows, rows)
    with ground.desk() as desk:
        setup = sums.setup(desk)
        desk.topic(DEAD)
        desk.fill(setup.changelog, (Feed(key, encode(at, total)) for at, (key, total) in enumerate(work.last.items())))
        probes = [(key, total) for key, total in list(work.last.items())[:PROBES]]
        desk.fill(setup.source, (Feed(key, msgspec.json.encode(sums.Delta(0, key.decode(), 1))) for key, _ in probes))
        with Subject.program(program, setup, ground.folder) as subject:
            desk.wait(setup.target, PROBES, [subject], within_s=60)
            answers = {row.key: row for row in desk.read(setup.target)}
            usage = subject.usage()
            moments = msgspec.json.decode(subject.words().splitlines()[0], type=Moments)
        wrong = sum(sums.decode_sum(answers[key].value).sum != total + 1 for key, total in probes)
        if wrong:
            raise RunFailedError(f"{wrong} of {PROBES} probes on recovered rows were answered wrongly")
    started = subject.started_s
    return Figure(
        job=JOB,
        subject=SUBJECT,
        peer=peer,
        rate=len(work.last) / (moments.ready_s - moments.assigned_s),
        cpu_ms_per_1000=usage.cpu_s * 1e6 / len(work.last),
        rss_mb=usage.rss_bytes / 1e6,
        extra={
            "assigned_to_ready_s": moments.ready_s - moments.assigned_s,
            "start_to_ready_s": moments.ready_s - started,
            "start_to_answers_s": max(row.time_s for row in answers.values()) - started,
            "rows": float(len(work.last)),
        },
    )
