"""The README's first command, as a caller without a terminal sees it. It brings its own, embedded broker."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.eventually import eventually

DEMO = (sys.executable, "-m", "streams.cli", "demo", "--json")


async def started(folder: Path) -> Process:
    """The demo, in a folder of its own for what it leaves behind."""
    return await asyncio.create_subprocess_exec(*DEMO, stdout=PIPE, stderr=PIPE, env={"TMPDIR": str(folder), "PATH": "/usr/bin:/bin"})


def processes_with(text: str) -> list[str]:
    """The command lines on this machine that contain `text`."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended since
            continue
    return [command for command in commands if text in command]


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.timeout(150)
async def test_demo_ends_with_all_numbers_equal_and_nothing_left(tmp_path: Path) -> None:
    demo = await started(tmp_path)
    out, err = await demo.communicate()

    lines = [json.loads(line) for line in out.splitlines()]
    assert (demo.returncode, err) == (0, b"")
    assert lines[-1]["wrong"] == 0
    assert any(line["wrong"] for line in lines), "the scene never disturbed anything"
    assert not processes_with(str(tmp_path))
    assert not left_in(tmp_path)


async def test_demo_when_interrupted_then_nothing_is_left_running(tmp_path: Path) -> None:
    demo = await started(tmp_path)

    async def roles_run() -> bool:
        return len([command for command in processes_with(str(tmp_path)) if " run " in command]) == 4

    await eventually(roles_run, within_s=60)
    demo.send_signal(signal.SIGINT)
    await asyncio.wait_for(demo.communicate(), 40)

    assert demo.returncode == 1
    assert not processes_with(str(tmp_path))
    assert not left_in(tmp_path)
