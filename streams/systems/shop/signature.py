"""Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`, any of several secrets, within 300 s."""

import base64
import binascii
import functools
import hmac
from collections.abc import Iterable, Mapping

WINDOW_S = 300
KEY_BYTES = range(24, 65)
ID_CHARS_MAX = 256


def key_of(secret: str) -> bytes:
    """The HMAC key of a secret written as `whsec_` + base64; raises `ValueError` (which does not show it) for anything else."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("is not `whsec_` followed by base64")
    return key


def sign(keys: Iterable[bytes], delivery: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt; while a secret is changed, both keys sign."""
    signatures = b" ".join(_signature(key, delivery, str(timestamp_s), body) for key in keys).decode()
    return {"webhook-id": delivery, "webhook-timestamp": str(timestamp_s), "webhook-signature": signatures}


def refusal(keys: Iterable[bytes], headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
    """None when genuine and fresh, else why not. `headers` have lower-case names; the comparison takes constant time."""
    delivery = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not delivery or "." in delivery or len(delivery) > ID_CHARS_MAX:
        return "webhook-id is missing, too long or has a dot in it"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len("99999999999")):
        return "webhook-timestamp is not a number of seconds"
    if abs(now_s - int(timestamp)) > WINDOW_S:
        return f"webhook-timestamp is more than {WINDOW_S} s away from now: a replay, or a wrong clock"
    given = headers.get("webhook-signature", "").encode(errors="replace").split()
    genuine = False
    for key in keys:
        expected = _signature(key, delivery, timestamp, body)
        for one in given:
            genuine |= hmac.compare_digest(one, expected)
    return None if genuine else "no signature is by a secret of ours"


def _signature(key: bytes, delivery: str, timestamp: str, body: bytes) -> bytes:
    made = _begun(key).copy()
    made.update(b"%b.%b.%b" % (delivery.encode(errors="surrogateescape"), timestamp.encode(), body))
    return b"v1," + base64.b64encode(made.digest())


@functools.lru_cache(maxsize=64)
def _begun(key: bytes) -> hmac.HMAC:
    """To begin with a key costs as much as the HMAC of a whole event."""
    return hmac.new(key, digestmod="sha256")
