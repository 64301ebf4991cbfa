"""Every metric of every process, in one closed table; nothing else creates metrics.

A name begins with a noun, then a verb in the past, then the unit; labels are few and bounded (an agent, a topic, a
connection: never a SKU, an order or a key). Prometheus sees each name with `stockwire_` in front.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

from models.agent import Count

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LONG_SECONDS = (0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 14_400, 86_400)
UNITS = (0, 1, 2, 5, 10, 20, 50, 100, 1_000)


class Metric(NamedTuple):
    """`kind` is `counter` (counted up), `gauge` (set) or `histogram` (observed, in seconds unless `buckets` says otherwise)."""

    kind: type[Counter | Gauge | Histogram]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS


METRICS: dict[str, Metric] = {
    # The engine.
    "records_finished_total": Metric(Counter, "Source records whose effects are all acknowledged.", ("agent",)),
    "records_replayed_total": Metric(Counter, "Records decided again that their row had already seen.", ("agent",)),
    "records_skipped_total": Metric(Counter, "Tombstones of compacted topics: nothing to decide.", ("agent",)),
    "unknown_members_ignored_total": Metric(Counter, "JSON members that our types do not name: a newer writer, or a slip.", ("agent",)),
    "batches_finished_total": Metric(Counter, "Fetched batches whose effects are all acknowledged.", ("agent",)),
    "batch_finished_seconds": Metric(Histogram, "From the start of a batch to its last acknowledgement.", ("agent",)),
    "dead_letters_written_total": Metric(Counter, "Records parked in dead.v1.", ("agent", "error")),
    "lanes_abandoned_total": Metric(Counter, "Records given back unfinished when partitions moved or the process stopped.", ("agent",)),
    "ticks_written_total": Metric(Counter, "Timers: Tick records written to an own partition.", ("agent",)),
    "table_rows": Metric(Gauge, "Rows held in memory.", ("table",)),
    "changelog_written_bytes_total": Metric(Counter, "Row values written to a changelog.", ("table",)),
    "stale_rows_rejected_total": Metric(Counter, "Changelog rows of an earlier owner that lost against newer ones.", ("table",)),
    "recovery_finished_seconds": Metric(Histogram, "From an assignment of partitions to work on them.", ()),
    "rebalances_finished_total": Metric(Counter, "Assignments of partitions to this process.", ()),
    # Translating what came in.
    "inbound_ignored_total": Metric(Counter, "Elements that mean nothing to us, by what they say.", ("connection", "event")),
    "stock_move_delay_seconds": Metric(Histogram, "From a move's stamp, on our clock, until we had it.", ("connection",)),
    "source_clock_offset_seconds": Metric(Gauge, "How far the source's clock is ahead of ours.", ("connection",)),
    "source_clock_width_seconds": Metric(Gauge, "How exactly that is known.", ("connection",)),
    "source_clock_steps_total": Metric(Counter, "Times that the source's clock was set to another time.", ("connection",)),
    # Stock: the warehouse side.
    "stock_moves_total": Metric(Counter, "Moves, by what their time says of the last reading.", ("connection", "verdict")),
    "stock_readings_total": Metric(Counter, "Readings, by what became of them.", ("connection", "verdict")),
    "stock_low_gap": Metric(Histogram, "Units in doubt after a reading or an unclear move.", ("connection",), UNITS),
    "stock_unclear_seconds": Metric(Histogram, "How long a reading was wanted, until a clean one came.", ("connection",), LONG_SECONDS),
    "stock_row_moves": Metric(Histogram, "Moves remembered beside a reading.", ("connection",), UNITS),
    "stock_row_folded_total": Metric(Counter, "Moves forgotten for lack of room.", ("connection",)),
    "stock_drift_units": Metric(Histogram, "Units a reading was off that no late move explained: lost webhooks.", ("connection",), UNITS),
    # Stock: the channel side.
    "own_line_open_seconds": Metric(Histogram, "How long an own order line was open.", ("connection",), LONG_SECONDS),
    "own_line_uncovered_units": Metric(Histogram, "Units of open lines that no own move covers.", ("connection",), UNITS),
    "own_move_covers_total": Metric(Counter, "Own moves, by how far open lines explain them.", ("connection", "result")),
    "stock_hold_units": Metric(Histogram, "Units of a raise that waits for late moves.", ("connection",), UNITS),
    "channel_audit_total": Metric(Counter, "Looks at a channel's own number, by their result.", ("connection", "result")),
    "channel_drift_units": Metric(Histogram, "Units a store of a quiet channel was off when it was read.", ("connection", "store"), UNITS),
    "channel_told_total": Metric(Counter, "Numbers told to a channel.", ("connection",)),
    "replayed_records_total": Metric(Counter, "Stock facts that their row had already: told again, word for word.", ("connection",)),
    # The sender.
    "channel_outcomes_said_total": Metric(Counter, "Levels, by what became of them at their channel.", ("connection", "outcome")),
    "channel_calls_failed_total": Metric(Counter, "Calls that must be made again, by what that needs.", ("connection", "error")),
    # The receiver, fetch and poll.
    "deliveries_answered_total": Metric(Counter, "Requests to /hooks/, by what became of them.", ("connection", "outcome")),
    "deliveries_stored_seconds": Metric(Histogram, "From the oldest delivery of a batch to Kafka's acknowledgement.", ()),
    "deliveries_held_bytes": Metric(Gauge, "Bodies that are coming in or wait for Kafka.", ()),
    "reads_failed_total": Metric(Counter, "Reads of items and pages that must be made again, by what that needs.", ("connection", "error")),
}


def count(counted: Count) -> None:
    """Count up a counter, set a gauge, or observe a histogram. An unknown name or wrong labels are a bug: KeyError, ValueError."""
    _recorder(counted.metric, counted.labels)(counted.value)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


@cache
def _metric(name: str) -> Counter | Gauge | Histogram:
    metric = METRICS[name]
    if metric.kind is Histogram:
        return Histogram(name, metric.help, metric.labels, namespace="stockwire", buckets=metric.buckets)
    return metric.kind(name, metric.help, metric.labels, namespace="stockwire")


@cache
def _recorder(name: str, labels: tuple[str, ...]) -> Callable[[float], None]:
    metric = _metric(name)
    child = metric.labels(*labels) if labels else metric
    if isinstance(child, Counter):
        return child.inc
    if isinstance(child, Gauge):
        return child.set
    return child.observe
