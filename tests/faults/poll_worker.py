"""A poller of the fault tests, in a process of its own: reads a list of `ROWS` rows, ten a page, again and again."""

import asyncio
import os

from agents.poll.agent import poll_agent
from agents.ports import Element, Page
from models.cursor import Cursor
from models.inbound import Inbound
from tests.faults.worker import work

ROWS, PAGE = 200, 10


class SlowPager:
    """Each page takes 10 ms."""

    every_s = 0.2

    async def page(self, cursor: Cursor) -> Page:
        """Rows by number."""
        await asyncio.sleep(0.01)
        first = int(cursor.position or 0)
        inbound = Inbound(kind="reading", received_ms=1, sweep=cursor.sweep)
        elements = [Element(key=f"item-{number}", value=b"%d" % number, inbound=inbound) for number in range(first, first + PAGE)]
        return Page(elements=elements, position=str(first + PAGE) if first + PAGE < ROWS else None)


if __name__ == "__main__":
    work([poll_agent({(os.environ["WORKER_CONNECTION"], "stock"): (SlowPager(), "continuous")})])
