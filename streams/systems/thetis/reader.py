"""Thetis → `inbound.<c>.v1`: one item read when a hint asks for it."""

import msgspec

from agents.ports import Element
from models.inbound import Inbound
from streams.http import Answer, HttpClient
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


def inbound_of(answer: Answer, *, kind: str, sweep: str = "") -> Inbound:
    """What is known of the elements of an answer."""
    return Inbound(
        kind=kind,
        received_ms=answer.answered_ms,
        asked_ms=answer.asked_ms,
        answered_ms=answer.answered_ms,
        date_ms=answer.date_ms,
        sweep=sweep or None,
    )
