"""aiokafka's clients as the bare programs use them. They are `Any` here, for aiokafka has no types."""

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


def consumer(bootstrap: str, *topics: str, group: str | None = None) -> Any:  # noqa: ANN401  # see above
    """From the beginning, committing only when told to; not started."""
    return AIOKafkaConsumer(  # type: ignore[no-untyped-call]  # see above
        *topics, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )


def producer(bootstrap: str, *, batch_bytes: int = 16_384, linger_ms: int = 0) -> Any:  # noqa: ANN401  # see above
    """With acks=all; not started."""
    return AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=linger_ms, max_batch_size=batch_bytes)  # type: ignore[no-untyped-call]  # see above
