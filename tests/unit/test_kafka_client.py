"""The clients accept what we call their options."""

import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka_client import aiokafka
from streams.secret import Secret
from streams.settings import KafkaSettings, Sasl, Tls

SASL = Sasl(username="stockwire", password=Secret("hidden"), mechanism="PLAIN")


@pytest.mark.parametrize(
    "kafka",
    [
        KafkaSettings(bootstrap="localhost:1"),
        KafkaSettings(bootstrap="localhost:1", sasl=SASL),
        KafkaSettings(bootstrap="localhost:1", tls=Tls()),
        KafkaSettings(bootstrap="localhost:1", sasl=SASL, tls=Tls()),
    ],
)
async def test_aiokafka_when_configured_then_its_producer_takes_the_options(kafka: KafkaSettings) -> None:
    producer = AIOKafkaProducer(**aiokafka(kafka))  # type: ignore[no-untyped-call]  # aiokafka has no types
    await producer.stop()  # type: ignore[no-untyped-call]  # as above
