"""The job J1 as data: webhooks of 1 kB, as the two systems send them, ready to be posted."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from streams.bench.installation import HOOK_SECRET, SHOP_SECRET, WAREHOUSE, WEB
from streams.bench.load import post
from streams.systems.shop.signature import key_of, sign

BODIES, BODY_BYTES = 1_000, 1_024


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a bare receiver is told: where to listen (any path will do), and where the bodies go."""

    bootstrap: str
    port: int
    topic: str


def thetis() -> list[bytes]:
    """Moves in the vendor's envelope; the secret is in the path."""
    return [post(f"/hooks/{WAREHOUSE}/{HOOK_SECRET}", thetis_body(f"e-{number:08d}", number, -1)) for number in range(BODIES)]


def thetis_body(event: str, item: int, delta: int, pad_to: int = BODY_BYTES) -> bytes:
    """One move, filled up to `pad_to` bytes."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    detail = {"eventId": event, "globalTradeItemId": item, "delta": delta, "contextId": 550, "deviceName": ""}
    body = {"version": "0", "id": event, "detail-type": "availableStockChanged", "source": "ThetisIMS", "time": now, "detail": detail}
    return filled(body, detail, "deviceName", pad_to)


def shop() -> list[bytes]:
    """Orders, each signed; the signatures are good for five minutes."""
    requests, now_s, key = [], int(time.time()), key_of(SHOP_SECRET)
    for number in range(BODIES):
        data = {"order": f"W-{number:08d}", "note": ""}
        body = filled({"type": "order.placed", "timestamp": "2026-01-01T00:00:00Z", "data": data}, data, "note", BODY_BYTES)
        requests.append(post(f"/hooks/{WEB}", body, list(sign([key], f"msg_{number:08d}", now_s, body).items())))
    return requests


def plain() -> list[bytes]:
    """The same size for those that check nothing."""
    return [post("/hook", thetis_body(f"e-{number:08d}", number, -1)) for number in range(BODIES)]


def filled(body: Mapping[str, object], part: dict[str, Any], member: str, size: int) -> bytes:
    """The body as JSON with `part[member]` (a part of it) so long that it has `size` bytes."""
    part[member] = "x" * max(0, size - len(msgspec.json.encode(body)))
    return msgspec.json.encode(body)
