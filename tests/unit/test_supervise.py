"""Children are started again, and stopped in order."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streams.supervise import Child, stop_requested
from tests.eventually import eventually

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


async def test_child_when_killed_then_started_again() -> None:
    child = Child("sleeper", SLEEPER)
    run = asyncio.create_task(child.keep_running())

    async def running() -> int | None:
        return child.pid

    first = await eventually(running)
    child.kill()

    async def started_again() -> bool:
        return child.pid not in (None, first)

    await eventually(started_again)
    assert child.starts == 2
    await child.stop()
    assert await run == -15


async def test_child_when_wrong_use_then_not_started_again() -> None:
    child = Child("wrong", (sys.executable, "-c", "raise SystemExit(2)"))
    assert await asyncio.wait_for(child.keep_running(), 10) == 2
    assert child.starts == 1


async def test_stop_when_child_pauses_before_its_restart_then_at_once() -> None:
    child = Child("broken", (sys.executable, "-c", "raise SystemExit(1)"))
    run = asyncio.create_task(child.keep_running())

    async def pausing() -> bool:
        return child.starts >= 3

    await eventually(pausing, within_s=30)
    await child.stop()
    assert await asyncio.wait_for(run, 5) == 1


async def test_stop_when_child_ignores_sigterm_then_killed() -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    child = Child("deaf", (sys.executable, "-c", deaf), output=asyncio.subprocess.PIPE)
    run = asyncio.create_task(child.keep_running())

    async def deaf_now() -> bytes:
        return await child._process.stdout.readline() if child._process and child._process.stdout else b""  # noqa: SLF001  # its first words

    await eventually(deaf_now)
    await child.stop(within_s=0.2)
    assert await run == -9


@contextmanager
def _before(number: signal.Signals, handler: signal.Handlers | None) -> Iterator[None]:
    """The signal as a parent process left it; None: one that harms nobody."""
    kept = signal.signal(number, (lambda *_: None) if handler is None else handler)
    try:
        yield
    finally:
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, kept)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_stop_requested_when_interrupted_ended_or_hung_up_then_set(number: signal.Signals) -> None:
    with _before(number, None):
        stop = stop_requested()
        signal.raise_signal(number)
        await asyncio.wait_for(stop.wait(), 5)


async def test_stop_requested_when_started_under_nohup_then_hanging_up_stays_ignored() -> None:
    with _before(signal.SIGHUP, signal.SIG_IGN):
        stop_requested()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
