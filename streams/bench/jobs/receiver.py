"""(d) The receiver on job J1: 1 kB over 64 connections, with authentication and headers, 2xx only after acks=all."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import uvloop

from models import topics
from streams.bench import hooks
from streams.bench.desk import Desk
from streams.bench.figure import Bar, Figure, Result, ratio
from streams.bench.ground import Ground
from streams.bench.installation import OUTLET, WAREHOUSE, WEB, Installation, wait_listening, wait_ready
from streams.bench.load import Load, load
from streams.bench.subject import RunFailedError, Subject
from streams.demo.world import free_port

JOB, SUBJECT = "receiver", "webhook 1 kB, 64 connections"
THETIS, SHOP, BARE, LIMIT = "stockwire, secret", "stockwire, HMAC", "aiohttp + aiokafka", "bare protocol"
BENTO, GO = "Bento", "Go + franz-go"
CONNECTIONS, SECONDS, WARM_S, GRACE_S = 64, 8.0, 2.0, 20.0
NOWHERE = "http://127.0.0.1:9"
BETTER = 1.5

Start = Callable[[Desk, int, str], Subject]
"""Starts a receiver at a port that writes into a topic; it is ready when it is returned."""


def run(ground: Ground) -> Result:
    """Measure all peers that are here."""
    peers: dict[str, Callable[[], Figure]] = {
        THETIS: lambda: _ours(ground, THETIS, WAREHOUSE, hooks.thetis()),
        SHOP: lambda: _ours(ground, SHOP, WEB, hooks.shop()),
        BARE: lambda: _other(ground, BARE, _program(ground, "hook_bare")),
        LIMIT: lambda: _other(ground, LIMIT, _program(ground, "hook_limit")),
    }
    executables = ground.peers.bin
    if executables and (executables / "j1franz").exists():
        peers[GO] = lambda: _other(ground, GO, _go(ground))
    if executables and (executables / "bento").exists() and ground.peers.programs:
        peers[BENTO] = lambda: _other(ground, BENTO, _bento(ground))
    found = ground.alternately(peers)
    return Result(list(found.values()), bars(found), [], [name for name in peers if name not in found])


def bars(found: Mapping[str, Figure]) -> list[Bar]:
    """Requests per CPU second as a multiple of Bento's, where it was measured, and of the bare program's."""
    made = []
    for ours in (name for name in (THETIS, SHOP) if name in found):
        for other, wanted, aim in ((BENTO, 1.0, False), (BENTO, BETTER, True), (BARE, 1.0, True)):
            times = ratio(found[other].cpu_ms_per_1000, found[ours].cpu_ms_per_1000) if other in found else None
            if times is not None:
                made.append(
                    Bar(job=JOB, what=f"{ours}: requests per CPU second, times those of {other}", value=times, wanted=wanted, aim=aim)
                )
        p99 = ratio(found[ours].p99_ms, found[BENTO].p99_ms) if BENTO in found else None
        if p99 is not None:
            made.append(Bar(job=JOB, what=f"{ours}: p99, times that of Bento", value=p99, wanted=1.0, at_least=False))
    return made


def _ours(ground: Ground, peer: str, connection: str, requests: Sequence[bytes]) -> Figure:
    with ground.desk() as desk:
        installed = Installation(desk, ground.folder, warehouse_url=NOWHERE, shop_urls={WEB: NOWHERE, OUTLET: NOWHERE})
        with installed.start("receiver") as subject:
            return _measure(ground, peer, desk, subject, installed.ports["receiver"], topics.inbound(connection), requests)


def _other(ground: Ground, peer: str, start: Start) -> Figure:
    with ground.desk() as desk:
        topic, port = desk.topic(desk.name("hooks")), free_port()
        with start(desk, port, topic) as subject:
            return _measure(ground, peer, desk, subject, port, topic, hooks.plain())


def _measure(ground: Ground, peer: str, desk: Desk, subject: Subject, port: int, topic: str, requests: Sequence[bytes]) -> Figure:  # noqa: PLR0913, PLR0917  # each once
    warm = _load(port, requests, WARM_S)
    before = subject.usage().cpu_s
    seen = _load(port, requests, SECONDS / 2 if ground.quick else SECONDS)
    used = subject.usage().cpu_s - before
    subject.check()
    answered, stored = taken(warm) + taken(seen), desk.count(topic)
    if answered != stored:
        raise RunFailedError(f"{answered} requests were answered 2xx, {stored} are stored")
    return Figure(
        job=JOB,
        subject=SUBJECT,
        peer=peer,
        rate=seen.rate,
        cpu_ms_per_1000=used * 1e6 / taken(seen),
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        rss_mb=subject.rss_bytes / 1e6,
    )


def taken(seen: Load) -> int:
    """How many were answered 2xx. Raises `RunFailedError` if any was not, for then something else was measured."""
    good = sum(count for status, count in seen.statuses.items() if 200 <= status < 300)  # noqa: PLR2004  # 2xx
    if not good or good != sum(seen.statuses.values()):
        raise RunFailedError(f"not all were answered 2xx: {seen.statuses}")
    return good


def _load(port: int, requests: Sequence[bytes], seconds: float) -> Load:
    async def within() -> Load:
        return await asyncio.wait_for(load("127.0.0.1", port, requests, connections=CONNECTIONS, seconds=seconds), seconds + GRACE_S)

    try:
        return uvloop.run(within())
    except (TimeoutError, OSError) as error:
        raise RunFailedError(f"the load did not end: {error!r}") from error


def _program(ground: Ground, module: str) -> Start:
    def start(desk: Desk, port: int, topic: str) -> Subject:
        subject = Subject.program(module, hooks.Setup(bootstrap=desk.bootstrap, port=port, topic=topic), ground.folder)
        wait_ready(port, subject)
        return subject

    return start


def _go(ground: Ground) -> Start:
    def start(desk: Desk, port: int, topic: str) -> Subject:
        subject = Subject("go", [f"{ground.peers.bin}/j1franz", str(port), topic, desk.bootstrap], ground.folder)
        wait_listening(port, subject)
        return subject

    return start


def _bento(ground: Ground) -> Start:
    def start(desk: Desk, port: int, topic: str) -> Subject:
        env = {"PORT": str(port), "OUT": topic, "BROKER": desk.bootstrap}
        subject = Subject("bento", [f"{ground.peers.bin}/bento", "-c", f"{ground.peers.programs}/bento/j1.yaml"], ground.folder, env=env)
        wait_listening(port, subject)
        return subject

    return start
