"""`[connections.<name>]` of a Thetis connection: one context (one `x-api-key`) is one connection."""

import msgspec

from models.config import ClockSlack
from streams.secret import Secret


class ThetisSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Thetis context.

    `webhook_secret` is the unguessable last segment of our URL: the vendor's app signs nothing.
    `moves_subscribed` false: the vendor's app is not told to send `availableStockChanged`, so `availabilityChanged`
    makes us read the item. `sweep_every_s` is the time between two readings of the whole item list.
    """

    api_key: Secret
    client_id: Secret
    client_secret: Secret
    webhook_secret: Secret
    api_url: str = "https://api.thetis-ims.com/2"
    auth_url: str = "https://auth.thetis-ims.com"
    clock: ClockSlack = ClockSlack()
    moves_subscribed: bool = True
    sweep_every_s: float = 900.0
    page_rows: int = 1_000
    call_deadline_s: float = 8.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for name in ("api_url", "auth_url"):
            if not getattr(self, name).startswith(("https://", "http://")):
                raise ValueError(f"{name} must begin with https:// or http://")
        if not 1 <= self.page_rows <= ROWS_MAX:
            raise ValueError(f"page_rows must be 1 to {ROWS_MAX}")
        if self.sweep_every_s <= 0 or self.call_deadline_s <= 0:
            raise ValueError("sweep_every_s and call_deadline_s must be more than 0")


ROWS_MAX = 1_000
