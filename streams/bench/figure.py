"""What a bench finds: figures of subjects, medians of their runs, and bars, which are ratios between them."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

NUMBERS = ("rate", "cpu_ms_per_1000", "p50_ms", "p99_ms", "rss_mb")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one peer at one subject, or the median of several.

    `rate` is per second; `cpu_ms_per_1000` is of all processes of the peer, per 1000 events. None: does not apply.
    `extra` holds further numbers, which stand at the end of a line.
    """

    job: str
    subject: str
    peer: str
    rate: float | None = None
    cpu_ms_per_1000: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    rss_mb: float | None = None
    extra: Mapping[str, float | None] = {}


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Something that we want to reach: `value` at least, or at most, `wanted`. An aim is a bar that may be missed."""

    job: str
    what: str
    value: float
    wanted: float
    at_least: bool = True
    aim: bool = False

    @property
    def reached(self) -> bool:
        """Whether the value is on the right side."""
        return self.value >= self.wanted if self.at_least else self.value <= self.wanted

    @property
    def verdict(self) -> str:
        """In one word."""
        return "ok" if self.reached else "missed"


class Result(msgspec.Struct, frozen=True):
    """Everything that one job found. `uncounted`: who has no right run, so that nothing can be said of it."""

    figures: Sequence[Figure]
    bars: Sequence[Bar] = ()
    notes: Sequence[str] = ()
    uncounted: Sequence[str] = ()


def median(runs: Sequence[Figure]) -> Figure:
    """Each number is the median of that number in `runs`; `extra["runs"]` says how many there were."""
    first = runs[0]
    numbers = {name: _median([getattr(run, name) for run in runs]) for name in NUMBERS}
    extra = {name: _median([run.extra.get(name) for run in runs]) for name in first.extra}
    return msgspec.structs.replace(first, **numbers, extra={**extra, "runs": float(len(runs))})


def ratio(ours: float | None, other: float | None) -> float | None:
    """`ours / other`; None if one of them is unknown."""
    return None if ours is None or not other else ours / other


def line(figure: Figure) -> dict[str, Any]:
    """The figure as one flat JSON object, null where a number does not apply."""
    numbers = {name: rounded(getattr(figure, name)) for name in NUMBERS}
    more = {name: rounded(value) for name, value in figure.extra.items()}
    return {"job": figure.job, "subject": figure.subject, "peer": figure.peer, **numbers, **more}


def bar_line(bar: Bar) -> dict[str, Any]:
    """The bar as plain data."""
    return {
        "what": bar.what,
        "value": rounded(bar.value),
        "wanted": f"{'at least' if bar.at_least else 'at most'} {bar.wanted:g}",
        "aim": bar.aim,
        "verdict": bar.verdict,
    }


def rounded(value: float | None) -> float | None:
    """Four digits that mean something are more than a shared machine gives."""
    return None if value is None else float(f"{value:.4g}")


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the `ordered` ones lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
