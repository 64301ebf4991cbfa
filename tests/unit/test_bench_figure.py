"""The arithmetic of the bench, and how it is shown."""

import io

import msgspec
import pytest
from rich.console import Console

from models.codec import encode
from streams.bench import report
from streams.bench.figure import Bar, Figure, Result, bar_line, line, median, quantile, ratio


def run(rate: float, cpu: float | None = None, **extra: float | None) -> Figure:
    return Figure(job="engine", subject="keyed sum", peer="stockwire", rate=rate, cpu_ms_per_1000=cpu, extra=extra)


def test_median_when_runs_differ_then_each_number_has_its_own() -> None:
    found = median([run(100, 9.0, start_s=1.0), run(300, 7.0, start_s=3.0), run(200, 8.0, start_s=2.0)])

    assert (found.rate, found.cpu_ms_per_1000, found.p99_ms) == (200, 8.0, None)
    assert found.extra == {"start_s": 2.0, "runs": 3.0}


def test_median_when_a_number_is_unknown_in_one_run_then_the_others_count() -> None:
    assert median([run(100, None), run(100, 7.0), run(100, 9.0)]).cpu_ms_per_1000 == 8.0


@pytest.mark.parametrize(
    ("value", "at_least", "verdict"), [(0.34, True, "ok"), (0.33, True, "missed"), (2.5, False, "missed"), (1 / 3, False, "ok")]
)
def test_bar_when_value_is_on_the_right_side_then_ok(value: float, at_least: bool, verdict: str) -> None:  # noqa: FBT001
    assert Bar(job="engine", what="x", value=value, wanted=1 / 3, at_least=at_least).verdict == verdict


def test_ratio_when_something_is_unknown_then_none() -> None:
    assert [ratio(6.0, 3.0), ratio(None, 3.0), ratio(6.0, None), ratio(6.0, 0.0)] == [2.0, None, None, None]


def test_quantile_when_few_values_then_the_last_one_at_most() -> None:
    assert [quantile([1.0, 2.0, 3.0], share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 2.0, 3.0, 3.0]


def test_line_when_written_then_the_agreed_names_come_first_and_nulls_stay() -> None:
    written = encode(line(run(123_456.0, 11.2345, events=5.0)))

    assert written == (
        b'{"job":"engine","subject":"keyed sum","peer":"stockwire","rate":123500.0,"cpu_ms_per_1000":11.23,'
        b'"p50_ms":null,"p99_ms":null,"rss_mb":null,"events":5.0}'
    )


def test_bar_line_when_written_then_it_says_what_was_wanted() -> None:
    bar = Bar(job="e2e", what="p50", value=1.9, wanted=2.0, at_least=False, aim=True)

    assert bar_line(bar) == {"what": "p50", "value": 1.9, "wanted": "at most 2", "aim": True, "verdict": "ok"}


def test_report_when_shown_then_unused_columns_are_left_out_and_every_bar_has_its_verdict() -> None:
    bars = [Bar(job="engine", what="beside bare", value=0.25, wanted=1 / 3)]
    written = io.StringIO()

    report.show(Result([run(1234.5, events=7.0)], bars, ["a note"], ["Quix"]), Console(file=written, width=120))

    shown = written.getvalue()
    assert all(part in shown for part in ("keyed sum", "1,234", "events 7", "missed  beside bare: 0.25 (bar: at least 0.3333)", "a note"))
    assert "Quix: no run counts" in shown
    assert "p99" not in shown


def test_figure_when_read_back_then_the_same() -> None:
    assert msgspec.json.decode(encode(run(1.0, 2.0)), type=Figure) == run(1.0, 2.0)
