"""A poller of the fault tests, in a process of its own: says a channel's catalogue again, 250 offers every half second."""

import os

from agents.poll.agent import poll_agent
from models.topics import FACT_STOCK, REVIEW
from streams.catalogue import CATALOGUE, CataloguePager
from streams.engine import EngineSettings, run
from streams.settings import KafkaSettings

if __name__ == "__main__":
    bootstrap, channel = os.environ["WORKER_KAFKA"], os.environ["WORKER_CONNECTION"]
    pager = CataloguePager(KafkaSettings(bootstrap=bootstrap), channel, offers_per_s=500.0, settle_within_s=60.0, look_every_s=0.2)
    run(
        EngineSettings(
            bootstrap=bootstrap,
            group=os.environ["WORKER_GROUP"],
            partitions=int(os.environ["WORKER_PARTITIONS"]),
            session_timeout_s=6.0,
            heartbeat_s=1.0,
            produce_timeout_s=5.0,
            commit_every_s=0.5,
            drain_s=5.0,
        ),
        [poll_agent({(channel, CATALOGUE): (pager, "off")}, also=(FACT_STOCK, REVIEW))],
        on_ready=lambda: print("READY", flush=True),  # noqa: T201  # the parent waits for it
    )
