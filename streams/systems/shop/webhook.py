"""Shop → `inbound.<c>.v1`: the receiving side of the shop protocol."""

from models.errors import PoisonError
from streams.systems.shop import wire
from streams.systems.shop.settings import ShopSettings
from streams.systems.shop.signature import refusal
from streams.systems.spec import Hook, Taken


class ShopWebhook:
    """Signed by Standard Webhooks with any active secret, and not older than 300 s. Malformed: refused (400)."""

    parks = False

    def __init__(self, connection: str, settings: ShopSettings) -> None:
        self._connection = connection
        self._keys = settings.inbound_keys

    def verify(self, hook: Hook) -> str | None:
        """Check signature and time; without a configured `inbound_secret` nothing is genuine."""
        return refusal(self._keys, hook.headers, hook.body, hook.now_s)

    def take(self, hook: Hook) -> Taken:
        """Key: the order, SKU or customer it is about, so that each one's events stay in order. Delivery: `webhook-id`."""
        event = wire.decode_received(hook.body)
        data = event.data
        about = data.order if data.order is not None else data.sku if data.sku is not None else data.number
        if about == "":
            raise PoisonError(f"{event.type} names what it is about by an empty text")
        return Taken(self._connection if about is None else str(about), hook.headers["webhook-id"])
