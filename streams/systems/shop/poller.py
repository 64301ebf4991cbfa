"""Shop → `inbound.<c>.v1`: what it shows, page by page."""

from agents.ports import Element, Page
from models.cursor import Cursor
from streams.http import HttpClient
from streams.systems.answered import inbound_of
from streams.systems.shop.client import sku_of, stock_page
from streams.systems.shop.settings import ShopSettings


class ShownPager:
    """`GET <api_url>/stock` by SKU: the position is the last SKU read, so nothing moves between pages."""

    def __init__(self, connection: str, settings: ShopSettings, http: HttpClient) -> None:
        self.every_s = settings.shown_every_s
        self._connection = connection
        self._settings = settings
        self._http = http

    async def page(self, cursor: Cursor) -> Page:
        """The page at `cursor.position`; a row that cannot be read is parked by whoever translates it."""
        answer, page = await stock_page(self._settings, self._http, cursor.position)
        inbound = inbound_of(answer, kind="reading", sweep=cursor.sweep)
        elements = [Element(key=sku_of(row) or self._connection, value=bytes(row), inbound=inbound) for row in page.rows]
        return Page(elements=elements, position=page.next)
