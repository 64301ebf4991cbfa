"""Results for people: one table per job, then its bars."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from streams.bench.figure import Bar, Figure, Result, rounded

COLUMNS = {"rate": "per\nsecond", "cpu_ms_per_1000": "CPU ms\nper 1000", "p50_ms": "p50\nms", "p99_ms": "p99\nms", "rss_mb": "RSS\nMB"}


def show(result: Result, console: Console) -> None:
    """Print everything that one job found."""
    for job in dict.fromkeys(figure.job for figure in result.figures):
        console.print(table(job, [figure for figure in result.figures if figure.job == job]))
    for bar in result.bars:
        console.print(f"  {sentence(bar)}", style="green" if bar.reached else "yellow", soft_wrap=True)
    for name in result.uncounted:
        console.print(f"  {name}: no run counts, for each ended early or gave a wrong output", style="red", soft_wrap=True)
    for note in result.notes:
        console.print(f"  {note}", soft_wrap=True)
    console.print()


def table(job: str, figures: Iterable[Figure]) -> Table:
    """The figures of one job: what all share stands in the title, what nobody has is left out, what only some have comes last."""
    shown = list(figures)
    names = {"subject": [figure.subject for figure in shown], "who": [figure.peer for figure in shown]}
    shared = [values[0] for values in names.values() if len(set(values)) == 1]
    heads = [name for name, values in names.items() if len(set(values)) > 1]
    used = {name: title for name, title in COLUMNS.items() if any(getattr(figure, name) is not None for figure in shown)}
    made = Table(title=": ".join([job, *shared]), title_justify="left", title_style="bold")
    for head in heads:
        made.add_column(head, no_wrap=True)
    for title in used.values():
        made.add_column(title, justify="right", no_wrap=True)
    made.add_column("more", no_wrap=True)
    for place, figure in enumerate(shown):
        more = "\n".join(f"{name.replace('_', ' ')} {text(value)}" for name, value in figure.extra.items())
        made.add_row(*(names[head][place] for head in heads), *(text(getattr(figure, name)) for name in used), more)
    return made


def sentence(bar: Bar) -> str:
    """The bar in words."""
    side = "at least" if bar.at_least else "at most"
    return f"{bar.verdict:6}  {bar.what}: {text(bar.value)} ({'aim' if bar.aim else 'bar'}: {side} {text(bar.wanted)})"


def text(value: float | None) -> str:
    """A number with as many digits as mean something."""
    number = rounded(value)
    return "" if number is None else f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.4g}"  # noqa: PLR2004  # from here on the point says nothing
