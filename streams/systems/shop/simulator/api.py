"""What the shop protocol asks of a shop: `POST /stockwire` (its webhook URL) and `GET /stock`."""

import bisect
import time

from aiohttp import web

from streams.systems.shop import wire
from streams.systems.shop.signature import key_of, refusal
from streams.systems.shop.simulator.gate import answer
from streams.systems.shop.simulator.options import Options
from streams.systems.shop.simulator.shop import Shop

ROWS_MAX = 1_000


class Api:
    """The shop's public side."""

    def __init__(self, options: Options, shop: Shop) -> None:
        self._keys = tuple(key_of(secret) for secret in options.secrets)
        self._api_key = options.api_key
        self._shop = shop

    def routes(self) -> list[web.RouteDef]:
        """Method and path of both calls."""
        return [web.post("/stockwire", self.hook), web.get("/stock", self.stock)]

    async def hook(self, request: web.Request) -> web.Response:
        """One event. 401 unless signed and fresh, 400 when malformed, 422 when it makes no sense here, else 200."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        reason = refusal(self._keys, headers, body, time.time())
        if reason is not None:
            return answer({"error": "signature"}, 401)
        status = self._shop.take(headers["webhook-id"], body, time.time())
        return answer({}, status)

    async def stock(self, request: web.Request) -> web.Response:
        """What is shown, by SKU, `limit` rows after the SKU `after`."""
        if self._api_key is not None and request.headers.get("Authorization") != f"Bearer {self._api_key}":
            return answer({"error": "api key"}, 401)
        limit = request.query.get("limit", str(ROWS_MAX))
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= ROWS_MAX):
            return answer({"error": f"limit is 1 to {ROWS_MAX}"}, 400)
        skus = sorted(self._shop.shelves)
        first = bisect.bisect_right(skus, request.query.get("after", ""))
        page = skus[first : first + int(limit)]
        rows = [{"sku": sku, "available": self._shop.shelves[sku].shown} for sku in page]
        more = first + len(page) < len(skus)
        return answer({"rows": rows, "next": page[-1] if more else None, "as_of": wire.rfc3339(int(time.time() * 1_000))})
