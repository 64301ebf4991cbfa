"""`stockwire`: one module per family of commands, imported only when it is used."""

import importlib
import sys
from typing import Any

import click
import msgspec
from confluent_kafka import KafkaException

from models.errors import ConfigError, StockwireError

COMMANDS = {
    "bench": "Measure it here, beside bare programs and others.",
    "broker": "Run a Kafka broker for this machine.",
    "check": "Show the configuration in force, and say what does not fit.",
    "dead": "What could not be used and why; try it again.",
    "demo": "Play the main job on this machine, as a live picture.",
    "explain": "Show why a number is what it is.",
    "reconcile": "Read full lists now, tell a channel everything, accept what is held back.",
    "register": "Make ourselves known at the systems that want it.",
    "review": "What needs a person, and what can be done.",
    "run": "Run one or more roles.",
    "simulate": "Run a simulated remote system.",
    "topics": "Make the topics, and look into the flow.",
    "topology": "Draw which agent reads and writes which topic.",
}
"""Each is `streams.cli.<name>.command`; the texts stand here so that `--help` need not import them all."""

FAILED, WRONG_USE = 1, 2


class Family(click.Group):
    """Imports the module of a command when it is asked for, and turns our errors into words and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """All names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """The command, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"streams.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """The list in `--help`."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's signature
        """Run; what we raise on purpose ends as text and exit code, anything else is a bug and shows its trace."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            _complain(error.problems)
            ctx.exit(WRONG_USE)
        except StockwireError as error:
            _complain([str(error)])
            ctx.exit(FAILED)
        except (KafkaException, TimeoutError) as error:
            _complain([f"Kafka does not answer as it should ({error}); is it running, is the address right? (--bootstrap, [kafka])"])
            ctx.exit(FAILED)


@click.command(cls=Family, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="stockwire")
def main() -> None:
    """Keep stock in step between warehouse systems and shops, over Kafka.

    Every command has --help and --json. Exit codes: 0 done, 1 failed, 2 wrong use or wrong configuration.
    """


def _complain(problems: list[str]) -> None:
    """Errors go to stderr; for a caller that asked for JSON as one JSON object."""
    if "--json" in sys.argv:
        click.echo(msgspec.json.encode({"problems": problems}), err=True)
        return
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
