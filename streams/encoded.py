"""Decisions ─▶ Kafka: how what they emit is written, by the engine and by the receiver alike."""

from models.agent import Emit
from models.codec import encode, headers_of
from models.message import Headers, Message


def encoded(emit: Emit, cause: Headers) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """Value and headers of an emit; the trace of what caused it is handed on."""
    headers: list[tuple[str, bytes]] = []
    value = emit.value
    if isinstance(value, Message):
        headers.extend(headers_of(value).items())
        value = encode(value)
    if cause and (trace := cause.get("trace")):
        headers.append(("trace", trace))
    if emit.headers:
        headers.extend(emit.headers.items())
    return value, headers
