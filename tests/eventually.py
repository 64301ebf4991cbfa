"""Waiting in tests: a condition and a deadline, never a bare sleep."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(probe: Callable[[], Awaitable[T]], *, within_s: float = 20.0, every_s: float = 0.05, what: str = "") -> T:
    """Return the probe's first truthy result; fail with its last one when `within_s` have passed."""
    end = time.monotonic() + within_s
    while True:
        result = await probe()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_s} s: {what or probe!r}; last seen: {result!r}")
        await asyncio.sleep(every_s)
