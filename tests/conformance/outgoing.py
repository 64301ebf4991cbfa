"""Everything that we ask or tell a remote, done once: each capability of a manifest as one call."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from agents.ports import Element
from models.cursor import Cursor
from models.errors import PoisonError, StockwireError
from models.level import Level
from models.observation import Observation
from streams.http import HttpClient
from tests.conformance.manifests import SYSTEMS, Running, client_of, example_of, has, translate_of

Said = tuple[str, list[Observation] | str]
UNKNOWN_SKU = "NO-SUCH-SKU"


class Side(NamedTuple):
    """Our side of a connection: where it is, as whom, over what."""

    running: Running
    settings: Any
    http: HttpClient


class Attempt(NamedTuple):
    """What one call came to: an `error`, or the `problems` that a check names, or what was `learned`."""

    error: StockwireError | None = None
    problems: tuple[str, ...] = ()
    learned: Any = None


async def _read(side: Side) -> list[Element]:
    assert side.running.spec.reader is not None
    return await side.running.spec.reader("c", side.settings, side.http).read(example_of(side.running.name)["item"])


async def _page(side: Side) -> list[Element]:
    assert side.running.spec.pagers is not None
    pagers = side.running.spec.pagers("c", side.settings, side.http)
    assert pagers
    found = []
    for what, pager in pagers.items():
        found += (await pager.page(Cursor(connection="c", what=what, due_ms=0, sweep="s"))).elements
    return found


async def _tell(side: Side) -> int | None:
    assert side.running.spec.sink is not None
    sink = side.running.spec.sink("c", side.settings, side.http)
    call = sink.call_for(level_of(example_of(side.running.name)["sku"], "2.5"), Decimal(0))
    assert call is not None
    return (await sink.send(call)).status


async def _tell_many(side: Side) -> tuple[set[int], dict[int, str], set[int]]:
    return await portion(side, [(example_of(side.running.name)["sku"], "2.5"), (UNKNOWN_SKU, "1")])


async def portion(side: Side, told: list[tuple[str, str]]) -> tuple[set[int], dict[int, str], set[int]]:
    """One call about these SKUs, each with the same number in every store: rows missing, refused, and to be sent again."""
    assert side.running.spec.bulk is not None
    bulk = side.running.spec.bulk(side.running.context, side.settings, side.http)
    places = side.running.context.stores
    rows = [bulk.row_for(msgspec.structs.replace(level_of(sku, n), parts=dict.fromkeys(places, Decimal(n)))) for sku, n in told]
    judged = await bulk.send(rows)
    return set(judged.missing), dict(judged.refused), set(judged.again)


async def _register(side: Side) -> tuple[str, ...]:
    assert side.running.spec.register is not None
    return (await side.running.spec.register(side.running.context, side.settings, side.http, dry_run=False)).differences


async def _sellers(side: Side) -> list[str]:
    assert side.running.spec.seller_ids is not None
    return await side.running.spec.seller_ids("c", side.settings, side.http)


async def _check(side: Side) -> list[str]:
    return await side.running.spec.check(side.running.context, side.settings, side.http)


OUTGOING: dict[str, Callable[[Side], Awaitable[Any]]] = {
    "reader": _read,
    "pagers": _page,
    "sink": _tell,
    "bulk": _tell_many,
    "register": _register,
    "seller_ids": _sellers,
    "check": _check,
}
WRITES = ("sink", "bulk", "register")


def all_outgoing(*wanted: str) -> list[tuple[str, str]]:
    """Every (system, capability) that there is."""
    return [(name, one) for name in sorted(SYSTEMS) for one in OUTGOING if (not wanted or one in wanted) and has(name, one)]


async def attempt(running: Running, capability: str, settings: Any = None) -> Attempt:  # noqa: ANN401  # of its system
    """Do it once, with a client of its own: nothing is known from before."""
    settings = settings or running.settings
    async with client_of(running.spec, settings) as http:
        try:
            learned = await OUTGOING[capability](Side(running, settings, http))
        except StockwireError as error:
            return Attempt(error)
    if capability == "check":
        return Attempt(problems=tuple(learned))
    return Attempt(learned=said(running, learned) if capability in {"reader", "pagers"} else learned)


def said(running: Running, elements: list[Element]) -> list[Said]:
    """What each element says, by key; of one that is parked, that it is."""
    translate = translate_of(running.name, running.settings)
    found: list[Said] = []
    for element in elements:
        try:
            found.append((element.key, translate(element.value, element.inbound)))
        except PoisonError:
            found.append((element.key, "parked"))
    return found


async def ready(running: Running, capability: str) -> None:
    """What must be there before: a check finds no fault with us only once we are registered."""
    if capability == "check" and running.spec.register is not None:
        await running.spec.register(running.context, running.settings, running.http, dry_run=False)


async def state(running: Running, capability: str) -> Any:  # noqa: ANN401  # any JSON
    """What the remote has, as far as the capability can change it."""
    if capability != "register":
        return await running.admin("truth")
    assert running.spec.register is not None
    return (await running.spec.register(running.context, running.settings, running.http, dry_run=True)).differences


def level_of(sku: str, number: str, sequence: int = 1) -> Level:
    return Level(connection="c", sku=sku, sequence=sequence, level=Decimal(number), total=Decimal(number))
