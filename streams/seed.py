"""The first cursors: at the start of a poller, each list that has none in `poll.v1` gets one that is due now."""

import time
from collections.abc import Iterable

from agents.poll.decide import first_cursor, key_of
from models.topics import POLL
from streams.by_hand import write
from streams.kafka_client import confluent
from streams.read import Filter, last
from streams.settings import KafkaSettings


def seed(kafka: KafkaSettings, lists: Iterable[tuple[str, str]]) -> None:
    """Return when every list has a cursor. Two pollers that do this at once write two, of which the newer one counts."""
    now_ms = int(time.time() * 1_000)
    cursors = [first_cursor(connection, what, now_ms) for connection, what in lists]
    missing = [cursor for cursor in cursors if not last(confluent(kafka), POLL, Filter(key=key_of(cursor)), 1)]
    write(kafka, [(POLL, key_of(cursor), cursor) for cursor in missing])
