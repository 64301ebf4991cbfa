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


class ForeignDecoder(Generic[T]):
    """Decode one kind of payload of another system, or raise `PoisonError` with the place and cause in words.

    `expected` ends the sentence "not ...", for instance `what Thetis sends`.
    """

    def __init__(self, kind: Any, expected: str) -> None:  # noqa: ANN401  # a type or a union of types
        self._decode = msgspec.json.Decoder(kind).decode
        self._expected = expected

    def __call__(self, value: bytes) -> T:
        """Decode `value`."""
        try:
            body: T = self._decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PoisonError(f"not {self._expected}: {error}") from error
        return body


class Decoder(ForeignDecoder[T]):
    """Decode one kind of value of our own topics, in the same way.

    `unknown` counts the members that our types do not name (a newer writer, or a misspelt one) since it was last set to 0.
    """

    def __init__(self, kind: Any) -> None:  # noqa: ANN401  # a type or a union of types
        super().__init__(kind, "a value we know")
        self.unknown = 0

    def __call__(self, value: bytes) -> T:
        """Decode `value`."""
        body = super().__call__(value)
        known = body.__struct_fields__  # type: ignore[attr-defined]  # always a struct
        self.unknown += sum(name not in known for name in _members(value) if name != "type")
        return body
