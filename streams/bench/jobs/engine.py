"""(a) The engine on job J2: a keyed running sum, beside aiokafka alone, and Kafka Streams and Quix where they are given."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from models.topics import DEAD
from streams.bench import sums
from streams.bench.desk import Desk, Row
from streams.bench.figure import Bar, Figure, Result, ratio
from streams.bench.ground import Ground
from streams.bench.profile import Profile
from streams.bench.subject import RunFailedError, Subject

JOB, SUBJECT = "engine", "keyed sum"
OURS, BARE, STREAMS, QUIX = "stockwire", "bare aiokafka", "Kafka Streams, warm", "Quix Streams"
EVENTS, KEYS = 200_000, 20_000
WARM_EVENTS = 800_000
"""A Java program needs so many until it is as fast as it will be."""

BARE_SHARE, QUIX_TIMES, STREAMS_TIMES = 1 / 3, 3.0, 1.0

Start = Callable[[sums.Setup, Path], Subject]


def run(ground: Ground) -> Result:
    """Measure all peers that are here."""
    work = sums.work(ground.scaled(EVENTS), ground.scaled(KEYS))
    peers: dict[str, Callable[[], Figure]] = {
        OURS: lambda: _run(ground, OURS, work, lambda setup, folder: Subject.program("sums", setup, folder)),
        BARE: lambda: _run(ground, BARE, work, lambda setup, folder: Subject.program("sums_bare", setup, folder)),
    }
    if ground.peers.jars:
        warm = sums.work(ground.scaled(WARM_EVENTS), ground.scaled(KEYS))
        peers[STREAMS] = lambda: _run(ground, STREAMS, warm, kafka_streams(ground))
    if ground.peers.programs and ground.peers.python:
        peers[QUIX] = lambda: _run(ground, QUIX, work, quix(ground))
    found = ground.alternately(peers)
    notes = profile(ground, work) if ground.profile else []
    return Result(list(found.values()), bars(found), notes, [name for name in peers if name not in found])


def bars(found: Mapping[str, Figure]) -> list[Bar]:
    """Events per CPU second, in the second half of each run, as a multiple of the others'."""
    wanted = {BARE: BARE_SHARE, STREAMS: STREAMS_TIMES, QUIX: QUIX_TIMES}
    made = []
    for name, times in wanted.items():
        if name in found and OURS in found:
            value = ratio(found[name].extra["warm_cpu_ms_per_1000"], found[OURS].extra["warm_cpu_ms_per_1000"])
            if value is not None:
                made.append(Bar(job=JOB, what=f"events per CPU second, times those of {name}", value=value, wanted=times))
    return made


def profile(ground: Ground, work: sums.Work) -> list[str]:
    """One more run, which says where our time goes."""
    with ground.desk() as desk:
        setup = _filled(desk, work, profile=True)
        subject = Subject.program("sums", setup, ground.folder)
        with subject:
            desk.wait(setup.target, len(work.feed), [subject])
        return shares(subject.words())


def shares(words: str) -> list[str]:
    """The last line that a profiled program prints, for people."""
    found = msgspec.json.decode(words.strip().rsplit("\n", 1)[-1], type=Profile)
    total = sum(found.stages.values()) or 1.0
    lines = [f"{share / total:6.1%}  {stage}" for stage, share in found.stages.items()]
    return ["CPU by stage:", *lines, "CPU by function:", *(f"{share / total:6.1%}  {name}" for name, share in found.functions.items())]


def kafka_streams(ground: Ground) -> Start:
    """One thread, as it comes."""
    jars = ground.peers.jars

    def start(setup: sums.Setup, folder: Path) -> Subject:
        state = folder / setup.group
        classes = f"{jars}/cls:{jars}/lib/*"
        command = ["java", "-Xmx1g", "-cp", classes, "Table", setup.bootstrap, setup.group, setup.source, setup.target, "1", str(state)]
        return Subject("kafka-streams", command, folder)

    return start


def quix(ground: Ground) -> Start:
    """With its RocksDB state and a commit each second."""

    def start(setup: sums.Setup, folder: Path) -> Subject:
        env = {"BROKER": setup.bootstrap, "IN": setup.source, "OUT": setup.target, "GROUP": setup.group, "STATE": str(folder / setup.group)}
        return Subject("quix", [str(ground.peers.python), "-W", "ignore", f"{ground.peers.programs}/py/j2_quix.py"], folder, env=env)

    return start


def _filled(desk: Desk, work: sums.Work, *, profile: bool = False) -> sums.Setup:
    setup = sums.setup(desk, profile=profile)
    desk.topic(DEAD)
    desk.fill(setup.source, work.feed)
    return setup


def _run(ground: Ground, peer: str, work: sums.Work, start: Start) -> Figure:
    with ground.desk() as desk:
        setup = _filled(desk, work)
        with start(setup, ground.folder) as subject:
            desk.wait(setup.target, len(work.feed), [subject])
            rows = desk.read(setup.target)
            sums.check(work, rows)
            if peer in (OURS, BARE):
                check_changelog(work, desk.read(setup.changelog))
        return figure(peer, rows, subject)


def check_changelog(work: sums.Work, rows: list[Row]) -> None:
    """The last row of each key has its sum. Raises `RunFailedError`."""
    last = {row.key: msgspec.json.decode(row.value) for row in rows if not row.key.startswith(b"@")}
    wrong = sum((row.get("total", 0) if isinstance(row, dict) else row) != work.last[key] for key, row in last.items())
    if wrong or len(last) != len(work.last):
        raise RunFailedError(f"wrong changelog: {len(last)} of {len(work.last)} keys, {wrong} wrong")


def figure(peer: str, rows: list[Row], subject: Subject) -> Figure:
    """From the times at which the broker appended the outputs."""
    times = sorted(row.time_s for row in rows)
    first, middle, last = times[0], times[len(times) // 2], times[-1]
    used, used_warm = subject.cpu_s(last) - subject.cpu_s(first), subject.cpu_s(last) - subject.cpu_s(middle)
    return Figure(
        job=JOB,
        subject=SUBJECT,
        peer=peer,
        rate=len(times) / (last - first),
        cpu_ms_per_1000=used * 1e6 / len(times),
        rss_mb=subject.rss_bytes / 1e6,
        extra={"warm_cpu_ms_per_1000": used_warm * 2e6 / len(times), "start_s": first - subject.started_s, "events": float(len(times))},
    )
