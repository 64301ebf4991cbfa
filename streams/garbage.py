"""The garbage collector, told what this program is: much that stays for ever, much that is freed without it, few circles."""

import gc

YOUNG, MIDDLE, OLD = 50_000, 20, 20
"""Allocations before the youngest are looked at, and how many looks before the older ones are. With Python's own numbers a third
of a busy worker's CPU goes into looking at records that are about to be freed anyway."""


def settle() -> None:
    """Call when start-up or recovery is over: what is there now stays and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
