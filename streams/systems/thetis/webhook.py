"""Thetis → `inbound.<c>.v1`: the receiving side of the vendor's webhook app, which signs nothing."""

import hashlib
import hmac

from models.codec import text_of
from streams.systems.spec import Hook, Taken
from streams.systems.thetis import wire
from streams.systems.thetis.settings import ThetisSettings


class ThetisWebhook:
    """The secret is a segment of our URL. A refusal would block all events of the context for 12 hours, so none is given."""

    parks = True

    def __init__(self, connection: str, settings: ThetisSettings) -> None:
        self._connection = connection
        self._secret = settings.webhook_secret.reveal().encode()

    def verify(self, hook: Hook) -> str | None:
        """Compare the path segment in constant time."""
        genuine = hmac.compare_digest(hook.secret.encode(errors="surrogateescape"), self._secret)
        return None if genuine else "the secret in the path is not ours"

    def take(self, hook: Hook) -> Taken:
        """Key: the item, so that one item's events stay in order; else the connection. Delivery: the event's own id."""
        body = wire.decode_body(hook.body)
        detail = body.detail if isinstance(body.detail, dict) else {}
        item = text_of(detail.get("globalTradeItemId")) or text_of(body.global_trade_item_id)
        event = text_of(detail.get("eventId")) or text_of(body.event_id) or text_of(body.id)
        return Taken(item or self._connection, event or hashlib.sha256(hook.body).hexdigest())
