"""Reading a topic piece by piece: how much is left is heard, and a Kafka that is away has a name."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from models.errors import TransientError
from streams import scan
from streams.topics import create, kept


@pytest.mark.broker
def test_complete_when_records_come_then_first_and_every_thousandth_tell_what_is_left(kafka: str, fresh: Callable[[str], str]) -> None:
    topic, heard = fresh("scanned"), list[int]()
    create(kafka, [kept(topic, 1, days=1)])
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(1_500):
        producer.produce(topic, value=b"%d" % number)
    assert producer.flush(20) == 0
    with scan.reader({"bootstrap.servers": kafka}) as consumer:
        found = [record.value() for record in scan.complete(consumer, topic, scan.whole(consumer, topic), heard.append)]
    assert found == [b"%d" % number for number in range(1_500)]
    assert heard == [1_499, 499]


def test_reader_when_kafka_does_not_answer_then_says_which_and_why() -> None:
    error = KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))  # noqa: SLF001  # librdkafka's own name
    with pytest.raises(TransientError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"), scan.reader({"bootstrap.servers": "127.0.0.1:1"}):
        raise error
