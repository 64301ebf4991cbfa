"""What Kafka holds after a fault test, read with a client that knows nothing of the engine."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from models.topics import DEAD
from tests.eventually import eventually

FROZEN_AFTER_S = 25.0
GIVE_UP_AFTER_S = 90.0


class Books:
    """The topics of one test: `topic`, its commands `<topic>.told`, the changelog of `group`, and `dead.v1`."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self.bootstrap, self.topic, self.partitions = bootstrap, topic, partitions
        self.group = f"{topic}-group"
        self.told_topic = f"{topic}.told"
        self.changelog = f"{self.group}-sums-changelog"
        self.sent = 0
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 5, "log_level": 0, "message.timeout.ms": 120_000}
        )
        self._create()

    def environ(self) -> dict[str, str]:
        """What a worker must know."""
        return {
            "WORKER_KAFKA": self.bootstrap,
            "WORKER_TOPIC": self.topic,
            "WORKER_GROUP": self.group,
            "WORKER_PARTITIONS": str(self.partitions),
        }

    def send(self, key: str, delta: int = 1, *, value: bytes | None = None) -> str:
        """Write one event, or `value` as it is; returns its id."""
        self.sent += 1
        event = f"e{self.sent}"
        body = value if value is not None else json.dumps({"type": "Counted", "id": event, "delta": delta}).encode()
        self._producer.produce(self.topic, body, key.encode(), headers={"type": b"Counted", "trace": event.encode()})
        self._producer.poll(0)
        return event

    def flush(self) -> None:
        """All that was sent is in Kafka."""
        assert self._producer.flush(60) == 0

    def write(self, topic: str, partition: int, key: str, value: bytes) -> None:
        """Write one record behind everybody's back."""
        self._producer.produce(topic, value, key.encode(), partition=partition)
        self.flush()

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Key and body of each event in the topic, in the order of each partition."""
        return [
            (_key(record), json.loads(_value(record)))
            for record in self.read(self.topic)
            if not _key(record).startswith("@") and _value(record).startswith(b'{"type": "Counted"')
        ]

    def told(self) -> dict[str, list[str]]:
        """The ids told per key, in their order, repeats included."""
        found = defaultdict(list)
        for record in self.read(self.told_topic):
            found[_key(record)].append(str(json.loads(_value(record))["id"]))
        return found

    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows that recovery would find: the newest by `at`, the last one of equals."""
        found: dict[str, dict[str, Any]] = {}
        for record in self.read(self.changelog):
            row = json.loads(_value(record))
            known = found.get(_key(record))
            if known is None or row["at"] >= known["at"]:
                found[_key(record)] = row
        return found

    def dead(self) -> list[tuple[bytes, dict[str, bytes]]]:
        """Value and headers of the dead letters of this test's topic."""
        found = []
        for record in self.read(DEAD):
            headers = dict(record.headers() or [])
            if headers.get("dead_topic") == self.topic.encode():
                found.append((_value(record), headers))
        return found  # type: ignore[return-value]  # confluent-kafka leaves the type of header values open

    def lag(self) -> int:
        """Records not yet committed by the group."""
        consumer = self._consumer(self.group)
        try:
            committed = consumer.committed([TopicPartition(self.topic, number) for number in range(self.partitions)], timeout=10)
            ends = [consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in committed]
        finally:
            consumer.close()
        return sum(end - max(tp.offset, 0) for end, tp in zip(ends, committed, strict=True))

    async def has_told(self, keys: int, within_s: float = 30.0) -> None:
        """Return when so many keys have been told of."""

        async def enough() -> bool:
            return len(self.told()) >= keys

        await eventually(enough, within_s=within_s, every_s=0.2, what=f"{keys} keys told")

    async def settled(self) -> None:
        """Return when the lag is 0; fail when it stands still (frozen), and when it still falls at the end (too slow: no verdict)."""
        end = time.monotonic() + GIVE_UP_AFTER_S
        least, least_at = 1 << 62, time.monotonic()
        while (lag := self._try_lag()) != 0:
            now = time.monotonic()
            if lag < least:
                least, least_at = lag, now
            assert now - least_at < FROZEN_AFTER_S, f"frozen: {lag} records are not committed"
            assert now < end, f"too slow for a verdict, repeat: {lag} records are not committed, and the number still falls"
            await asyncio.sleep(0.3)

    def read(self, topic: str) -> Iterator[Message]:
        """All records of a topic."""
        consumer = self._consumer(f"{self.group}-reader")
        try:
            tps = [
                TopicPartition(topic, number, 0) for number in range(len(consumer.list_topics(topic, timeout=10).topics[topic].partitions))
            ]
            ends = {tp.partition: consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in tps}
            consumer.assign([tp for tp in tps if ends[tp.partition] > 0])
            left = {number for number, end in ends.items() if end > 0}
            while left:
                for record in consumer.consume(5000, 1.0):
                    number, offset = record.partition() or 0, record.offset() or 0
                    if offset < ends[number]:
                        yield record
                    if offset >= ends[number] - 1:
                        left.discard(number)
        finally:
            consumer.close()

    def _try_lag(self) -> int:
        try:
            return self.lag()
        except KafkaException:  # the broker is away
            return 1 << 61

    def _consumer(self, group: str) -> Consumer:
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0})

    def _create(self) -> None:
        compacted = {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"}
        topics = [NewTopic(self.topic, self.partitions, 1), NewTopic(self.told_topic, self.partitions, 1)]
        topics += [NewTopic(self.changelog, self.partitions, 1, config=compacted), NewTopic(DEAD, 2, 1)]
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for name, made in admin.create_topics(topics).items():
            try:
                made.result(20)
            except KafkaException:
                if name != DEAD:
                    raise


def expected_sums(events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, tuple[int, int]]:
    """Number and sum of the events per key."""
    sums: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for key, event in events:
        number, total = sums[key]
        sums[key] = (number + 1, total + event["delta"])
    return dict(sums)


def _key(record: Message) -> str:
    return (record.key() or b"").decode()


def _value(record: Message) -> bytes:
    return record.value() or b""
