"""`stockwire broker`: Kafka on this machine until Ctrl-C."""

import signal
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import click

from streams.broker import EmbeddedBroker, RealBroker
from streams.cli import options
from streams.supervise import stops


@click.command("broker")
@click.option("--real", "kind", flag_value="real", default=True, help="Apache Kafka (needs Java 17 and Maven). The default.")
@click.option("--embedded", "kind", flag_value="embedded", help="In memory, for trying: 4 partitions, one worker per role, forgets all.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the real broker; 0 takes a free one.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Keep the real broker's data in this folder. Default: forget them at the end."
)
@options.as_json
def command(kind: str, port: int, data: Path | None, *, json: bool) -> None:
    """Run a broker for this machine and print its address; Ctrl-C ends it."""
    if kind == "embedded" and (port or data):
        raise click.UsageError("--embedded chooses its port itself and keeps no data: leave --port and --data out")
    for number in stops():
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        if kind == "embedded":
            bootstrap = stack.enter_context(EmbeddedBroker()).bootstrap
        else:
            folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stockwire-kafka-")))
            bootstrap = stack.enter_context(RealBroker(folder, port=port)).bootstrap
        options.line({"bootstrap": bootstrap}) if json else click.echo(f"Kafka ({kind}) at {bootstrap}; Ctrl-C ends it")
        signal.pause()
