"""The vendor's webhook app: one FIFO queue per context, whose head blocks the rest until it is taken."""

import asyncio
import time
from bisect import insort
from collections.abc import Callable
from random import Random
from typing import Any

import aiohttp
import msgspec

from streams.systems.thetis.simulator.options import Chaos, WebhookOption

TIMEOUT_S = 25.0
OK = range(200, 300)

encode = msgspec.json.Encoder(decimal_format="number").encode


class Delivery(msgspec.Struct, kw_only=True):
    """One event on its way; the queue is in the order of `ready_s`."""

    event: dict[str, Any]
    ready_s: float
    tries: int = 0


class Sender:
    """Posts events to `webhook.url`, retried every `retry_s`, at most `tries_max` times, then kept in `dead`."""

    def __init__(self, *, retry_s: float, tries_max: int, random: Random, chaos: Callable[[], Chaos]) -> None:
        self.webhook = WebhookOption()
        self.pending: list[Delivery] = []
        self.dead: list[dict[str, Any]] = []
        self.counts = dict.fromkeys(("published", "lost", "delivered", "repeated", "failed"), 0)
        self._retry_s = retry_s
        self._tries_max = tries_max
        self._random = random
        self._chaos = chaos
        self._news = asyncio.Event()

    def publish(self, event: dict[str, Any]) -> None:
        """Queue one event, unless chance loses it."""
        self.counts["published"] += 1
        chaos = self._chaos()
        if self._random.random() < chaos.drop_rate:
            self.counts["lost"] += 1
            return
        late_s = self._random.uniform(0, chaos.late_s) if self._random.random() < chaos.late_rate else 0.0
        self._queue(event, late_s)

    def replay_dead(self) -> int:
        """The vendor's support sends again what was given up."""
        again, self.dead = self.dead, []
        for event in again:
            self._queue(event, 0.0)
        return len(again)

    def wake(self) -> None:
        """Look again: something was changed."""
        self._news.set()

    async def run(self) -> None:
        """Deliver for ever."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "axios/1.7.2"}) as session:
            while True:
                self._news.clear()
                delivery = self._next()
                if delivery is None:
                    await self._wait()
                elif await self._taken(session, delivery):
                    self._delivered(delivery)
                else:
                    await self._failed(delivery)

    def _queue(self, event: dict[str, Any], after_s: float) -> None:
        insort(self.pending, Delivery(event=event, ready_s=time.monotonic() + after_s), key=lambda delivery: delivery.ready_s)
        self._news.set()

    def _next(self) -> Delivery | None:
        """The head of the queue, or (shuffled) one of those just behind it."""
        chaos, now_s = self._chaos(), time.monotonic()
        if chaos.paused:
            return None
        window = [delivery for delivery in self.pending[: max(1, chaos.shuffle_window)] if delivery.ready_s <= now_s]
        return self._random.choice(window) if window else None

    async def _wait(self) -> None:
        """Until there is news, or the next late event is ready."""
        idle = self._chaos().paused or not self.pending
        timeout_s = None if idle else max(0.0, self.pending[0].ready_s - time.monotonic())
        try:
            await asyncio.wait_for(self._news.wait(), timeout_s)
        except TimeoutError:
            return

    async def _taken(self, session: aiohttp.ClientSession, delivery: Delivery) -> bool:
        body = self._body(delivery.event)
        if body is None:
            return True
        try:
            async with session.post(
                self.webhook.url, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status in OK or answer.status in self.webhook.ignore_status_codes
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _body(self, event: dict[str, Any]) -> bytes | None:
        """The request's body; None: not wanted, so it is consumed silently."""
        hook, detail = self.webhook, event["detail"]
        wanted = hook.event_types is None or detail.get("eventType") in hook.event_types
        matches = all(name in detail and detail[name] in allowed for name, allowed in hook.pattern.items())
        if not (hook.url and wanted and matches):
            return None
        if hook.fields is None:
            return encode(event)
        return encode({name: detail[name] for name in hook.fields if name in detail})

    def _delivered(self, delivery: Delivery) -> None:
        self.pending.remove(delivery)
        self.counts["delivered"] += 1
        chaos = self._chaos()
        if self._random.random() < chaos.duplicate_rate:
            self.counts["repeated"] += 1
            self._queue(delivery.event, self._random.uniform(0, chaos.duplicate_after_s))

    async def _failed(self, delivery: Delivery) -> None:
        """Nothing else is sent while the head fails."""
        self.counts["failed"] += 1
        delivery.tries += 1
        if delivery.tries >= self._tries_max:
            self.pending.remove(delivery)
            self.dead.append(delivery.event)
            return
        await asyncio.sleep(self._retry_s)
