"""`[connections.<name>]` of a shop."""

from typing import Literal

import msgspec

from streams.secret import Secret
from streams.systems.shop.signature import key_of


class ShopSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shop.

    We call `webhook_url`, signed with `webhook_secret` (while it is changed, also with `webhook_secret_previous`); the
    shop signs its calls to us with `inbound_secret` (or `inbound_secret_previous`; none: it does not call us).
    `mode`: the shop is told differences to add, or levels to set. `api_url`: it offers `GET <api_url>/stock`, read every
    `shown_every_s` seconds, with `api_key` as bearer token if there is one.
    It is called at most `calls_per_s` times a second, by all our processes together.
    `starts_at` (incremental): filled from 0, assumed to be in step, or its own numbers are read and corrected.
    """

    webhook_url: str
    webhook_secret: Secret
    webhook_secret_previous: Secret | None = None
    inbound_secret: Secret | None = None
    inbound_secret_previous: Secret | None = None
    mode: Literal["incremental", "absolute"] = "incremental"
    api_url: str | None = None
    api_key: Secret | None = None
    shown_every_s: float = 900.0
    starts_at: Literal["zero", "in_step", "read"] = "zero"
    call_deadline_s: float = 8.0
    calls_per_s: float = 100.0

    def __post_init__(self) -> None:
        """Refuse what cannot work; no text shows a secret."""
        for name in ("webhook_secret", "webhook_secret_previous", "inbound_secret", "inbound_secret_previous"):
            secret = getattr(self, name)
            if secret is not None:
                _check_secret(name, secret)
        for name in ("webhook_url", "api_url"):
            if not (getattr(self, name) or "https://").startswith(("https://", "http://")):
                raise ValueError(f"{name} must begin with https:// or http://")
        if self.starts_at == "read" and self.api_url is None:
            raise ValueError('starts_at = "read" needs api_url, from where the numbers can be read')
        if self.shown_every_s <= 0 or self.call_deadline_s <= 0 or self.calls_per_s <= 0:
            raise ValueError("shown_every_s, call_deadline_s and calls_per_s must be more than 0")

    @property
    def signing_keys(self) -> tuple[bytes, ...]:
        """What our calls are signed with."""
        return _keys(self.webhook_secret, self.webhook_secret_previous)

    @property
    def inbound_keys(self) -> tuple[bytes, ...]:
        """What the shop may sign with."""
        return _keys(self.inbound_secret, self.inbound_secret_previous)


def _keys(*secrets: Secret | None) -> tuple[bytes, ...]:
    return tuple(key_of(secret.reveal()) for secret in secrets if secret is not None)


def _check_secret(name: str, secret: Secret) -> None:
    try:
        key_of(secret.reveal())
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
