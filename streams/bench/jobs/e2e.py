"""(e) From a webhook to the call at the shop, 50 per second, through all our processes, beside a bare pipeline of two hops.

Ours: receiver, translate, stock and send agents, and the poller behind them. The bare one: receive, sum, call.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import msgspec
import uvloop
from aiohttp import web

from streams.bench import hooks, hops
from streams.bench.desk import Desk
from streams.bench.figure import Bar, Figure, Result, quantile, ratio
from streams.bench.ground import Ground
from streams.bench.installation import HOOK_SECRET, OUTLET, ROLES, SELLERS, SHOP_SECRET, WAREHOUSE, Installation, wait_ready
from streams.bench.subject import RunFailedError, Subject
from streams.demo.world import free_port
from streams.systems import discover

JOB, SUBJECT = "e2e", "webhook to call, 50/s"
OURS, BARE = "stockwire", "bare, two hops"
PER_S, EVENTS, WARM_EVENTS = 50, 1_000, 150
P50_TIMES, P99_TIMES = 2.0, 2.5
ARRIVED_WITHIN_S, FILLED_WITHIN_S, CALM_S = 15.0, 60.0, 5.0
FIRST_STOCK, DELTA = 100, -1


class Chain(NamedTuple):
    """A pipeline that runs. `send(number)` posts an event; `calls[number]` are the moments and numbers of its calls."""

    subjects: Sequence[Subject]
    send: Callable[[int], Awaitable[None]]
    calls: Mapping[int, list[tuple[float, float]]]
    expected: float


def run(ground: Ground) -> Result:
    """Measure ours and the bare pipeline."""
    peers: dict[str, Callable[[], Figure]] = {
        OURS: lambda: uvloop.run(_run(ground, OURS, _ours)),
        BARE: lambda: uvloop.run(_run(ground, BARE, _bare)),
    }
    found = ground.alternately(peers)
    return Result(list(found.values()), bars(found), [], [name for name in peers if name not in found])


def bars(found: Mapping[str, Figure]) -> list[Bar]:
    """Latency, as a multiple of the bare pipeline's."""
    if OURS not in found or BARE not in found:
        return []
    ours, bare = found[OURS], found[BARE]
    pairs = (("p50", ratio(ours.p50_ms, bare.p50_ms), P50_TIMES), ("p99", ratio(ours.p99_ms, bare.p99_ms), P99_TIMES))
    what = "times that of the bare pipeline"
    return [
        Bar(job=JOB, what=f"{name}, {what}", value=value, wanted=most, at_least=False) for name, value, most in pairs if value is not None
    ]


async def _run(ground: Ground, peer: str, make: Callable[[Ground, Desk, AsyncExitStack], Awaitable[Chain]]) -> Figure:
    events = ground.scaled(EVENTS)
    with ground.desk() as desk:
        async with AsyncExitStack() as stack:
            chain = await make(ground, desk, stack)
            await _send(chain, range(WARM_EVENTS))
            before = sum(subject.usage().cpu_s for subject in chain.subjects)
            sent = await _send(chain, range(WARM_EVENTS, WARM_EVENTS + events))
            used = sum(subject.usage().cpu_s for subject in chain.subjects) - before
            latencies = sorted(_latency_ms(chain, number, moment) for number, moment in sent.items())
            resident = sum(subject.rss_bytes for subject in chain.subjects)
    return Figure(
        job=JOB,
        subject=SUBJECT,
        peer=peer,
        rate=float(PER_S),
        cpu_ms_per_1000=used * 1e6 / events,
        p50_ms=quantile(latencies, 0.5),
        p99_ms=quantile(latencies, 0.99),
        rss_mb=resident / 1e6,
        extra={"events": float(events), "max_ms": latencies[-1]},
    )


async def _send(chain: Chain, numbers: Sequence[int]) -> dict[int, float]:
    """Post one event after the other in time, whatever becomes of those before; returns when all calls have come."""
    loop, sent = asyncio.get_running_loop(), dict[int, float]()
    begin = loop.time()

    async def one(turn: int, number: int) -> None:
        await asyncio.sleep(begin + turn / PER_S - loop.time())
        sent[number] = time.perf_counter()
        await chain.send(number)

    await asyncio.gather(*(one(turn, number) for turn, number in enumerate(numbers)))
    await _until(lambda: all(number in chain.calls for number in numbers), ARRIVED_WITHIN_S, "calls for all events")
    for subject in chain.subjects:
        subject.check()
    return sent


def _latency_ms(chain: Chain, number: int, sent: float) -> float:
    """Of an event's one call, which must say the right number. Raises `RunFailedError`."""
    calls = chain.calls[number]
    if len(calls) != 1 or calls[0][1] != chain.expected:
        raise RunFailedError(f"event {number}: expected one call that says {chain.expected}, got {[said for _, said in calls]}")
    return (calls[0][0] - sent) * 1000


async def _until(reached: Callable[[], bool], within_s: float, what: str) -> None:
    end = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > end:
            raise RunFailedError(f"no {what} within {within_s:.0f} s")
        await asyncio.sleep(0.1)


# The bare pipeline


async def _bare(ground: Ground, desk: Desk, stack: AsyncExitStack) -> Chain:
    calls: dict[int, list[tuple[float, float]]] = defaultdict(list)

    async def called(request: web.Request) -> web.Response:
        moment = time.perf_counter()
        command = msgspec.json.decode(await request.read(), type=hops.Command)
        calls[command.id].append((moment, float(command.sum)))
        return web.json_response({"success": True})

    app = web.Application()
    app.router.add_post("/", called)
    target = await stack.enter_async_context(_served(app))
    events, commands, log = (desk.topic(desk.name(name)) for name in ("events", "commands", "log"))
    port = free_port()
    receiver = stack.enter_context(
        Subject.program("hook_bare", hooks.Setup(bootstrap=desk.bootstrap, port=port, topic=events), ground.folder)
    )
    between = {"hop_table": (events, commands), "hop_send": (commands, f"{target}/")}
    setups = {
        name: hops.Setup(bootstrap=desk.bootstrap, group=desk.name(name), source=source, target=onward, log=log)
        for name, (source, onward) in between.items()
    }
    subjects = [receiver, *(stack.enter_context(Subject.program(name, setup, ground.folder)) for name, setup in setups.items())]
    await asyncio.to_thread(wait_ready, port, receiver)
    http = await stack.enter_async_context(aiohttp.ClientSession())
    url = f"http://127.0.0.1:{port}/hook"

    async def send(number: int) -> None:
        body: dict[str, Any] = {"id": number, "sku": f"SKU-{number}", "delta": FIRST_STOCK + DELTA, "pad": ""}
        await _post(http, url, hooks.filled(body, body, "pad", hooks.BODY_BYTES))

    return Chain(subjects, send, calls, float(FIRST_STOCK + DELTA))


# Ours


async def _ours(ground: Ground, desk: Desk, stack: AsyncExitStack) -> Chain:
    calls: dict[int, list[tuple[float, float]]] = defaultdict(list)
    items = [f"SKU-{number}" for number in range(WARM_EVENTS + ground.scaled(EVENTS))]
    warehouse_url = await stack.enter_async_context(_served(discover()["thetis"].simulator(_warehouse(items))))
    shop = discover()["shop"].simulator({"mode": "absolute", "secrets": [SHOP_SECRET]})
    shop.middlewares.insert(0, _recorder(calls))
    shop_url = await stack.enter_async_context(_served(shop))
    installed = await asyncio.to_thread(
        Installation, desk, ground.folder, warehouse_url=warehouse_url, shop_urls={OUTLET: f"{shop_url}/stockwire"}
    )
    subjects = [stack.enter_context(await asyncio.to_thread(installed.start, role)) for role in ROLES]
    await _until(lambda: len(calls) == len(items), FILLED_WITHIN_S, "opening numbers of all items")
    await asyncio.sleep(CALM_S)  # moves so soon after a reading would be in doubt
    calls.clear()
    http = await stack.enter_async_context(aiohttp.ClientSession())
    async with http.get(f"{warehouse_url}/admin/items") as answer:
        ids: dict[str, Any] = await answer.json()
    url = f"http://127.0.0.1:{installed.ports['receiver']}/hooks/{WAREHOUSE}/{HOOK_SECRET}"

    async def send(number: int) -> None:
        await _post(http, url, hooks.thetis_body(f"move-{number}", int(ids[f"SKU-{number}"]), DELTA))

    return Chain(subjects, send, calls, float(FIRST_STOCK + DELTA))


def _warehouse(items: Sequence[str]) -> dict[str, Any]:
    sellers = [{"id": identifier, "number": name.upper()} for name, identifier in SELLERS.items()]
    return {"items": [{"sku": sku, "available": FIRST_STOCK} for sku in items], "sellers": sellers}


class _Data(msgspec.Struct, frozen=True):
    sku: str
    quantity: float


class _Call(msgspec.Struct, frozen=True):
    data: _Data


def _recorder(calls: dict[int, list[tuple[float, float]]]) -> Any:  # noqa: ANN401  # aiohttp's middleware
    @web.middleware
    async def record(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        moment = time.perf_counter()
        if request.path == "/stockwire":
            told = msgspec.json.decode(await request.read(), type=_Call).data
            calls[int(told.sku.removeprefix("SKU-"))].append((moment, told.quantity))
        return await handler(request)

    return record


async def _post(http: aiohttp.ClientSession, url: str, body: bytes) -> None:
    async with http.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
        if not answer.ok:
            raise RunFailedError(f"an event was answered {answer.status}")


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    """The address at which the application is served."""
    runner, port = web.AppRunner(app, access_log=None), free_port()
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
