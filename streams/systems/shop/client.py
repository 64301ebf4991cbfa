"""The one call by which a shop's own numbers are read."""

from urllib.parse import urlencode

import msgspec

from models.errors import PoisonError, TransientError
from streams.http import Answer, HttpClient, judge
from streams.systems.answered import expected
from streams.systems.shop import wire
from streams.systems.shop.settings import ShopSettings

PAGE_ROWS = 1_000


async def stock_page(settings: ShopSettings, http: HttpClient, after: str, rows: int = PAGE_ROWS) -> tuple[Answer, wire.ShownPage]:
    """`GET <api_url>/stock`: the page after SKU `after` (empty: the first). Raises as `judge`, or `TransientError` for no page."""
    query = urlencode({"after": after, "limit": rows} if after else {"limit": rows})
    headers = {"Accept": "application/json"}
    if settings.api_key is not None:
        headers["Authorization"] = f"Bearer {settings.api_key.reveal()}"
    url = f"{(settings.api_url or '').rstrip('/')}/stock?{query}"
    answer = judge(await http.call("GET", url, headers=headers, deadline_s=settings.call_deadline_s))
    page = expected(wire.decode_page, answer)
    if page.next in {"", after}:
        raise TransientError(f"GET {answer.exchange.url} names {page.next!r} to go on after: the list would never end").after(
            answer.exchange
        )
    return answer, page


def sku_of(row: msgspec.Raw) -> str | None:
    """The SKU of a row, or None if it cannot be read."""
    try:
        return wire.decode_row(bytes(row)).sku or None
    except PoisonError:
        return None
