"""How the bench runs its peers, reads the machine, and judges their outputs."""

import itertools
import os
import queue
import threading
from pathlib import Path

import msgspec
import pytest

from streams.bench import sums
from streams.bench.desk import Row
from streams.bench.figure import Figure
from streams.bench.ground import Ground, Peers, alone, peers_of
from streams.bench.jobs import engine
from streams.bench.profile import stage_of
from streams.bench.shelves import Shelves
from streams.bench.subject import RunFailedError, family, interpolate


def ground(said: list[str] | None = None, runs: int = 3) -> Ground:
    return Ground(bootstrap="nowhere", folder=Path(), say=(said if said is not None else []).append, runs=runs)


def figure(rate: float) -> Figure:
    return Figure(job="engine", subject="keyed sum", peer="x", rate=rate)


def test_peers_when_run_then_alternately_and_nobody_is_always_first() -> None:
    order: list[str] = []

    def peer(name: str) -> Figure:
        order.append(name)
        return figure(1.0)

    ground().alternately({"ours": lambda: peer("ours"), "bare": lambda: peer("bare")})

    assert order == ["ours", "bare", "bare", "ours", "ours", "bare"]


def test_run_when_output_is_wrong_then_it_does_not_count() -> None:
    results = iter([100.0, None, 300.0])
    said: list[str] = []

    def peer() -> Figure:
        rate = next(results)
        if rate is None:
            raise RunFailedError("3 wrong sums")
        return figure(rate)

    found = ground(said).alternately({"ours": peer})

    assert (found["ours"].rate, found["ours"].extra["runs"]) == (200.0, 2.0)
    assert any("3 wrong sums" in line for line in said)


def test_peer_when_no_run_is_right_then_not_in_the_answer() -> None:
    def peer() -> Figure:
        raise RunFailedError("ended")

    assert ground().alternately({"ours": peer}) == {}


def test_lock_when_free_then_nothing_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    with alone(said.append, tmp_path / "lock"):
        pass
    assert said == []


def test_lock_when_taken_then_says_so_and_waits(tmp_path: Path) -> None:
    lock, said = tmp_path / "lock", queue.Queue[str]()

    def second() -> None:
        with alone(said.put, lock):
            said.put("my turn")

    with alone(said.put, lock):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert "waiting" in said.get(timeout=5)
        assert said.empty()
    waiting.join(5)
    assert said.get(timeout=5) == "my turn"


def test_peers_when_not_named_then_not_measured(tmp_path: Path) -> None:
    assert peers_of({}) == Peers()
    assert peers_of({"BENCH_BIN": str(tmp_path), "BENCH_JARS": ""}) == Peers(bin=tmp_path)


@pytest.mark.parametrize(("moment", "expected"), [(0.0, 1.0), (10.0, 1.0), (15.0, 1.5), (20.0, 2.0), (25.0, 4.0), (99.0, 6.0)])
def test_cpu_when_asked_between_two_looks_then_in_proportion(moment: float, expected: float) -> None:
    assert interpolate([10.0, 20.0, 30.0], [1.0, 2.0, 6.0], moment) == expected


def test_family_when_read_then_this_process_is_in_it() -> None:
    assert family(os.getpid())[os.getpid()].rss_bytes > 1_000_000


def said(done: sums.Work) -> list[Row]:
    events = [msgspec.json.decode(one.value, type=sums.Delta) for one in done.feed]
    return [
        Row(0, number, 0.0, event.sku.encode(), msgspec.json.encode(sums.Sum(event.sku, event.seq, done.sums[number])))
        for number, event in enumerate(events)
    ]


def test_sums_when_all_are_right_then_accepted() -> None:
    done = sums.work(50, 5)
    sums.check(done, said(done))


@pytest.mark.parametrize("fault", ["missing", "twice", "wrong", "shuffled"])
def test_sums_when_something_is_wrong_then_refused(fault: str) -> None:
    done = sums.work(50, 5)
    rows = said(done)
    if fault == "missing":
        rows.pop()
    elif fault == "twice":
        rows.append(rows[0])
    elif fault == "wrong":
        rows[3] = rows[3]._replace(value=msgspec.json.encode(sums.Sum("SKU-0000001", 3, 10**9)))
    else:
        rows.reverse()

    with pytest.raises(RunFailedError):
        sums.check(done, rows)


def test_engine_bars_when_some_peers_are_missing_then_only_those_that_ran() -> None:
    warm = {engine.OURS: 10.0, engine.BARE: 4.0, engine.QUIX: 50.0}
    found = {name: msgspec.structs.replace(figure(1.0), extra={"warm_cpu_ms_per_1000": cpu}) for name, cpu in warm.items()}

    assert [(bar.value, bar.verdict) for bar in engine.bars(found)] == [(0.4, "ok"), (5.0, "ok")]
    assert engine.bars({engine.BARE: found[engine.BARE]}) == []


def test_stage_when_a_call_is_inside_another_then_the_innermost_known_counts() -> None:
    calls = [("/usr/lib/json.py", "dump"), ("/x/models/codec.py", "encode"), ("/x/streams/engine/effects.py", "Effects.groups")]

    assert stage_of(calls) == "encode"
    assert stage_of(calls[2:]) == "engine"
    assert stage_of(calls[:1]) == "other"
    assert stage_of([("/usr/lib/asyncio/tasks.py", "wait"), ("/x/agents/send/calls.py", "Calls.judged"), *calls]) == "decide"


def test_shelves_when_made_then_facts_of_one_item_are_far_apart_and_in_order() -> None:
    facts = list(Shelves(10, 4).facts())
    moments = [now_ms for sku, now_ms, _ in facts if sku == "SKU-0000003"]

    assert len(facts) == 40
    assert [after - before for before, after in itertools.pairwise(moments)] == [50_000] * 3
