"""A poller of the fault tests, in a process of its own: says a channel's catalogue again, 250 offers every half second."""

import os

from agents.poll.agent import poll_agent
from models.topics import FACT_STOCK, REVIEW
from streams.catalogue import CATALOGUE, CataloguePager
from streams.settings import KafkaSettings
from tests.faults.worker import work

if __name__ == "__main__":
    bootstrap, channel = os.environ["WORKER_KAFKA"], os.environ["WORKER_CONNECTION"]
    pager = CataloguePager(KafkaSettings(bootstrap=bootstrap), channel, offers_per_s=500.0, settle_within_s=60.0, look_every_s=0.2)
    work([poll_agent({(channel, CATALOGUE): (pager, "off")}, also=(FACT_STOCK, REVIEW))])
