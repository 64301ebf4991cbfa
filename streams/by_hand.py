"""Records written by a command or at a start, few and acknowledged, in order."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from models.codec import encode, headers_of
from models.errors import StockwireError
from models.message import Message
from streams.kafka_client import confluent
from streams.letter import Outgoing, Place
from streams.settings import KafkaSettings

ACKNOWLEDGED_WITHIN_S = 15.0
BY_KEY = -1
Written = tuple[str, str, Message]
"""Topic, key, value."""


def write(kafka: KafkaSettings, records: Iterable[Written]) -> None:
    """Write the records with our usual headers; returns when Kafka has all of them, else raises `StockwireError`."""
    Hand(kafka).write([as_record(*record) for record in records])


def as_record(topic: str, key: str, message: Message) -> Outgoing:
    """A message of ours with its usual headers, to the partition of its key."""
    return Outgoing(topic, None, key.encode(), encode(message), list(headers_of(message).items()))


class Hand:
    """Writes with one producer, again and again; those of a key stay in order also where Kafka is slow."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._bootstrap = kafka.bootstrap
        # Idempotent, for a repeated request would change the order; Java's partitioner, as all our writers have it.
        self._producer = Producer(
            {**confluent(kafka), "partitioner": "murmur2_random", "enable.idempotence": True, "message.timeout.ms": 15_000}
        )

    def write(self, records: Sequence[Outgoing], on_written: Callable[[], Any] = lambda: None) -> list[Place]:
        """Return the place of each when Kafka has all of them, else raise `StockwireError`: some may have been written.

        `on_written` is called as each is acknowledged.
        """
        places: dict[int, Place] = {}
        refusals: list[str] = []

        def deliver(number: int, error: KafkaError | None, record: Delivered) -> None:
            if error is not None:
                refusals.append(error.str())
                return
            places[number] = Place(record.topic() or "", record.partition() or 0, record.offset() or 0)
            on_written()

        for number, record in enumerate(records):
            self._producer.produce(
                record.topic,
                key=record.key,
                value=record.value,
                headers=list[tuple[str, str | bytes | None]](record.headers),
                on_delivery=partial(deliver, number),
                partition=BY_KEY if record.partition is None else record.partition,
            )
        left = self._producer.flush(ACKNOWLEDGED_WITHIN_S)
        if left or refusals:
            self._producer.purge()  # what Kafka has not got yet is not to follow later
            raise StockwireError(f"Kafka at {self._bootstrap} did not take it: {refusals[0] if refusals else 'no answer'}; is it running?")
        return [places[number] for number in range(len(records))]
