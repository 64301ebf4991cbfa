"""(f) Memory: bytes per SKU in the worker and in the changelog, and what each role takes while nothing happens."""

import time
from contextlib import ExitStack
from typing import Any

from agents.stock.decide import decide
from models.agent import Record, View
from models.codec import encode
from streams.bench import shelves
from streams.bench.desk import PARTITIONS, Feed
from streams.bench.figure import Bar, Figure, Result
from streams.bench.ground import Ground
from streams.bench.installation import OUTLET, ROLES, WEB, Installation
from streams.bench.jobs.stock import make_topics
from streams.bench.programs.stock import Setup
from streams.bench.subject import RunFailedError, Subject

JOB, OURS = "memory", "stockwire"
SKUS, FACTS_PER_SKU = 50_000, 3
BYTES_PER_SKU = 1_000.0
QUIET_S = 5.0
NOWHERE = "http://127.0.0.1:9"


def run(ground: Ground) -> Result:
    """One run: memory hardly varies."""
    skus = ground.scaled(SKUS)
    rows = rows_of(skus)
    ground.say("a worker without rows, then with them")
    empty, full = _resident(ground, []), _resident(ground, rows)
    per_sku = (full - empty) / skus
    logged = sum(len(key) + len(value) for key, value, _ in rows) / skus
    table = Figure(
        job=JOB,
        subject="stock table",
        peer=OURS,
        rss_mb=full / 1e6,
        extra={
            "bytes_per_sku_in_memory": per_sku,
            "bytes_per_sku_in_changelog": logged,
            "skus": float(skus),
            "rss_mb_without_rows": empty / 1e6,
        },
    )
    bars = [
        Bar(job=JOB, what=f"bytes per SKU in {place}", value=value, wanted=BYTES_PER_SKU, at_least=False, aim=True)
        for place, value in (("memory", per_sku), ("the changelog", logged))
    ]
    return Result([table, *_idle(ground)], bars)


def rows_of(skus: int) -> list[Feed]:
    """The rows after a reading and two moves of each SKU, as the agent makes them: one warehouse, two channels."""
    rows: dict[str, Any] = {}
    for number, (sku, now_ms, fact) in enumerate(shelves.Shelves(skus, FACTS_PER_SKU).facts()):
        record = Record(
            topic="facts", partition=0, offset=number, sequence=number, time_ms=now_ms, key=sku, value=b"", headers={}, body=fact
        )
        decided = decide(View(key=sku, row=rows.get(sku), config=shelves.CONFIG, shared={}), record).row
        rows[sku] = rows[sku] if decided is None else decided
    return [Feed(sku.encode(), encode(row)) for sku, row in rows.items()]


def _resident(ground: Ground, rows: list[Feed]) -> int:
    """Bytes of a stock worker that has recovered `rows`."""
    with ground.desk() as desk:
        setup = Setup(bootstrap=ground.bootstrap, group=desk.name("stock"), partitions=PARTITIONS)
        desk.fill(make_topics(desk, setup.group), rows)
        with Subject.program("stock", setup, ground.folder) as subject:
            _wait_for_word("ready", subject)
            return _quiet(subject)


def _idle(ground: Ground) -> list[Figure]:
    with ground.desk() as desk, ExitStack() as stack:
        installed = Installation(desk, ground.folder, warehouse_url=NOWHERE, shop_urls={WEB: NOWHERE, OUTLET: NOWHERE})
        ground.say("each role, doing nothing")
        started = {role: stack.enter_context(installed.start(role)) for role in ROLES}
        before = {role: subject.usage().cpu_s for role, subject in started.items()}
        begun = time.monotonic()
        resident = {role: _quiet(subject) for role, subject in started.items()}
        took = time.monotonic() - begun
        return [_role(role, resident[role], (subject.usage().cpu_s - before[role]) / took) for role, subject in started.items()]


def _role(role: str, rss_bytes: int, cpus: float) -> Figure:
    return Figure(job=JOB, subject=f"idle {role}", peer=OURS, rss_mb=rss_bytes / 1e6, extra={"cpu_ms_per_s": cpus * 1000})


def _quiet(subject: Subject) -> int:
    """Resident bytes after it had time to finish its start."""
    time.sleep(QUIET_S)
    subject.check()
    return subject.usage().rss_bytes


def _wait_for_word(word: str, subject: Subject, *, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while word not in subject.words():
        subject.check()
        if time.monotonic() > end:
            raise RunFailedError(f"{subject.name} did not say {word!r} within {within_s:.0f} s")
        time.sleep(0.05)
