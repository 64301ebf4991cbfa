"""What the demo looks like: a live picture in a terminal, plain lines elsewhere."""

import time
from decimal import Decimal
from typing import Self

import msgspec
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

BAR_WIDTH = 16


class Shelf(msgspec.Struct):
    """One SKU: what the warehouse really has available, what each channel may sell of it and what it shows."""

    sku: str
    available: Decimal
    due: dict[str, Decimal]
    shown: dict[str, Decimal]

    def agrees(self, name: str) -> bool:
        """Whether this channel shows the right number."""
        return self.shown.get(name) == self.due[name]


class Board(msgspec.Struct):
    """Everything the picture is drawn from. `story` is what has been said; `roles` maps a role to (pid or None, starts)."""

    channels: list[str]
    started: float = msgspec.field(default_factory=time.monotonic)
    chapter: str = "Getting ready"
    story: list[str] = []
    shelves: list[Shelf] = []
    roles: dict[str, tuple[int | None, int]] = {}
    counts: dict[str, int] = {}

    @property
    def wrong(self) -> int:
        """How many numbers differ at this moment."""
        return sum(not shelf.agrees(name) for shelf in self.shelves for name in self.channels)


class Picture:
    """Shows a board: redrawn in a terminal; as lines when the story goes on, without one."""

    def __init__(self, board: Board, console: Console, *, json: bool = False) -> None:
        self.board = board
        self._console = console
        self._json = json
        self._live = (
            Live(get_renderable=self._draw, console=console, refresh_per_second=6, screen=False)
            if console.is_terminal and not json
            else None
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing."""
        if self._live:
            self._live.stop()

    def chapter(self, title: str) -> None:
        """A new part of the scene begins."""
        self.board.chapter = title
        if not self._live:
            self._line(f"== {title}")

    def say(self, line: str) -> None:
        """Go on with the story."""
        self.board.story.append(f"{self._clock()}  {line}")
        if not self._live:
            self._line(line)

    def _line(self, line: str) -> None:
        if self._json:
            at_s = round(time.monotonic() - self.board.started, 1)
            self._console.print_json(data={"at_s": at_s, "says": line, "numbers": self._numbers(), "wrong": self.board.wrong}, indent=None)
            return
        self._console.print(
            f"{self._clock()}  {line}  [{self.board.wrong} of {self._numbers()} numbers differ]", markup=False, soft_wrap=True
        )

    def _clock(self) -> str:
        return f"{time.monotonic() - self.board.started:5.1f} s"

    def _numbers(self) -> int:
        return len(self.board.shelves) * len(self.board.channels)

    def _draw(self) -> RenderableType:
        board = self.board
        state = (
            Text("all numbers agree", "bold green")
            if not board.wrong
            else Text(f"{board.wrong} of {self._numbers()} numbers differ", "bold yellow")
        )
        return Group(
            Panel(Group(_roles(board), state), title=f"Stockwire · {board.chapter} · {self._clock().strip()}", title_align="left"),
            _shelves(board),
            Panel(Text("\n".join(board.story[-9:])), title="What happens", title_align="left"),
        )


def _roles(board: Board) -> Text:
    text = Text("warehouse → ")
    for role, (pid, starts) in board.roles.items():
        text.append(f" {role} ", "black on green" if pid else "white on red")
        text.append(f" start {starts} → " if starts > 1 else " → ")
    text.append("channels    ")
    text.append("   ".join(f"{name}: {count}" for name, count in board.counts.items()), "dim")
    return text


def _shelves(board: Board) -> Table:
    table = Table(expand=False, pad_edge=False)
    table.add_column("item")
    table.add_column("warehouse", justify="right")
    table.add_column("", min_width=BAR_WIDTH)
    for name in board.channels:
        table.add_column(f"{name} shows", justify="right")
    most = max((float(shelf.available) for shelf in board.shelves), default=1.0)
    for shelf in board.shelves:
        numbers = [
            Text(
                f"{shelf.shown.get(name, '-')}" + ("" if shelf.agrees(name) else f" (≠ {shelf.due[name]})"),
                "green" if shelf.agrees(name) else "yellow",
            )
            for name in board.channels
        ]
        table.add_row(shelf.sku, str(shelf.available), Bar(max(most, 1.0), 0, max(0.0, float(shelf.available)), width=BAR_WIDTH), *numbers)
    return table
