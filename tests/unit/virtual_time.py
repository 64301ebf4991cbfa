"""An event loop whose time passes only when nothing else is left to do: hours take no time, and every run is the same."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.BaseSelector):
    """Never waits: hands the time for which it should have waited to its loop."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.slept_s = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401  # the base class says so
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401  # the base class says so
        return self._real.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits for everything else, for ever"
        self.slept_s += max(0.0, timeout)
        return self._real.select(0)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 1,000 s."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return 1_000.0 + self._jump.slept_s


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end in its own time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
