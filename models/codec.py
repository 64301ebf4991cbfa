"""JSON as it stands in Kafka: exact decimals, a `type` per message, unknown members ignored and counted."""

from functools import lru_cache
from typing import Any, Generic, TypeVar, get_args

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
    kind, names = _shown(type(message))
    headers = {"type": kind}
    for name in names:
        value = getattr(message, name)
        if value is not None:
            headers[name] = value.encode()
    return headers


@lru_cache(None)
def _shown(kind: type[Message]) -> tuple[bytes, tuple[str, ...]]:
    """The name of a type, and which of its members are shown in headers."""
    return kind.__name__.encode(), tuple(name for name in _NAMED if name in kind.__struct_fields__)


def text_of(identifier: object) -> str | None:
    """An id of another system, a number in one place and digits in another, as text; None for what is no id."""
    if isinstance(identifier, bool) or not isinstance(identifier, int | str):
        return None
    return str(identifier).strip() or None


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
    """Decode one kind of value of our own topics (a `Message` or a union of them), in the same way.

    `unknown` counts the members that our types do not name (a newer writer, or a misspelt one) since it was last set to 0.
    """

    def __init__(self, kind: Any) -> None:  # noqa: ANN401  # a type or a union of types
        super().__init__(kind, "a value we know")
        self._kinds = {one.__name__: one for one in get_args(kind) or (kind,)}
        self.unknown = 0

    def __call__(self, value: bytes) -> T:
        """Decode `value`. What has only members that we know, which is nearly all, is decoded once."""
        try:
            body: T = self._decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return super().__call__(self._without_unknown(value))
        return body

    def _without_unknown(self, value: bytes) -> bytes:
        """The value without the members that its type does not name; a value of no type of ours stays as it is."""
        try:
            members = _members(value)
            kind = self._kinds[msgspec.json.decode(members["type"], type=str)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            return value
        known = {name: raw for name, raw in members.items() if name == "type" or name in kind.__struct_encode_fields__}
        self.unknown += len(members) - len(known)
        return encode(known) if len(known) < len(members) else value
