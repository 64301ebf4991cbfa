"""`stockwire demo`: everything on this machine, once through the scene, and what came of it in words."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.console import Console

from streams import logs
from streams.broker.embedded import EmbeddedBroker
from streams.broker.real import RealBroker
from streams.demo.picture import Board, Picture
from streams.demo.scene import CRM, ITEMS, Scene
from streams.demo.world import Crm, Shop, World
from streams.supervise import stop_requested

SHOPS = {"web": Shop(mode="incremental"), "outlet": Shop(mode="absolute")}
CRMS = {CRM: Crm(options={"offers": [{"xml_id": sku, "name": sku} for sku in ITEMS]})}
Kafka = Literal["embedded", "real"]


def play(kafka: Kafka = "embedded", *, json: bool = False) -> bool | None:
    """Play the scene: whether all numbers agree at its end. None: Ctrl-C ended it early, and everything it started."""
    folder = Path(tempfile.mkdtemp(prefix="stockwire-demo-"))
    with (folder / "demo.log").open("w", encoding="utf-8") as log, _broker(kafka, folder) as bootstrap:
        logs.configure(json=True, stream=log)
        result = asyncio.run(_play(bootstrap, folder, embedded=kafka == "embedded", json=json))
    if result is False:
        Console(stderr=True).print(f"The logs of all processes are kept in {folder}")
    else:
        shutil.rmtree(folder)
    return result


@contextmanager
def _broker(kafka: Kafka, folder: Path) -> Iterator[str]:
    with EmbeddedBroker() if kafka == "embedded" else RealBroker(folder / "kafka") as broker:
        yield broker.bootstrap


async def _play(bootstrap: str, folder: Path, *, embedded: bool, json: bool) -> bool | None:
    """Whether the numbers agreed; None when a person ended it."""
    console = Console(highlight=False)
    stop = asyncio.create_task(stop_requested().wait())
    playing = asyncio.create_task(_scene(console, bootstrap, folder, embedded=embedded, json=json))
    await asyncio.wait([stop, playing], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if playing.done():
        return playing.result()
    playing.cancel()
    await asyncio.wait([playing])
    console.print("Stopped; nothing is left running.")
    return None


async def _scene(console: Console, bootstrap: str, folder: Path, *, embedded: bool, json: bool) -> bool:
    board = Board(channels=[*SHOPS, *CRMS])
    with Picture(board, console, json=json) as picture:
        picture.say("Starting a warehouse, two shops, a CRM, and Stockwire between them (receiver, worker, sender, poller)")
        async with World(bootstrap=bootstrap, embedded=embedded, folder=folder, shops=SHOPS, crms=CRMS) as world:
            scene = Scene(world, picture)
            agreed = await scene.play()
            await scene.look()
    if not json:
        _conclude(console, scene, board, agreed=agreed)
    return agreed


def _conclude(console: Console, scene: Scene, board: Board, *, agreed: bool) -> None:
    """What happened, in a shop owner's words."""
    counts = board.counts
    console.print()
    console.print(
        f"The two shops sold {sum(scene.sold.values())} times. The warehouse sent {counts.get('delivered', 0)} messages; some came "
        "twice, late or in the wrong order, some never. Twice the whole stock was read again while both shops were selling, and once "
        "the program that knows all the numbers was killed. "
        f"The CRM asked {scene.asked} times what is there, and was answered {scene.answered} times."
    )
    if agreed:
        console.print(
            f"[bold green]All {len(board.shelves) * len(board.channels)} numbers agree:[/] "
            "both shops and the CRM show exactly what they may sell."
        )
        return
    console.print("[bold red]These numbers do not agree:[/]")
    for shelf in board.shelves:
        for name in board.channels:
            if not shelf.agrees(name):
                console.print(f"  {shelf.sku}: {name} shows {shelf.shown.get(name, 'nothing')}, should show {shelf.due[name]}")
