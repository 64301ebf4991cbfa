"""`stockwire run ROLE...`: be one role in this process, or the parent of several."""

import sys
from pathlib import Path

import anyio
import click

from streams import logs
from streams.app import ROLES, run_role
from streams.cli import options
from streams.settings import load
from streams.supervise import Child, supervise


@click.command("run")
@click.argument("roles", metavar="ROLE...", nargs=-1, required=True, type=click.Choice(ROLES))
@options.config_option
@options.as_json
def command(roles: tuple[str, ...], config: Path, *, json: bool) -> None:
    """Run ROLEs: receiver, worker, sender, poller. Several run as child processes of this one, and are started again when they end.

    SIGTERM drains and ends. Exit code 70 of a single role means "start me again", which is always safe.
    """
    logs.configure(json=json or not sys.stderr.isatty())
    settings = load(config)  # every problem of the file is said here, once
    if len(roles) == 1:
        run_role(settings, roles[0])
        return
    children = [Child(role, (sys.executable, "-m", "streams.cli", "run", role, "--config", str(config))) for role in dict.fromkeys(roles)]
    code = anyio.run(supervise, children)
    if code:
        raise click.exceptions.Exit(code)
