"""`stockwire explain`: why a number is what it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from agents.explain import words
from agents.explain.step import Begin, End, Step
from streams.cli import options
from streams.cli.failed import FailedError
from streams.explain import Progress, Story, explain_sku
from streams.read import moment
from streams.settings import Settings


@click.group("explain")
def command() -> None:
    """Why a number is what it is."""


@command.command()
@click.argument("sku", metavar="SKU")
@click.option("--since", metavar="TIME", help="Only since then: 15m, 2h, 1d ago, or 2026-01-31T08:00:00Z. Default: all that is kept.")
@click.option("--channel", metavar="NAME", help="Only what concerns this channel.")
@options.settings
@options.as_json
def sku(sku: str, since: str | None, channel: str | None, settings: Settings, *, json: bool) -> None:
    """The story of the number of SKU, record by record: what came, what it did, what was told to whom and what became of it.

    Reads only the SKU's partition, outside any consumer group, and decides again as the worker did. Times are UTC.
    """
    if channel is not None and channel not in {route.channel for route in settings.stock}:
        raise click.UsageError(f"--channel {channel!r}: no [[stock]] route leads to it")
    try:
        since_ms = None if since is None else moment(since)
    except ValueError as error:
        raise click.UsageError(f"--since: {error}") from error
    with _progress() as progress:
        story = explain_sku(settings, sku, since_ms=since_ms, channel=channel, progress=progress)
    if json:
        for line in (story.begin, *story.steps, story.end):
            options.line(line)
    else:
        _draw(story, since_ms, Console(highlight=False, markup=False))
    if story.end.row is None and not story.steps:
        raise FailedError(
            f"{sku}: no record of it from offset {story.begin.first_offset} on, and the table does not have it; is it spelt right?"
        )


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar with records per second on the terminal's error channel; it vanishes at the end."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _topic, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed())
    with Bar(*columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(topic: str, done: int, total: int) -> None:
            if topic not in tasks:
                tasks[topic] = bar.add_task(topic, total=total)
            bar.update(tasks[topic], completed=done)

        yield show


class _Speed(ProgressColumn):
    """Records per second."""

    def render(self, task: "object") -> Text:
        speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None)
        return Text("" if speed is None else f"{speed:,.0f} records/s", style="cyan")


def _draw(story: Story, since_ms: int | None, console: Console) -> None:
    begin, end = story.begin, story.end
    console.print(_heading(begin))
    for note in begin.notes:
        console.print(Text(f"! {note}", style="yellow"))
    if not story.steps:
        since = "" if since_ms is None else f" since {words.date(since_ms)}"
        console.print(Text(f"Nothing happened to it{since}.", style="dim"))
    else:
        console.print(_timeline(story.steps))
    console.print(_standing(end))
    for text in words.agreement(end):
        console.print(Text(text, style="green" if end.agrees == "yes" else "yellow" if end.agrees == "behind" else "bold red"))


def _heading(begin: Begin) -> Text:
    text = Text(f"The story of {begin.sku}", style="bold")
    first, end = begin.first_offset, begin.end_offset
    offsets = f"offsets {first} to {end - 1}" if first < end else f"nothing from offset {first} on"
    return text.append(f"   {begin.topic}-{begin.partition}, {offsets}", style="dim")


def _timeline(steps: tuple[Step, ...]) -> Table:
    """When, where in the topic, what; a line between the days."""
    table = Table.grid(padding=(0, 2))
    table.add_column("time", style="cyan", no_wrap=True)
    table.add_column("offset", style="dim", justify="right", no_wrap=True)
    table.add_column("what")
    day = ""
    for step, again in words.folded(steps):
        at = datetime.fromtimestamp(step.time_ms / 1000, UTC)
        if f"{at:%Y-%m-%d}" != day:
            day = f"{at:%Y-%m-%d}"
            table.add_row(Text(day, style="bold"), "", "")
        table.add_row(words.moment(step.time_ms), str(step.offset), _what(step, again))
    return table


def _what(step: Step, again: list[Step]) -> Group:
    first, *more = words.sentences(step)
    if again:
        more.append(words.again_text(again))
    lines = [Padding(Text(line, style=_style(line)), (0, 0, 0, 2)) for line in more]
    return Group(Text(first, style="bold" if step.row is not None else "dim"), *lines)


def _style(line: str) -> str:
    if "REFUSED" in line or line.startswith(("cannot be used", "differs")):
        return "red"
    return "green" if line.startswith("told") else ""


def _standing(end: End) -> Tree:
    tree = Tree(Text("The row as it stands", style="bold"))
    for name, lines in words.standing(end):
        branch = tree.add(Text(name, style="cyan"))
        for line in lines:
            branch.add(Text(line))
    return tree
