"""The bench's own side of Kafka: topics for one run, their input, and what came out of them."""

import secrets
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams import topics
from streams.bench.subject import RunFailedError, Subject

PARTITIONS = 4
ASK_WITHIN_S = 30.0
LOOK_EVERY_S = 0.2


class Row(NamedTuple):
    """One record read back; `time_s` is the broker's time of appending it."""

    partition: int
    offset: int
    time_s: float
    key: bytes
    value: bytes


class Feed(NamedTuple):
    """One record to be written; `time_ms` 0: now."""

    key: bytes
    value: bytes
    time_ms: int = 0


class Desk:
    """Makes, fills and reads the topics of one run. The broker must be the bench's own, for `close` deletes all topics."""

    def __init__(self, bootstrap: str, partitions: int = PARTITIONS) -> None:
        self.bootstrap = bootstrap
        self.partitions = partitions
        """Of every topic."""
        self._token = secrets.token_hex(4)
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._asker = self._consumer()

    def name(self, what: str) -> str:
        """A name of this run."""
        return f"bench-{self._token}-{what}"

    def topic(self, name: str, *, appended: bool = True, compacted: bool = False) -> str:
        """Make the topic. `appended`: its records bear the broker's time, by which everybody is measured alike."""
        config = {"message.timestamp.type": "LogAppendTime" if appended else "CreateTime"}
        config |= {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"} if compacted else {}
        topics.create(self.bootstrap, [topics.Topic(name=name, partitions=self.partitions, config=config)])
        return name

    def fill(self, topic: str, feed: Iterable[Feed]) -> None:
        """Write all, in order, where each client would put their keys; returns when all are acknowledged."""
        refusals: list[KafkaError] = []
        # Idempotent, for else a retry inside librdkafka could change the order.
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "log_level": 0,
                "linger.ms": 20,
                "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 1_000_000,
                "delivery.report.only.error": True,
                "on_delivery": lambda refusal, _record: refusals.append(refusal),
            }
        )
        for number, (key, value, time_ms) in enumerate(feed):
            producer.produce(topic, value, key, timestamp=time_ms)
            if number % 10_000 == 0:
                producer.poll(0)
        if producer.flush(60) or refusals:
            raise RunFailedError(f"{topic} could not be filled: {refusals[:1]}")

    def count(self, topic: str) -> int:
        """How many records there have been."""
        places = [TopicPartition(topic, part) for part in range(self.partitions)]
        return sum(self._asker.get_watermark_offsets(place, timeout=ASK_WITHIN_S)[1] for place in places)

    def wait(self, topic: str, records: int, subjects: Sequence[Subject], *, within_s: float = 180.0) -> None:
        """Return when the topic has so many records; nothing is read, so as not to disturb. Raises `RunFailedError`."""
        end = time.monotonic() + within_s
        while (found := self.count(topic)) < records:
            for subject in subjects:
                subject.check()
            if time.monotonic() > end:
                raise RunFailedError(f"{topic}: {found} of {records} records after {within_s:.0f} s")
            time.sleep(LOOK_EVERY_S)

    def read(self, topic: str) -> list[Row]:
        """Everything in the topic, each partition in its order."""
        consumer, expected = self._consumer(), self.count(topic)
        consumer.assign([TopicPartition(topic, part, 0) for part in range(self.partitions)])
        rows: list[Row] = []
        end = time.monotonic() + ASK_WITHIN_S
        while len(rows) < expected:
            for record in consumer.consume(10_000, 0.2):
                if record.error() is None:
                    place, moment = (record.partition() or 0, record.offset() or 0), record.timestamp()[1] / 1000
                    rows.append(Row(*place, moment, _bytes(record.key()), _bytes(record.value())))
            if time.monotonic() > end:
                raise RunFailedError(f"{topic}: only {len(rows)} of {expected} records could be read")
        consumer.close()
        return rows

    def close(self) -> None:
        """Delete all topics but Kafka's own; returns when they are gone."""
        self._asker.close()
        end = time.monotonic() + ASK_WITHIN_S
        while names := [name for name in self._admin.list_topics(timeout=ASK_WITHIN_S).topics if not name.startswith("__")]:
            for deleted in self._admin.delete_topics(names).values():
                deleted.exception(ASK_WITHIN_S)
            if time.monotonic() > end:
                raise RunFailedError(f"Kafka does not delete {', '.join(names)}")

    def _consumer(self) -> Consumer:
        own = {"bootstrap.servers": self.bootstrap, "group.id": "bench-desk", "enable.auto.commit": False, "log_level": 0}
        return Consumer({**own, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50})


def _bytes(value: str | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else (value or "").encode()
