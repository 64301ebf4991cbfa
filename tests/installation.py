"""For tests of a whole installation: put goods on shelves, sell, kill a role, and wait until the numbers meet."""

import asyncio
import json
import os
import secrets
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any, NamedTuple

from streams.demo.world import SECRETS, World, stockwire
from tests.eventually import eventually
from tests.receiver_case import Stored, records

UPLOAD = "POST /store/inventories/upload"
FINEST = Decimal("0.001")


class Upload(NamedTuple):
    """One call that told a CRM stock: when (Unix ms), how it was answered (0: it broke off), and its rows by SKU."""

    at_ms: int
    status: int
    rows: dict[str, list[dict[str, Any]]]


def new_sku(name: str) -> str:
    """A SKU that no other test has."""
    return f"{name}-{secrets.token_hex(3)}"


async def put(world: World, sku: str, **available: str | int) -> None:
    """A new item on the shelf of each of these warehouses, announced by them."""
    for warehouse, number in available.items():
        await world.remote(warehouse).post("/admin/items", {"items": [{"sku": sku, "available": Decimal(number)}]})


async def move(world: World, warehouse: str, sku: str, delta: str | int, **how: Any) -> None:  # noqa: ANN401  # members of the simulator's `Move`
    """Goods come or go."""
    answered = await world.remote(warehouse).post("/admin/move", {"sku": sku, "delta": Decimal(delta), **how})
    assert "available" in answered, answered


async def sell(world: World, shop: str, sku: str, quantity: int = 1) -> bool:
    """A shop sells, if it shows enough."""
    answered = await world.shop(shop).post("/admin/sell", {"sku": sku, "quantity": quantity})
    return answered["order"] is not None


async def shown(world: World, shop: str, sku: str) -> Decimal | None:
    """What a shop shows of a SKU; None: it has never heard of it."""
    number = (await world.shop(shop).get("/admin/truth")).get(sku)
    return None if number is None else Decimal(number)


async def until_shown(world: World, sku: str, *, within_s: float = 30.0, **expected: str | int) -> None:
    """Wait until each of these shops shows its number of the SKU."""
    wanted = {shop: Decimal(number) for shop, number in expected.items()}
    last: dict[str, Decimal | None] = {}

    async def all_right() -> bool:
        for shop in wanted:
            last[shop] = await shown(world, shop, sku)
        return last == wanted

    try:
        await eventually(all_right, within_s=within_s, every_s=0.1)
    except AssertionError:
        raise AssertionError(f"{sku}: expected {wanted}, after {within_s} s shown {last}") from None


async def offered(world: World, crm: str, *skus: str) -> None:
    """Offers of a CRM that have our SKU. To be made before the item, or nobody tells their first number."""
    answered = await world.remote(crm).post("/admin/offers", {"offers": [{"xml_id": sku} for sku in skus]})
    assert set(skus) <= set(answered), answered


async def stores_of(world: World, crm: str, sku: str) -> dict[str, Any] | None:
    """What a CRM shows of a SKU, by the name of the warehouse; empty: it was told nothing, None: it has no such offer."""
    shown_there = (await world.remote(crm).get("/admin/truth")).get(sku)
    return None if shown_there is None else _by_warehouse(world, shown_there)


async def until_stores(world: World, crm: str, sku: str, *, within_s: float = 30.0, **expected: str | int) -> None:
    """Wait until the CRM shows these numbers, and of no other warehouse."""
    wanted = {warehouse: Decimal(number) for warehouse, number in expected.items()}
    last: dict[str, Any] | None = None

    async def right() -> bool:
        nonlocal last
        last = await stores_of(world, crm, sku)
        return last == wanted

    try:
        await eventually(right, within_s=within_s, every_s=0.1)
    except AssertionError:
        raise AssertionError(f"{crm}, {sku}: expected {wanted}, after {within_s} s shown {last}") from None


async def uploads(world: World, crm: str, sku: str | None = None) -> list[Upload]:
    """The calls that told a CRM stock, oldest first; with a `sku` only those that named it."""
    found = []
    for call in await calls(world, crm):
        if call["endpoint"] == UPLOAD:
            rows = json.loads(call["form"]["offers"], parse_float=Decimal, parse_int=Decimal)
            found.append(Upload(int(call["at_ms"]), int(call["status"]), {row["xmlId"]: row["stores"] for row in rows}))
    return [upload for upload in found if sku is None or sku in upload.rows]


def due_at_stores(stock: Sequence[Decimal], buffer: int) -> list[Decimal]:
    """What the store of each warehouse shows: the buffer is off the first, what is lacking there off the next; never below 0."""
    left = [max(Decimal(0), number) for number in stock]
    lacking = Decimal(buffer) - sum((number for number in stock if number < 0), start=Decimal(0))
    for at, number in enumerate(left):
        taken = min(number, lacking)
        left[at], lacking = number - taken, lacking - taken
    return left


async def differences(world: World, skus: Iterable[str] | None = None) -> dict[str, str]:
    """`channel/sku` to what is wrong there, of these SKUs or of all.

    Each shop shows what its warehouses have, less the buffer, and so does each CRM of its offers, store by store.
    """
    stock = {name: await world.remote(name).get("/admin/truth") for name in world.warehouses}
    wanted = None if skus is None else set(skus)
    found = {}
    for name, shop in world.shops.items():
        shows = await world.shop(name).get("/admin/truth")
        for sku in stock[shop.warehouses[0]]:
            if (wanted is None or sku in wanted) and all(sku in stock[warehouse] for warehouse in shop.warehouses):
                level = sum((Decimal(stock[warehouse][sku]) for warehouse in shop.warehouses), start=Decimal(0)) - world.buffer
                due = level if shop.mode == "incremental" else max(Decimal(0), level)
                nothing = Decimal(0) if shop.mode == "incremental" else None  # a shop that adds has heard nothing as long as it is 0
                if shows.get(sku, nothing) != due:
                    found[f"{name}/{sku}"] = f"shows {shows.get(sku, nothing)}, should show {due}"
    for name in world.crms:
        found.update(await _crm_differences(world, name, stock, wanted))
    return found


async def _crm_differences(world: World, crm: str, stock: Mapping[str, Any], wanted: set[str] | None) -> dict[str, str]:
    """An offer that was told nothing differs, also when there is none of it: zero is a number."""
    warehouses, found = world.crms[crm].warehouses, {}
    for sku, shown_there in (await world.remote(crm).get("/admin/truth")).items():
        if (wanted is None or sku in wanted) and all(sku in stock[warehouse] for warehouse in warehouses):
            numbers = due_at_stores([Decimal(stock[warehouse][sku]) for warehouse in warehouses], world.buffer)
            due = dict(zip(warehouses, (number.quantize(FINEST, rounding=ROUND_FLOOR) for number in numbers), strict=True))
            shows = _by_warehouse(world, shown_there)
            if shows != due:
                found[f"{crm}/{sku}"] = f"shows {shows}, should show {due}"
    return found


def _by_warehouse(world: World, shown_there: Mapping[str, Any]) -> dict[str, Decimal]:
    """A store that is none of ours keeps its code."""
    names = {world.store(warehouse): warehouse for warehouse in world.warehouses}
    return {names.get(code, code): Decimal(number) for code, number in shown_there.items()}


async def until_agreed(world: World, skus: Iterable[str] | None = None, *, within_s: float = 60.0, looks: int = 4) -> None:
    """Wait until no order is under way and all numbers have agreed for so many looks."""
    wanted = None if skus is None else tuple(skus)
    steady, last = 0, dict[str, str]()

    async def agreed() -> bool:
        nonlocal steady
        busy = [name for name in world.shops if (await world.shop(name).get("/admin/busy"))["busy"]]
        last.clear()
        last.update(await differences(world, wanted))
        steady = 0 if busy or last else steady + 1
        return steady >= looks

    try:
        await eventually(agreed, within_s=within_s, every_s=0.3)
    except AssertionError:
        few = dict(list(last.items())[:8])
        raise AssertionError(f"{len(last)} numbers differ after {within_s} s, for instance {few}") from None


async def calls(world: World, system: str) -> list[dict[str, Any]]:
    """The calls that a simulated system was made, oldest first."""
    found = await world.remote(system).get("/admin/calls")
    return list(found["calls"] if isinstance(found, Mapping) else found)


async def told(world: World, shop: str, sku: str) -> list[Decimal]:
    """What a shop was told of a SKU and took: the totals, or the quantities, in order."""
    taken = [call for call in await calls(world, shop) if call["sku"] == sku and call["status"] == 200]
    data = [json.loads(call["body"], parse_float=Decimal)["data"] for call in taken]
    return [Decimal(one["total"] if "total" in one else one["quantity"]) for one in data]


async def killed(world: World, role: str) -> None:
    """SIGKILL; return when the role has been started again and is ready."""
    child = world.roles[role]
    starts = child.starts
    child.kill()

    async def started() -> bool:
        return child.starts > starts and child.pid is not None

    await eventually(started, what=f"{role} started again")
    await world.ready(role)


async def ended(world: World, *arguments: str, config: Path | None = None) -> tuple[int, str]:
    """Run one `stockwire` command, which may fail: its exit code, and what it printed, in one line."""
    process = await asyncio.create_subprocess_exec(
        *stockwire(*arguments, "--config", str(config or world.config)), env={**os.environ, **SECRETS}, stdout=PIPE, stderr=STDOUT
    )
    printed, _ = await process.communicate()
    return int(process.returncode or 0), " ".join(printed.decode().split())


async def stored(world: World, topic: str, key: str | None = None) -> list[Stored]:
    """The records of a topic, of one key if given; oldest first per key."""
    found = await records(world.bootstrap, topic)
    return [record for record in found if key is None or record.key == key.encode()]


async def dead_letters(world: World, **headers: str) -> list[dict[str, Any]]:
    """What `stockwire dead ls` shows, of records with these headers."""
    wanted = [text for name, value in headers.items() for text in ("--header", f"{name}={value}")]
    printed = await world.command("dead", "ls", "--json", "-n", "1000", *wanted)
    return [json.loads(line) for line in printed.splitlines()]


def rss_mb(pid: int) -> float:
    """The resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1_000_000


async def sells_on(world: World, shop: str, skus: list[str], every_s: float) -> None:
    """Sell one piece of each SKU in turn, until cancelled."""
    while True:
        for sku in skus:
            await sell(world, shop, sku)
            await asyncio.sleep(every_s)
