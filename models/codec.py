"""JSON as it stands in Kafka: exact decimals, a `type` per message, unknown members ignored and counted."""

from typing import Any, Generic, TypeVar

import msgspec

from models.errors import PoisonError
from models.message import Headers, Message

T = TypeVar("T")

_encoder = msgspec.json.Encoder(decimal_format="number")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NAMED = ("connection", "sku", "item", "order")


def encode(value: Any) -> bytes:  # noqa: ANN401  # any struct, list or dict
    """Compact JSON. A `Decimal` is a JSON number with exactly its own digits (`100.50` stays `100.50`)."""
    return _encoder.encode(value)


def headers_of(message: Message) -> Headers:
    """The headers by which any Kafka viewer can filter: type, connection, sku, item, order as far as the message has them."""
    headers = {"type": type(message).__name__.encode()}
    for name in _NAMED:
        value = getattr(message, name, None)
        if isinstance(value, str):
            headers[name] = value.encode()
    return headers


class Decoder(Generic[T]):
    """Decode one kind of value, or raise `PoisonError` with the place and cause in words.

    `unknown` counts the members that our types do not name (a newer writer, or a misspelt one) since it was last set to 0.
    """

    def __init__(self, kind: Any) -> None:  # noqa: ANN401  # a type or a union of types
        self._decode = msgspec.json.Decoder(kind).decode
        self.unknown = 0

    def __call__(self, value: bytes) -> T:
        """Decode `value`."""
        try:
            body: T = self._decode(value)
            members = _members(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PoisonError(f"not a value we know: {error}") from error
        self.unknown += sum(name not in body.__struct_fields__ for name in members if name != "type")  # type: ignore[attr-defined]  # always a struct
        return body
