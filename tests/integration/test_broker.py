"""The brokers of this machine: what is acknowledged survives stop and kill; the embedded one takes and gives records."""

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.broker import EmbeddedBroker, RealBroker


def _create(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})  # the answers come only while it lives
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(10)


def _write(bootstrap: str, topic: str, value: bytes) -> None:
    errors: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    producer.produce(topic, value, on_delivery=lambda error, _record: errors.append(error))
    assert producer.flush(20) == 0
    assert errors == [None]


def _read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest", "log_level": 0})
    consumer.subscribe([topic])
    try:
        return [record.value() for record in consumer.consume(count, timeout=20)]
    finally:
        consumer.close()


@pytest.mark.broker
@pytest.mark.parametrize("end", [RealBroker.stop, RealBroker.kill])
def test_real_broker_when_ended_and_started_then_acknowledged_records_are_there(
    broker: RealBroker, fresh: Callable[[str], str], end: Callable[[RealBroker], None]
) -> None:
    topic = fresh("kept")
    _create(broker.bootstrap, topic)
    _write(broker.bootstrap, topic, b"before")
    end(broker)
    assert not broker.running
    broker.start()
    _write(broker.bootstrap, topic, b"after")
    assert _read(broker.bootstrap, topic, 2) == [b"before", b"after"]


@pytest.mark.broker
def test_kafka_fixture_when_used_then_takes_topics(kafka: str, fresh: Callable[[str], str]) -> None:
    topic = fresh("shared")
    _create(kafka, topic)
    _write(kafka, topic, b"value")
    assert _read(kafka, topic, 1) == [b"value"]


def test_embedded_broker_when_touched_then_topics_have_four_partitions(fresh: Callable[[str], str]) -> None:
    topic = fresh("embedded")
    with EmbeddedBroker() as broker:
        broker.touch([topic])
        topics = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}).list_topics(timeout=10).topics
        assert len(topics[topic].partitions) == 4
        _write(broker.bootstrap, topic, b"value")
        assert _read(broker.bootstrap, topic, 1) == [b"value"]
