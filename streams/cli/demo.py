"""`stockwire demo`: the main job on this machine, as a live picture."""

import click

from streams.cli.failed import FailedError
from streams.demo import Kafka, play

ENDED_EARLY = 1


@click.command("demo")
@click.option(
    "--kafka", type=click.Choice(["embedded", "real"]), default="embedded", show_default=True, help="real: Apache Kafka, with Java 17."
)
@click.option("--json", "json", is_flag=True, help="One JSON object per line in place of the picture.")
def command(kafka: Kafka, *, json: bool) -> None:
    """Play a warehouse and two shops with lost, doubled and late messages and a killed worker. Exit code 0: all numbers agree."""
    agreed = play(kafka, json=json)
    if agreed is None:
        raise click.exceptions.Exit(ENDED_EARLY)
    if not agreed:
        raise FailedError("the numbers do not agree; what each process said is in the folder named above")
