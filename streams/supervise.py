"""A parent with one child process per role: starts, restarts, and stops them.

Exit code 70 of a child means "start me again, it is always safe"; so is any other unexpected end, after a pause.
Only exit code 2 (wrong use, wrong configuration) is final: it would be the same the next time.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence

import structlog

RESTART = 70
WRONG_USE = 2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
CALM_S = 60.0
"""A child that ran this long starts again without a pause."""

log = structlog.get_logger(__name__)


class Child:
    """One supervised process. `name` is for people; `pid` is None while it is not running."""

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, output: int | None = None) -> None:
        self.name = name
        self.starts = 0
        self._command = command
        self._env = {**os.environ, **(env or {})}
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def keep_running(self) -> int:
        """Run until `stop`, or until exit code 2; returns the last exit code."""
        pause_s = FIRST_PAUSE_S
        while True:
            started = time.monotonic()
            code = await self._run_once()
            if self._stopping.is_set() or code == WRONG_USE:
                return code
            pause_s = FIRST_PAUSE_S if time.monotonic() - started > CALM_S or code == RESTART else min(pause_s * 2, LONGEST_PAUSE_S)
            log.warning("role_ended", role=self.name, exit_code=code, restart_in_s=pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            if self._stopping.is_set():
                return code

    async def _run_once(self) -> int:
        # A session of its own: Ctrl-C at the terminal reaches the parent alone, which stops the children in order.
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._env,
            stdout=self._output,
            stderr=self._output,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self.starts += 1
        return await self._process.wait()

    def kill(self) -> None:
        """Kill it the hard way; it will be started again."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    async def stop(self, *, within_s: float = 30.0) -> None:
        """SIGTERM, then SIGKILL for what has not drained in time."""
        self._stopping.set()
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            log.warning("role_killed", role=self.name, after_s=within_s)
            self._process.kill()
            await self._process.wait()


def stop_requested() -> asyncio.Event:
    """An event that each of `stops` sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stops():
        loop.add_signal_handler(number, stop.set)
    return stop


def stops() -> list[signal.Signals]:
    """Signals that mean "end in order": Ctrl-C, a manager's wish, and a closed terminal, unless `nohup` has it ignored.

    Children have sessions of their own, so the terminal tells nobody else that it is gone.
    """
    hung_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hung_up]


async def supervise(children: Sequence[Child]) -> int:
    """Keep all running until one of `stops` comes; returns 0, or 2 as soon as one child's configuration is wrong."""
    stop = stop_requested()
    runs = [asyncio.create_task(child.keep_running()) for child in children]
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *runs], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*(child.stop() for child in children))
    stopped.cancel()
    return WRONG_USE if WRONG_USE in await asyncio.gather(*runs) else 0
