"""Whether a channel lets us in at all: said to a person once in `review.v1`, and taken back by the first call that comes through."""

import time
from collections.abc import Callable

from models.agent import Emit, Lane
from models.errors import OperatorError
from models.review import ChannelClosed
from models.sent_row import SentRow
from models.topics import REVIEW


class Door:
    """One connection's door. `clock` gives Unix seconds.

    What an earlier process has said is not known at first: the person may have mended it and started us again. So the first
    call that comes through takes it back in any case.
    """

    def __init__(self, connection: str, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._clock = clock
        self._said_shut: bool | None = None

    async def shut(self, lane: Lane[SentRow], error: OperatorError) -> None:
        """A call was turned away."""
        if self._said_shut is not True:
            self._said_shut = True
            at_ms = int(self._clock() * 1_000)
            await self._say(lane, ChannelClosed(connection=self._connection, reason=str(error), at_ms=at_ms))

    async def open(self, lane: Lane[SentRow]) -> None:
        """A call came through."""
        if self._said_shut is not False:
            self._said_shut = False
            await self._say(lane, None)

    async def _say(self, lane: Lane[SentRow], matter: ChannelClosed | None) -> None:
        await lane.emit(Emit(topic=REVIEW, key=f"closed/{self._connection}", value=matter))
