"""retailCRM → `inbound.<c>.v1`: what its site shows, per store, page by page."""

from agents.ports import Element, Page
from models.cursor import Cursor
from streams.http import HttpClient
from streams.systems.answered import inbound_of
from streams.systems.retailcrm.client import CrmClient, offer_of
from streams.systems.retailcrm.settings import RetailCrmSettings


class ShownPager:
    """`GET /store/inventories`: the position is the number of the page.

    The newest offer comes first, so an offer made while the list is read repeats a row: that is a second reading.
    """

    def __init__(self, connection: str, settings: RetailCrmSettings, http: HttpClient) -> None:
        self.every_s = settings.shown_every_s
        self._connection = connection
        self._client = CrmClient(settings, http)

    async def page(self, cursor: Cursor) -> Page:
        """The page at `cursor.position`; an offer that cannot be read is parked by whoever translates it."""
        number = int(cursor.position or 1)
        answer, page = await self._client.inventories(number)
        inbound = inbound_of(answer, kind="reading", sweep=cursor.sweep)
        elements = [Element(key=offer_of(row) or self._connection, value=bytes(row), inbound=inbound) for row in page.offers]
        more = bool(elements) and number < page.pagination.total_page_count
        return Page(elements=elements, position=str(number + 1) if more else None)
