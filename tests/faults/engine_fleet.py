"""Worker processes of the fault tests: started, killed, stopped, frozen, and started again when they end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.eventually import eventually

WORKER = Path(__file__).with_name("engine_worker.py")
ROOT = Path(__file__).parents[2]
EXPECTED_EXITS = {0, 70, -signal.SIGKILL, -signal.SIGTERM}
"""SIGTERM: it came before the worker had begun to listen for it."""


class Worker:
    """One process. Its words go to `log`."""

    def __init__(self, environ: Mapping[str, str], log: Path, script: Path = WORKER) -> None:
        self.log = log
        self._begin = log.stat().st_size if log.exists() else 0
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
        with log.open("ab") as output:
            self._process = subprocess.Popen([sys.executable, str(script)], env=environment, stdout=output, stderr=output)  # noqa: S603  # our own file

    @property
    def words(self) -> str:
        """What it has said."""
        return self.log.read_bytes()[self._begin :].decode(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self.exit_code is None:
            self._process.send_signal(number)

    async def ready(self, within_s: float = 40.0) -> None:
        """Return when it has said so, or ended."""
        await eventually(self._is_ready, within_s=within_s, what=f"worker ready; {self.words[-2000:]}")

    async def ended(self, within_s: float = 30.0) -> int:
        """The exit code, when it has ended."""
        await eventually(self._has_ended, within_s=within_s, what=f"worker ended; {self.words[-2000:]}")
        return self._process.returncode

    async def _is_ready(self) -> bool:
        return "READY" in self.words or self.exit_code is not None

    async def _has_ended(self) -> bool:
        return self.exit_code is not None


class Fleet:
    """Several workers of one group; those that end by themselves or by SIGKILL are started again by `revive`."""

    def __init__(self, environ: Mapping[str, str], directory: Path) -> None:
        self.environ = dict(environ)
        self.workers: dict[int, Worker] = {}
        self.exits: list[int] = []
        self._directory = directory
        self._next = 0

    def add(self) -> int:
        """Start one more worker; returns its number."""
        self._next += 1
        self._start(self._next)
        return self._next

    def revive(self) -> None:
        """Start those again that have ended, as a supervisor does."""
        for number, worker in list(self.workers.items()):
            if worker.exit_code is not None:
                self._note(worker)
                self._start(number)

    async def ready(self) -> None:
        """Return when all are."""
        for worker in self.workers.values():
            await worker.ready()

    async def restart(self, number: int) -> None:
        """SIGTERM, wait, start again, wait."""
        worker = self.workers[number]
        worker.signal(signal.SIGTERM)
        await worker.ended()
        self.revive()
        await self.workers[number].ready()

    async def freeze(self, number: int, seconds: float) -> None:
        """SIGSTOP for so long."""
        worker = self.workers[number]
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        worker.signal(signal.SIGCONT)

    async def retire(self, number: int) -> None:
        """SIGTERM for good."""
        worker = self.workers.pop(number)
        worker.signal(signal.SIGTERM)
        await worker.ended()
        self._note(worker)

    async def stop(self) -> None:
        """SIGTERM to all, for good; all must end cleanly or ask for a restart."""
        for worker in self.workers.values():
            worker.signal(signal.SIGTERM)
        for number in list(self.workers):
            await self.retire(number)

    def destroy(self) -> None:
        """SIGKILL to whatever is left."""
        for worker in self.workers.values():
            worker.signal(signal.SIGCONT)
            worker.signal(signal.SIGKILL)

    def words(self) -> str:
        """The last words of every worker, for a failure."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in sorted(self._directory.glob("worker-*.log"))
        )

    def _start(self, number: int) -> None:
        self.workers[number] = Worker(self.environ, self._directory / f"worker-{number}.log")

    def _note(self, worker: Worker) -> None:
        code = worker.exit_code
        assert code in EXPECTED_EXITS, f"exit code {code}: {worker.words[-3000:]}"
        self.exits.append(code)


class Pace:
    """Lets `per_second` things happen, evenly."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = time.monotonic()

    async def turn(self) -> None:
        """Return when the next one may."""
        self._next += self._gap
        if (wait := self._next - time.monotonic()) > 0:
            await asyncio.sleep(wait)
