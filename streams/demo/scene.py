"""The scene: what happens in the demo, in the order in which it happens."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from streams.demo.picture import Board, Picture, Shelf
from streams.demo.world import World

ITEMS = (
    "tea-green",
    "tea-black",
    "tea-mint",
    "cup-white",
    "cup-blue",
    "pot-small",
    "pot-large",
    "filter",
    "honey",
    "biscuit",
    "tray",
    "whisk",
)
CRM = "crm"
UPLOAD = "POST /store/inventories/upload"
LOOK_EVERY_S = 0.25
SALE_EVERY_S = 0.3
QUIET_WITHIN_S = 40.0
STEADY_LOOKS = 6


class Scene:
    """Plays in a world and shows itself in a picture."""

    def __init__(self, world: World, picture: Picture, *, seed: int = 1) -> None:
        self._world = world
        self._picture = picture
        self._board: Board = picture.board
        self._chance = random.Random(seed)  # noqa: S311  # a scene, not a secret
        self.sold: dict[str, int] = dict.fromkeys(world.shop_modes, 0)
        self.sold_out = 0
        self.asked = self.answered = 0
        """Questions of the CRM, and those that we answered."""

    async def play(self) -> bool:
        """The whole scene; True when all numbers agree at its end."""
        async with self._watched():
            await self._goods_arrive()
            async with self._traffic():
                await self._webhooks_misbehave()
                await self._crm_asks()
                await self._full_overwrite("first")
                await self._worker_killed()
                await self._full_overwrite("second")
            return await self._numbers_meet()

    async def _goods_arrive(self) -> None:
        self._picture.chapter("Goods arrive")
        items = [{"sku": sku, "available": 0} for sku in ITEMS]
        await self._world.warehouse.post("/admin/items", {"items": items})
        for sku in ITEMS:
            await self._world.warehouse.post("/admin/move", {"sku": sku, "delta": self._chance.randint(20, 60)})
        self._picture.say(f"{len(ITEMS)} kinds of goods are put on the shelf of the warehouse; nobody has told the shops")
        await self._until_agreed(within_s=25)
        self._picture.say("Stockwire has told both shops and the CRM what they may sell (one piece of each is kept back as a buffer)")
        told = (await self._world.remote(CRM).get("/admin/calls?only=counts"))["counts"].get(UPLOAD, {})
        self._picture.say(
            f"The CRM knows Stockwire as its warehouse system, and had its stores filled in {told.get('calls', 0)} calls, "
            f"at most {told.get('offers_max', 0)} kinds in one"
        )

    async def _webhooks_misbehave(self) -> None:
        self._picture.chapter("Both shops sell, the warehouse's messages go astray")
        chaos = {"duplicate_rate": 0.3, "late_rate": 0.3, "late_s": 1.5, "shuffle_window": 4, "drop_rate": 0.08}
        await self._world.warehouse.post("/admin/chaos", chaos)
        self._picture.say("From now on messages of the warehouse come twice (30 %), late (30 %), shuffled, or never (8 %)")
        await asyncio.sleep(5)

    async def _crm_asks(self) -> None:
        self._picture.chapter("The CRM asks for itself, three times at once")
        asked = {"module": f"stockwire-{CRM}", "action": "inventoriesUpload", "offers": list(ITEMS), "at_once": 3}
        calls = (await self._world.remote(CRM).post("/admin/call-point", asked))["calls"]
        self.asked, self.answered = len(calls), sum(call["applied"] is not None for call in calls)
        slowest_ms = max((call["took_ms"] for call in calls), default=0)
        self._picture.say(
            f"In the middle of the traffic the CRM asked {self.asked} times what is there, and had {self.answered} answers, "
            f"the slowest after {slowest_ms} ms"
        )

    async def _full_overwrite(self, which: str) -> None:
        self._picture.chapter(f"The {which} full overwrite, while both shops sell")
        await self._world.command("reconcile")
        self._picture.say(
            f"The {which} reading of the whole stock is taken in the middle of the traffic; no sale may be lost or counted twice"
        )
        await asyncio.sleep(4)

    async def _worker_killed(self) -> None:
        self._picture.chapter("The worker is killed")
        worker = self._world.roles["worker"]
        starts = worker.starts
        worker.kill()
        self._picture.say("The worker, which knows all the numbers, is killed the hard way; the shops go on selling")
        while worker.starts == starts or worker.pid is None:  # noqa: ASYNC110  # another process, which tells nobody
            await asyncio.sleep(LOOK_EVERY_S)
        await self._world.ready("worker")
        self._picture.say("A new worker has read all it needs from Kafka and goes on where the old one was")
        await asyncio.sleep(2)

    async def _numbers_meet(self) -> bool:
        self._picture.chapter("The shops close, the numbers meet")
        await self._world.warehouse.post("/admin/chaos", {"duplicate_rate": 0, "late_s": 0, "shuffle_window": 1, "drop_rate": 0})
        self._picture.say("Nobody sells any more; what was lost on the way has to be found now")
        await self._world.command("reconcile")
        agreed = await self._until_agreed(within_s=QUIET_WITHIN_S)
        self._picture.say("All numbers of the warehouse and the shops agree" if agreed else "Some numbers do not agree")
        return agreed

    async def _until_agreed(self, *, within_s: float) -> bool:
        """Wait until all numbers have agreed for a while."""
        steady = 0
        for _ in range(int(within_s / LOOK_EVERY_S)):
            steady = 0 if self._board.wrong or not self._board.shelves else steady + 1
            if steady >= STEADY_LOOKS:
                return True
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    @asynccontextmanager
    async def _traffic(self) -> AsyncIterator[None]:
        """Both shops sell, and now and then goods come."""
        tasks = [asyncio.create_task(self._sells(shop)) for shop in self._world.shop_modes]
        tasks.append(asyncio.create_task(self._restocks()))
        try:
            yield
        finally:
            await _cancelled(tasks)

    async def _sells(self, shop: str) -> None:
        while True:
            sale = {"sku": self._chance.choice(ITEMS), "quantity": self._chance.choice((1, 1, 1, 2))}
            answered = await self._world.shop(shop).post("/admin/sell", sale)
            if answered["order"]:
                self.sold[shop] += 1
            else:
                self.sold_out += 1
            await asyncio.sleep(SALE_EVERY_S * self._chance.uniform(0.5, 1.5))

    async def _restocks(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            await self._world.warehouse.post("/admin/move", {"sku": self._chance.choice(ITEMS), "delta": self._chance.randint(1, 6)})

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            await _cancelled([task])

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Bring the board up to date with what the systems really have."""
        world, board = self._world, self._board
        names = (*world.shop_modes, *world.crms)
        truth, *shown = await asyncio.gather(
            world.warehouse.get("/admin/truth"), *(world.remote(name).get("/admin/truth") for name in names)
        )
        shows = {
            name: {sku: _sum(number) for sku, number in numbers.items() if number != {}} for name, numbers in zip(names, shown, strict=True)
        }
        board.shelves = [self._shelf(sku, Decimal(str(available)), shows) for sku, available in sorted(truth.items())]
        board.roles = {name: (child.pid, child.starts) for name, child in world.roles.items()}
        deliveries = await world.warehouse.get("/admin/deliveries")
        board.counts = {
            "sold": sum(self.sold.values()),
            **{name: number for name, number in deliveries.items() if isinstance(number, int) and name != "dead"},
        }

    def _shelf(self, sku: str, available: Decimal, shows: dict[str, dict[str, Decimal]]) -> Shelf:
        """An absolute channel never shows less than 0; a shop that is told what to add may."""
        level = available - self._world.buffer
        due = {name: level if self._world.shop_modes.get(name) == "incremental" else max(Decimal(0), level) for name in shows}
        return Shelf(sku=sku, available=available, due=due, shown={shop: numbers[sku] for shop, numbers in shows.items() if sku in numbers})


def _sum(number: object) -> Decimal:
    """One number, or the sum over the stores of a CRM."""
    return sum(map(_sum, number.values()), start=Decimal(0)) if isinstance(number, dict) else Decimal(str(number))


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Stop the tasks; what one of them failed with is raised here."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
