"""`stockwire check` for a shop: try what will be used, and say in words what does not work."""

import time

from models.codec import encode
from models.errors import StockwireError
from streams.http import HttpClient
from streams.systems.shop import wire
from streams.systems.shop.client import stock_page
from streams.systems.shop.settings import ShopSettings
from streams.systems.shop.signature import KEY_BYTES
from streams.systems.shop.sink import delivery_id, post
from streams.systems.spec import Context


async def check(context: Context, settings: ShopSettings, http: HttpClient) -> list[str]:
    """Problems of the connection; empty when all is well. The shop is sent one event of a type that it must take and ignore."""
    where = f"connections.{context.connection}"
    problems = [
        f"{where}: a secret's key has {len(key)} bytes; Standard Webhooks wants {KEY_BYTES.start} to {KEY_BYTES.stop - 1}"
        for key in (*settings.signing_keys, *settings.inbound_keys)
        if len(key) not in KEY_BYTES
    ]
    now_s = time.time()
    body = encode(wire.Event(wire.CONNECTION_CHECKED, wire.rfc3339(int(now_s * 1_000)), {}))
    try:
        await post(settings, http, delivery_id(context.connection, body), body, now_s)
    except StockwireError as error:
        problems.append(f"{where}.webhook_url: {error}")
    try:
        if settings.api_url is not None:
            await stock_page(settings, http, "", rows=1)
    except StockwireError as error:
        problems.append(f"{where}.api_url: {error}")
    return problems
