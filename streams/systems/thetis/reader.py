"""Thetis → `inbound.<c>.v1`: one item read when a hint asks for it."""

import msgspec

from agents.ports import Element
from streams.http import HttpClient
from streams.systems.answered import inbound_of
from streams.systems.thetis.client import NOT_FOUND, ThetisClient
from streams.systems.thetis.settings import ThetisSettings


class ItemReader:
    """Reads single items of one connection."""

    def __init__(self, _connection: str, settings: ThetisSettings, http: HttpClient) -> None:
        self._client = ThetisClient(settings, http)

    async def read(self, item: str) -> list[Element]:
        """The item as it is now; one that is gone says its id only (the answer has none)."""
        answer = await self._client.item(item)
        gone = answer.status == NOT_FOUND
        value = msgspec.json.encode({"id": item}) if gone else answer.body
        return [Element(key=item, value=value, inbound=inbound_of(answer, kind="gone" if gone else "reading"))]
