"""Thetis' payloads, in Thetis' words: only the members we read, for others are added without notice."""

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from models.errors import PoisonError

T = TypeVar("T")
Id = int | str | None
"""Numbers in the API, digits or numbers in events: compared as text."""


class Body(msgspec.Struct, frozen=True, rename="camel"):
    """A webhook body: the EventBridge envelope, or flat (some members of `detail`, as the app's `fields` says).

    The members are of any type here: what cannot be used must still be addressed.
    """

    id: Any = None
    time: Any = None
    detail_type: Any = msgspec.field(default=None, name="detail-type")
    detail: Any = None
    event_id: Any = None
    event_type: Any = None
    global_trade_item_id: Any = None


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """What we read of a stock event's `detail`. `seller_id` is there only when a sales channel's order caused it."""

    event_id: Id = None
    global_trade_item_id: Id = None
    delta: Decimal | None = None
    seller_id: Id = None


class FullEvent(msgspec.Struct, frozen=True):
    """An envelope whose `detail` is such an event."""

    detail: Event


class TradeItem(msgspec.Struct, frozen=True, rename="camel"):
    """One element of `GET /globalTradeItems`. `num_items_available` is null for what was never in stock."""

    id: int | str
    stock_keeping_unit: str | None = None
    num_items_available: Decimal | None = None
    active: bool | None = None
    stocked: bool | None = None


class Identified(msgspec.Struct, frozen=True):
    """Any list element, as far as its id."""

    id: Id = None


class Token(msgspec.Struct, frozen=True):
    """The answer of `POST /oauth2/token`."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  # the scheme, not a token
    expires_in: float | None = None


class Notice(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of a refused write (`message_code`), or of the gateway (`message`)."""

    message: str = ""
    message_code: str = ""
    message_text: str = ""


class Decoder(Generic[T]):
    """Decode one kind of body; what does not fit raises `PoisonError` in words."""

    def __init__(self, kind: Any) -> None:  # noqa: ANN401  # a type expression
        self._decode = msgspec.json.Decoder(kind).decode

    def __call__(self, body: bytes) -> T:
        """Decode `body`."""
        try:
            decoded: T = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PoisonError(f"not what Thetis sends: {error}") from error
        return decoded


decode_body: Decoder[Body] = Decoder(Body)
decode_event: Decoder[Event] = Decoder(Event)
decode_full_event: Decoder[FullEvent] = Decoder(FullEvent)
decode_item: Decoder[TradeItem] = Decoder(TradeItem)
decode_identified: Decoder[Identified] = Decoder(Identified)
decode_rows: Decoder[list[msgspec.Raw]] = Decoder(list[msgspec.Raw])
decode_ids: Decoder[list[Identified]] = Decoder(list[Identified])
decode_token: Decoder[Token] = Decoder(Token)
decode_notice: Decoder[Notice] = Decoder(Notice)


def text_of(identifier: object) -> str | None:
    """An id as text; None for what is no id."""
    if isinstance(identifier, bool) or not isinstance(identifier, int | str):
        return None
    return str(identifier).strip() or None
