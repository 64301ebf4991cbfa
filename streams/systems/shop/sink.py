"""`level.<c>.v1` → shop: `stock.adjusted` for a shop that adds, `stock.set` for one that is told levels."""

import hashlib
import time
from collections.abc import Callable
from decimal import Decimal

from models.codec import encode
from models.errors import PoisonError
from models.level import Level
from models.outcome import Exchange
from models.sent_row import Call
from streams.http import HttpClient, judge
from streams.systems.shop import wire
from streams.systems.shop.settings import ShopSettings
from streams.systems.shop.signature import sign

REASON = "stock"


class ShopSink:
    """Id and body of a call follow from connection, SKU, sequence and number alone; only its signature knows the time."""

    def __init__(self, connection: str, settings: ShopSettings, http: HttpClient, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._settings = settings
        self._http = http
        self._clock = clock

    def call_for(self, level: Level, acknowledged_total: Decimal) -> Call | None:
        """Incremental: the difference to the acknowledged total, None if there is none. Absolute: the level, at least 0."""
        if self._settings.mode == "absolute":
            quantity = max(wire.cut(level.level), Decimal(0))
            data = wire.StockSet(level.sku, quantity, level.sequence, wire.rfc3339(level.as_of_ms))
            return self._call(level, wire.STOCK_SET, data, total=None)
        if level.total is None:
            raise PoisonError("the level has no total, which an incremental shop needs: it was said when the mode was another")
        total = wire.cut(level.total)
        if total == acknowledged_total:
            return None
        adjusted = wire.StockAdjusted(level.sku, total - acknowledged_total, total, level.sequence, REASON)
        return self._call(level, wire.STOCK_ADJUSTED, adjusted, total=total)

    async def send(self, call: Call) -> Exchange:
        """One signed `POST`; 2xx is taken for good. Raises as `HttpClient.call` and `judge` do."""
        return await post(self._settings, self._http, call.id, call.body, self._clock())

    def _call(self, level: Level, kind: str, data: wire.StockSet | wire.StockAdjusted, *, total: Decimal | None) -> Call:
        body = encode(wire.Event(kind, wire.rfc3339(level.as_of_ms), data))
        return Call(id=delivery_id(self._connection, body), body=body, sequence=level.sequence, total=total)


def delivery_id(connection: str, body: bytes) -> str:
    """The `webhook-id` of a body: the same bytes have the same id, and no two numbers share one."""
    return f"msg_{hashlib.sha256(connection.encode() + b'.' + body).hexdigest()[:32]}"


async def post(settings: ShopSettings, http: HttpClient, delivery: str, body: bytes, now_s: float) -> Exchange:
    """Make one signed call to the shop."""
    headers = {"Content-Type": "application/json", **sign(settings.signing_keys, delivery, int(now_s), body)}
    answer = await http.call("POST", settings.webhook_url, headers=headers, body=body, deadline_s=settings.call_deadline_s)
    return judge(answer).exchange
