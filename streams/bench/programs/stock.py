"""The stock agent as a worker runs it, alone."""

import logging
import sys

import msgspec

from agents.stock.agent import stock_agent
from streams.bench.profile import Profiler
from streams.bench.shelves import CONFIG
from streams.engine import EngineSettings, run


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """`profile`: also say where the time went."""

    bootstrap: str
    group: str
    partitions: int
    profile: bool = False


def main(setup: Setup) -> None:
    """Until SIGTERM; says `ready`, and at the end, if asked, where the time went."""
    profiler = Profiler()

    def on_ready() -> None:
        print("ready", flush=True)  # noqa: T201  # read by the bench
        if setup.profile:
            profiler.start()

    settings = EngineSettings(bootstrap=setup.bootstrap, group=setup.group, partitions=setup.partitions)
    run(settings, [stock_agent(CONFIG)], on_ready=on_ready)
    if setup.profile:
        print(msgspec.json.encode(profiler.stop()).decode(), flush=True)  # noqa: T201  # read by the bench


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main(msgspec.json.decode(sys.argv[1], type=Setup))
