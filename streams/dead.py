"""Dead letters: any record that cannot be used goes to `dead.v1` as it came, with what is wrong in its headers."""

from models.agent import Dead
from models.message import Headers

VALUE_LIMIT_BYTES = 900_000
"""Kafka takes about 1 MiB per record, headers included; a longer value is cut, its origin says where the whole one is."""


def dead_headers(headers: Headers, dead: Dead, *, agent: str, exchange: bytes = b"", origin: tuple[str, int, int] | None = None) -> Headers:
    """The record's own headers and `dead_error`, `dead_reason`, `dead_agent`.

    `origin` is topic, partition and offset of a record that stands in Kafka; `exchange` the redacted HTTP exchange.
    """
    added = {"dead_error": dead.error.encode(), "dead_reason": dead.reason.encode(), "dead_agent": agent.encode()}
    if origin is not None:
        topic, partition, offset = origin
        added |= {"dead_topic": topic.encode(), "dead_partition": b"%d" % partition, "dead_offset": b"%d" % offset}
    if exchange:
        added["dead_exchange"] = exchange
    return {**headers, **added}


def dead_value(value: bytes | None) -> bytes:
    """The original bytes, cut where Kafka would refuse them."""
    return (value or b"")[:VALUE_LIMIT_BYTES]
