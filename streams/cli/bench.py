"""`stockwire bench`: how fast it is here, beside bare programs of the same language and, where given, beside others."""

import importlib
import os
import signal
import tempfile
from pathlib import Path

import click
from rich.console import Console

from streams.bench import figure, report
from streams.bench.ground import Ground, alone, peers_of
from streams.broker import RealBroker
from streams.cli import options
from streams.cli.failed import FailedError

JOBS = ("engine", "stock", "recovery", "receiver", "e2e", "memory", "catalogue")


@click.command("bench")
@click.argument("jobs", metavar="[JOB]...", nargs=-1, type=click.Choice(JOBS))
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Of each; medians are shown.")
@click.option("--quick", is_flag=True, help="A tenth of the work, to see that it runs; the figures mean little.")
@click.option("--profile", is_flag=True, help="engine, stock, catalogue: also say where the time goes.")
@options.as_json
def command(jobs: tuple[str, ...], runs: int, *, quick: bool, profile: bool, json: bool) -> None:
    """Measure engine, stock, recovery, receiver, e2e, memory, catalogue (default: all), on a Kafka broker of its own.

    Every subject beside a bare program that does the same job, alternately. Wrong output does not count. CPU is that of
    all processes of a subject. Ratios say something on any machine, rates only on a quiet one. With programs of others:
    BENCH_PEERS (their folder), BENCH_BIN (Bento, Go), BENCH_JARS (Kafka Streams), BENCH_PYTHON (with quixstreams).
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends running event loops in order
    uncounted: list[str] = []
    console, progress = Console(highlight=False), Console(stderr=True, highlight=False, style="dim")
    with alone(progress.print), tempfile.TemporaryDirectory(prefix="stockwire-bench-") as name, RealBroker(Path(name) / "kafka") as broker:
        for job in dict.fromkeys(jobs or JOBS):
            ground = Ground(
                bootstrap=broker.bootstrap,
                folder=Path(name),
                say=lambda text, job=job: progress.print(f"{job}: {text}", markup=False, soft_wrap=True),  # type: ignore[misc]  # mypy cannot infer a default
                runs=runs,
                quick=quick,
                profile=profile,
                peers=peers_of(os.environ),
            )
            result = importlib.import_module(f"streams.bench.jobs.{job}").run(ground)
            uncounted += [f"{job}: {peer}" for peer in result.uncounted]
            if json:
                _lines(result)
            else:
                report.show(result, console)
    if uncounted:
        raise FailedError(f"no run counts of: {', '.join(uncounted)}")


def _lines(result: figure.Result) -> None:
    """The bars of a job stand at its first figure, which is ours."""
    for number, found in enumerate(result.figures):
        bars = {"bars": [figure.bar_line(bar) for bar in result.bars]} if number == 0 and result.bars else {}
        options.line({**figure.line(found), **bars})
