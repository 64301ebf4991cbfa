"""One process at a time: Kafka's own group membership as a lock, which a killed owner loses after a few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from models.errors import StockwireError
from streams.kafka_client import confluent
from streams.settings import KafkaSettings
from streams.topics import ASK_WITHIN_S

SESSION_MS = 6_000
WITHIN_S = 20.0
LOOK_EVERY_S = 0.25


class Turn:
    """The right to go on, held by whoever has partition 0. Call `hold` often: it is lost after minutes without a call."""

    def __init__(self, consumer: Consumer, topic: str, what: str, within_s: float) -> None:
        self._consumer, self._what, self._within_s = consumer, what, within_s
        self._assigned = self._mine = False
        consumer.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_gone, on_lost=self._on_gone)

    def hold(self, seconds: float = 0.0) -> None:
        """Let `seconds` pass, and return with the turn still ours; raises `StockwireError` when somebody else has it."""
        until = time.monotonic() + seconds
        latest = until + self._within_s
        self._consumer.poll(0)
        while not self._mine or time.monotonic() < until:
            if self._assigned and not self._mine:
                raise StockwireError(f"another {self._what} is running; wait until it has ended")
            if time.monotonic() > latest:
                raise StockwireError(f"Kafka did not give this {self._what} its turn within {self._within_s:.0f} s; try again")
            self._consumer.poll(min(LOOK_EVERY_S, max(0.01, until - time.monotonic())))

    def _on_assign(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        consumer.assign(parts)
        consumer.pause(parts)  # nothing is read here
        self._assigned, self._mine = True, any(part.partition == 0 for part in parts)

    def _on_gone(self, _consumer: Consumer, _parts: list[TopicPartition]) -> None:
        self._assigned = self._mine = False


@contextmanager
def alone(  # noqa: PLR0913  # the last two have defaults
    kafka: KafkaSettings, group: str, topic: str, what: str, *, on_wait: Callable[[], Any] = lambda: None, within_s: float = WITHIN_S
) -> Iterator[Turn]:
    """Have a turn that no other process has. `topic` exists; `what` names us in errors.

    Waits while another one has it (`on_wait` hears of that), longer than a killed one keeps it, then raises `StockwireError`.
    """
    _wait_until_free(kafka, group, what, on_wait, within_s)
    options = {
        "group.id": group,
        "enable.auto.commit": False,
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": SESSION_MS // 4,
        "partition.assignment.strategy": "range",
    }
    with closing(Consumer({**confluent(kafka), **options})) as consumer:
        turn = Turn(consumer, topic, what, within_s)
        turn.hold()
        yield turn


def _wait_until_free(kafka: KafkaSettings, group: str, what: str, on_wait: Callable[[], Any], within_s: float) -> None:
    admin, latest = AdminClient(confluent(kafka)), time.monotonic() + within_s
    while _members(admin, group):
        on_wait()
        if time.monotonic() > latest:
            raise StockwireError(f"another {what} is running; wait until it has ended")
        time.sleep(LOOK_EVERY_S)


def _members(admin: AdminClient, group: str) -> int:
    try:
        return len(admin.describe_consumer_groups([group], request_timeout=ASK_WITHIN_S)[group].result(ASK_WITHIN_S).members)
    except KafkaException:  # no such group yet - or the embedded broker, which cannot describe one
        return 0
