"""Thetis → `inbound.<c>.v1`: the whole item list, page by page."""

import msgspec

from agents.ports import Element, Page
from models.codec import text_of
from models.cursor import Cursor
from models.errors import PoisonError
from streams.http import HttpClient
from streams.systems.answered import inbound_of
from streams.systems.thetis import wire
from streams.systems.thetis.client import ThetisClient
from streams.systems.thetis.settings import ThetisSettings


class StockPager:
    """`GET /globalTradeItems` by `firstRow`, which is the position: a reading goes on where the last process stopped.

    The list is ordered by id and moves while it is read: a row may be skipped or repeated. A repeated one is a second
    reading; a skipped one means nothing and comes with the next sweep.
    """

    def __init__(self, connection: str, settings: ThetisSettings, http: HttpClient) -> None:
        self.every_s = settings.sweep_every_s
        self._connection = connection
        self._rows = settings.page_rows
        self._client = ThetisClient(settings, http)

    async def page(self, cursor: Cursor) -> Page:
        """The page at `cursor.position`. A page with fewer rows than asked for is the last one."""
        first_row = int(cursor.position or 0)
        answer, rows = await self._client.items(first_row)
        inbound = inbound_of(answer, kind="reading", sweep=cursor.sweep)
        elements = [Element(key=self._key(row), value=bytes(row), inbound=inbound) for row in rows]
        return Page(elements=elements, position=str(first_row + len(rows)) if len(rows) >= self._rows else None)

    def _key(self, row: msgspec.Raw) -> str:
        """The item's id; a row without one is parked by whoever reads it, and the others go on."""
        try:
            return text_of(wire.decode_identified(bytes(row)).id) or self._connection
        except PoisonError:
            return self._connection
