"""What every worker process of the fault tests does: it is told its place by its environment, and says when it is ready."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence

from streams.engine import EngineSettings, run
from streams.engine.app import Agent


def settings(environ: Mapping[str, str]) -> EngineSettings:
    """Settings of a worker of the tests: a short session, so that crashes are noticed quickly."""
    return EngineSettings(
        bootstrap=environ["WORKER_KAFKA"],
        group=environ["WORKER_GROUP"],
        partitions=int(environ["WORKER_PARTITIONS"]),
        fetch_records=int(environ.get("WORKER_FETCH", "500")),
        session_timeout_s=6.0,
        heartbeat_s=1.0,
        produce_timeout_s=5.0,
        commit_every_s=float(environ.get("WORKER_COMMIT", "0.5")),
        drain_s=5.0,
    )


def work(agents: Sequence[Agent], on_stop: Callable[[], Awaitable[None]] | None = None) -> None:
    """Run these agents until a signal comes."""
    run(
        settings(os.environ),
        agents,
        on_ready=lambda: print("READY", flush=True),  # noqa: T201  # the parent waits for it
        on_stop=on_stop,
    )
