"""`stockwire reconcile`: read the full lists of the warehouses now, or accept a reading that was held back."""

import time

import click

from models import topics
from models.cursor import Cursor
from models.facts import CorrectionAccepted
from streams.by_hand import Written, write
from streams.cli import options
from streams.settings import Settings


@click.command("reconcile")
@click.option("--accept", "accepted", metavar="SKU", help="Accept the reading of this SKU that is held back for being too far off.")
@options.settings
@options.as_json
def command(settings: Settings, *, accepted: str | None, json: bool) -> None:
    """Read every warehouse's full list now; it may run at any hour, also under full traffic."""
    warehouses = sorted({settings.places[name].warehouse for route in settings.stock for name in route.places})
    now_ms = int(time.time() * 1_000)
    records: list[Written] = [(topics.POLL, f"{name}/stock", Cursor(connection=name, what="stock", due_ms=now_ms)) for name in warehouses]
    if accepted is not None:
        records = [(topics.FACT_STOCK, accepted, CorrectionAccepted(sku=accepted))]
    write(settings.kafka, records)
    for topic, key, message in records:
        said = "is read now" if isinstance(message, Cursor) else "will be accepted when it is held back"
        options.line({"topic": topic, "key": key, "message": message}) if json else click.echo(f"{key}: {said}")
