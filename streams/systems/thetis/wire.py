"""Thetis' payloads, in Thetis' words: only the members we read, for others are added without notice."""

from decimal import Decimal
from typing import Any

import msgspec

from models.codec import ForeignDecoder

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
    """One element of `GET /globalTradeItems`. `num_items_available` is null for what was never in stock.

    `standard_cost_price` is not decoded here: a cost that is none must not cost us the number.
    """

    id: int | str
    stock_keeping_unit: str | None = None
    num_items_available: Decimal | None = None
    active: bool | None = None
    stocked: bool | None = None
    standard_cost_price: msgspec.Raw = msgspec.Raw(b"null")


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


SENT = "what Thetis sends"
decode_body = ForeignDecoder[Body](Body, SENT)
decode_event = ForeignDecoder[Event](Event, SENT)
decode_full_event = ForeignDecoder[FullEvent](FullEvent, SENT)
decode_item = ForeignDecoder[TradeItem](TradeItem, SENT)
decode_cost = ForeignDecoder[Decimal | None](Decimal | None, SENT)
decode_identified = ForeignDecoder[Identified](Identified, SENT)
decode_rows = ForeignDecoder[list[msgspec.Raw]](list[msgspec.Raw], SENT)
decode_ids = ForeignDecoder[list[Identified]](list[Identified], SENT)
decode_token = ForeignDecoder[Token](Token, SENT)
decode_notice = ForeignDecoder[Notice](Notice, SENT)
