"""What is too much for the receiver."""

import msgspec


class ReceiverLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes, seconds and counts.

    `body_max_bytes`: of a body; up to `discard_max_bytes` of a larger one are still read, so that its sender sees the answer.
    `header_max_bytes`: of the target, and of one header; `headers_max`: how many; `head_max_bytes`: of all that may come without
    any of a body, before it or within.
    `depth_max`: how deep JSON may nest. `request_within_s`: from the first byte of a request to its last; `idle_within_s`:
    between two requests. `acknowledge_within_s`: how long Kafka may take. `queue_max_bytes`: of what waits for Kafka;
    `unfinished_max_bytes`: of bodies that are still coming in.
    `drain_within_s`: how long the end may take.
    """

    body_max_bytes: int = 262_144
    discard_max_bytes: int = 16_777_216
    depth_max: int = 64
    header_max_bytes: int = 8_190
    headers_max: int = 64
    head_max_bytes: int = 65_536
    connections_max: int = 1_024
    request_within_s: float = 10.0
    idle_within_s: float = 75.0
    acknowledge_within_s: float = 3.0
    queue_max_bytes: int = 67_108_864
    unfinished_max_bytes: int = 67_108_864
    drain_within_s: float = 20.0
