"""Records written by a command or at a start, few and acknowledged, in order."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from models.codec import encode, headers_of
from models.errors import StockwireError
from models.message import Message
from streams.kafka_client import confluent
from streams.settings import KafkaSettings

ACKNOWLEDGED_WITHIN_S = 15.0
Written = tuple[str, str, Message]
"""Topic, key, value."""


def write(kafka: KafkaSettings, records: Iterable[Written]) -> None:
    """Write the records with our usual headers; returns when Kafka has all of them, else raises `StockwireError`."""
    producer = Producer({**confluent(kafka), "partitioner": "murmur2_random", "acks": "all"})
    failed: list[str] = []

    def delivered(error: KafkaError | None, _: Delivered) -> None:
        if error is not None:
            failed.append(error.str())

    for topic, key, message in records:
        headers: list[tuple[str, str | bytes | None]] = [*headers_of(message).items()]
        producer.produce(topic, key=key, value=encode(message), headers=headers, on_delivery=delivered)
    left = producer.flush(ACKNOWLEDGED_WITHIN_S)
    if left or failed:
        raise StockwireError(f"Kafka at {kafka.bootstrap} did not take it: {failed[0] if failed else 'no answer'}; is it running?")
