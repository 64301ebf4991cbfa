"""The engine on librdkafka's in-memory cluster, as in the demo: one worker, killed and started again in the middle."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from streams.broker import EmbeddedBroker
from tests.eventually import eventually
from tests.faults.engine_fleet import Fleet

PARTITIONS = 4
EVENTS = 3000


async def test_worker_killed_on_the_embedded_broker_then_each_event_counts_once(fresh: Callable[[str], str], tmp_path: Path) -> None:
    topic = fresh("sums")
    group = f"{topic}-group"
    log = f"{group}-sums-changelog"
    with EmbeddedBroker() as broker:
        broker.touch([topic, f"{topic}.told", log, "dead.v1"])
        environ = {
            "WORKER_KAFKA": broker.bootstrap, "WORKER_TOPIC": topic, "WORKER_GROUP": group, "WORKER_PARTITIONS": str(PARTITIONS)
        }  # fmt: skip
        fleet = Fleet(environ, tmp_path)
        try:
            fleet.add()
            await fleet.ready()
            _send(broker.bootstrap, topic, 0)
            fleet.workers[1].signal(signal.SIGKILL)
            await fleet.workers[1].ended()
            fleet.revive()
            _send(broker.bootstrap, topic, EVENTS // 2)
            expected = Counter(f"sku-{number % 50}" for number in range(EVENTS))

            async def counted() -> bool:
                return _counts(broker.bootstrap, log) == expected

            await eventually(counted, within_s=40, every_s=0.5, what="all counted once")
            await fleet.stop()
        finally:
            fleet.destroy()


def _send(bootstrap: str, topic: str, first: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})
    for number in range(first, first + EVENTS // 2):
        event = {"type": "Counted", "id": f"e{number}", "delta": 1}
        producer.produce(topic, json.dumps(event).encode(), f"sku-{number % 50}".encode())
    assert producer.flush(20) == 0


def _counts(bootstrap: str, log: str) -> dict[str, int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False, "log_level": 0})
    try:
        tps = [TopicPartition(log, number, 0) for number in range(PARTITIONS)]
        left = sum(consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in tps)
        consumer.assign(tps)
        rows: dict[str, int] = {}
        while left > 0:
            for record in consumer.consume(1000, 1.0):
                left -= 1
                rows[(record.key() or b"").decode()] = json.loads(record.value() or b"").get("events", 0)
    finally:
        consumer.close()
    return {key: events for key, events in rows.items() if not key.startswith("@")}
