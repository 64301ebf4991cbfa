"""Where the CPU of a process goes: its main thread is looked at while it works, and each look weighs what was used since the last.

Looks are taken by a signal, which the interpreter serves between two instructions: time inside a C function falls on the
Python line that called it, as it should. Time of other threads (Faust's fetching) is counted as a whole.
"""

import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from types import FrameType

import msgspec

LOOK_EVERY_S = 0.002
STAGES = (
    ("decode", (("/models/codec.py", "__call__"), ("/engine/intake.py", ""), ("/programs/", "decode"))),
    ("encode", (("/models/codec.py", "encode"), ("/models/codec.py", "headers_of"), ("/engine/effects.py", "encoded"))),
    ("http", (("/aiohttp/", ""), ("/streams/http/", ""), ("/yarl/", ""))),
    ("system", (("/streams/systems/", ""),)),
    ("decide", (("/agents/", ""), ("/programs/", "decide"))),
    ("rows", (("/engine/table_agent.py", "_row"), ("/engine/table_agent.py", "encoded_rows"), ("/engine/rows.py", ""))),
    ("kafka", (("/aiokafka/", ""), ("/engine/effects.py", "write_batch"), ("uvloop", ""))),
    ("engine", (("/engine/", ""), ("/streams/metrics.py", ""))),
    ("faust", (("/faust/", ""), ("/mode/", ""))),
)
"""Where Python's own modules, asyncio's too, are at work, it is for whoever called them."""

OTHER = "other"
FETCHING = "kafka, other threads"


class Profile(msgspec.Struct, frozen=True):
    """CPU seconds by stage, and by function for the dearest ones."""

    stages: dict[str, float]
    functions: dict[str, float]


class Profiler:
    """From `start` to `stop`, in the main thread."""

    def __init__(self) -> None:
        self._stages: dict[str, float] = defaultdict(float)
        self._functions: dict[str, float] = defaultdict(float)
        self._last = self._process_began = self._main_began = 0.0

    def start(self) -> None:
        """Begin to look."""
        self._last = self._main_began = time.thread_time()
        self._process_began = time.process_time()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, LOOK_EVERY_S, LOOK_EVERY_S)

    def stop(self, dearest: int = 25) -> Profile:
        """End it; what was found."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        main, process = time.thread_time() - self._main_began, time.process_time() - self._process_began
        self._stages[FETCHING] += max(0.0, process - main)
        functions = sorted(self._functions.items(), key=lambda pair: -pair[1])[:dearest]
        return Profile(dict(sorted(self._stages.items(), key=lambda pair: -pair[1])), dict(functions))

    def _look(self, _number: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        used, self._last = now - self._last, now
        calls = [(call.f_code.co_filename, call.f_code.co_qualname) for call in outward(frame)]
        self._stages[stage_of(calls)] += used
        if calls:
            name, function = calls[0]
            self._functions[f"{'/'.join(name.rsplit('/', 2)[-2:])}:{function}"] += used


def outward(frame: FrameType | None) -> Iterable[FrameType]:
    """The frame, its caller, the caller of that, and so on."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def stage_of(calls: Iterable[tuple[str, str]]) -> str:
    """The stage of the innermost call that belongs to one: pairs of file and function, innermost first."""
    for name, function in calls:
        for stage, marks in STAGES:
            if any(part in name and (not wanted or function.rpartition(".")[2] == wanted) for part, wanted in marks):
                return stage
    return OTHER
