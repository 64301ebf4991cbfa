"""Kafka on this machine: a real broker (Java), or librdkafka's in-memory cluster for the demo and quick tests."""

from streams.broker.embedded import EmbeddedBroker
from streams.broker.real import RealBroker

__all__ = ["EmbeddedBroker", "RealBroker"]
