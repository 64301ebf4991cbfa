"""A process under measurement: its CPU over time and its memory, with those of all its descendants, from /proc."""

import bisect
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from models.codec import encode
from models.errors import StockwireError

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LOOK_EVERY_S = 0.04
FAMILY_EVERY = 25
"""Looks between two searches for new descendants, which cost more than all else."""

STOP_WITHIN_S = 20.0


class RunFailedError(StockwireError):
    """The run does not count: the process ended, was too slow, or its output is wrong; the text says which."""


class Usage(NamedTuple):
    """What a process has used up to now: CPU seconds and resident bytes."""

    cpu_s: float
    rss_bytes: int


class Subject:
    """A process from its making to `stop`. `name` is for people; what it prints goes to `<folder>/<name>.log`."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.started_s = time.time()
        self.rss_bytes = 0
        """The most that was seen."""
        self._times: list[float] = []
        self._cpu: list[float] = []
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C at the terminal ends the bench, which stops its subjects in order.
            self._process = subprocess.Popen(  # noqa: S603  # our own command
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **(env or {})}
            )
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._keep_looking, daemon=True)
        self._watch.start()

    @classmethod
    def program(cls, module: str, setup: msgspec.Struct, folder: Path) -> Self:
        """One of `streams.bench.programs`, in this Python, with its setup."""
        return cls(module, (sys.executable, "-m", f"streams.bench.programs.{module}", encode(setup).decode()), folder)

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise `RunFailedError` if it has ended by itself."""
        if not self.running:
            raise RunFailedError(f"{self.name} ended with {self._process.returncode}: {self.words()[-1500:]}")

    def wait(self, within_s: float) -> None:
        """Return when it has ended well. Raises `RunFailedError`."""
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired as error:
            raise RunFailedError(f"{self.name} did not end within {within_s:.0f} s") from error
        if code:
            raise RunFailedError(f"{self.name} ended with {code}: {self.words()[-1500:]}")

    def words(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def usage(self) -> Usage:
        """What it and its descendants have used."""
        found = list(family(self._process.pid).values())
        return Usage(sum(usage.cpu_s for usage in found), sum(usage.rss_bytes for usage in found))

    def cpu_s(self, moment_s: float) -> float:
        """CPU seconds used up to `moment_s` (Unix time), between two looks in proportion."""
        return interpolate(self._times, self._cpu, moment_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait; what does not end in time is killed."""
        self._stopping.set()
        self._watch.join()
        if self.running:
            self._process.send_signal(number)
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            for pid in family(self._process.pid):
                os.kill(pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _keep_looking(self) -> None:
        members: list[int] = []
        for look in itertools.count():
            if self._stopping.wait(LOOK_EVERY_S):
                return
            members = list(family(self._process.pid)) if look % FAMILY_EVERY == 0 else members
            usages = [usage for pid in members if (usage := usage_of(pid)) is not None]
            if usages:
                self._times.append(time.time())
                self._cpu.append(sum(usage.cpu_s for usage in usages))
                self.rss_bytes = max(self.rss_bytes, sum(usage.rss_bytes for usage in usages))


def interpolate(times: Sequence[float], values: Sequence[float], moment: float) -> float:
    """The value at `moment` of something that grew evenly between the `times` at which it was read."""
    after = bisect.bisect_right(times, moment)
    if after in (0, len(times)):
        return values[min(after, len(times) - 1)] if values else 0.0
    begin, end = times[after - 1], times[after]
    return values[after - 1] + (values[after] - values[after - 1]) * (moment - begin) / (end - begin)


def usage_of(pid: int) -> Usage | None:
    """What one process has used; None if there is none of that number."""
    fields = _stat(pid)
    return None if fields is None else Usage((int(fields[11]) + int(fields[12])) / TICKS_PER_S, int(fields[21]) * PAGE_BYTES)


def family(root: int) -> dict[int, Usage]:
    """A process and all its descendants that live."""
    children = defaultdict[int, list[int]](list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))) is not None:
            children[int(fields[1])].append(int(folder.name))
    found, waiting = dict[int, Usage](), [root]
    while waiting:
        pid = waiting.pop()
        usage = usage_of(pid)
        if usage is not None:
            found[pid] = usage
            waiting += children[pid]
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields behind the name; the first is the state."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()
    except OSError:
        return None
