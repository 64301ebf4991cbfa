"""Children are started again, and stopped in order."""

import asyncio
import sys

from streams.supervise import Child
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
