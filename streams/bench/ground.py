"""What a job is given, and how it runs its peers: alternately, and only right runs count."""

import fcntl
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streams.bench.desk import PARTITIONS, Desk
from streams.bench.figure import Figure, median
from streams.bench.subject import RunFailedError

LOCK = Path(tempfile.gettempdir()) / "stockwire-bench.lock"


class Peers(msgspec.Struct, frozen=True):
    """Where the programs of others are; None: not here, and so not measured.

    `programs` holds `bento/*.yaml` and `py/*.py`, `bin` the executables `bento`, `j1franz` (each if it is there), `jars` the folders `cls`
    and `lib` of the Kafka Streams program, `python` is an interpreter that has quixstreams.
    """

    programs: Path | None = None
    bin: Path | None = None
    jars: Path | None = None
    python: Path | None = None


def peers_of(environ: Mapping[str, str]) -> Peers:
    """From `BENCH_PEERS`, `BENCH_BIN`, `BENCH_JARS`, `BENCH_PYTHON`."""
    given = [environ.get(name) for name in ("BENCH_PEERS", "BENCH_BIN", "BENCH_JARS", "BENCH_PYTHON")]
    return Peers(*(Path(path).absolute() if path else None for path in given))


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to measure. `say` tells a person what is going on; `quick`: a tenth of the work, to see that it runs."""

    bootstrap: str
    folder: Path
    say: Callable[[str], None]
    runs: int = 3
    quick: bool = False
    profile: bool = False
    peers: Peers = Peers()

    def scaled(self, amount: int) -> int:
        """`amount`, or a tenth of it."""
        return amount // 10 if self.quick else amount

    @contextmanager
    def desk(self, partitions: int = PARTITIONS) -> Iterator[Desk]:
        """Topics for one run, deleted at its end."""
        desk = Desk(self.bootstrap, partitions)
        try:
            yield desk
        finally:
            desk.close()

    def alternately(self, peers: Mapping[str, Callable[[], Figure]]) -> dict[str, Figure]:
        """The median of the right runs of each peer; nobody is always the first one. Who has none is not in the answer."""
        found: dict[str, list[Figure]] = defaultdict(list)
        for turn in range(self.runs):
            for name in list(peers)[:: -1 if turn % 2 else 1]:
                self.say(f"{name}, run {turn + 1} of {self.runs}")
                try:
                    found[name].append(peers[name]())
                except RunFailedError as error:
                    self.say(f"{name}: this run does not count: {error}")
        return {name: median(found[name]) for name in peers if found[name]}


@contextmanager
def alone(say: Callable[[str], None], lock: Path = LOCK) -> Iterator[None]:
    """Only one bench measures on a machine at a time; others wait."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another bench is measuring; waiting for its end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
