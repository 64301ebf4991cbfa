"""librdkafka's in-memory cluster (it comes in the confluent-kafka wheel): the broker of the demo and of quick tests.

It knows no topic administration (a topic begins to exist when a client first asks about it, with 4 partitions), one
worker per group, no compaction, and drops the oldest records above 5 MiB per partition.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from confluent_kafka import Producer

PARTITIONS = 4
ASK_WITHIN_S = 10.0


class EmbeddedBroker:
    """Lives from its making to `close`, inside this process; its port is chosen by librdkafka."""

    def __init__(self) -> None:
        # `bootstrap.servers` must be given and is not used.
        self._cluster: Producer | None = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "embedded", "log_level": 0})
        brokers = self._cluster.list_topics(timeout=ASK_WITHIN_S).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def touch(self, names: Iterable[str]) -> None:
        """Make the topics exist."""
        for name in names:
            if self._cluster is not None:
                self._cluster.list_topics(name, timeout=ASK_WITHIN_S)

    def close(self) -> None:
        """End the cluster and forget everything in it."""
        self._cluster = None

    def __enter__(self) -> Self:
        """Nothing to do: it runs since it was made."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self.close()
