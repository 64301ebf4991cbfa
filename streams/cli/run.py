"""`stockwire run ROLE...`: be one role in this process, or the parent of several."""

import socket
import sys
from pathlib import Path

import anyio
import click
import uvloop

from models.errors import StockwireError
from streams import logs
from streams.cli import options
from streams.receiver import serve
from streams.settings import Settings, load
from streams.supervise import Child, supervise

ROLES = ("receiver", "worker", "sender", "poller")


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
        _be(settings, roles[0])
        return
    children = [Child(role, (sys.executable, "-m", "streams.cli", "run", role, "--config", str(config))) for role in dict.fromkeys(roles)]
    code = anyio.run(supervise, children)
    if code:
        raise click.exceptions.Exit(code)


def _refuse_taken_port(settings: Settings, role: str) -> None:
    """Say in one sentence what a server deep inside would say in a traceback."""
    own = getattr(settings, role)
    for port in (own.port, getattr(own, "admin_port", None)):
        with socket.socket(socket.AF_INET6 if ":" in own.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((own.host, port or 0))
            except OSError as error:
                where = f"{own.host}:{port}"
                raise StockwireError(
                    f"[{role}] cannot listen at {where} ({error.strerror}): does another process do so already?"
                ) from error


def _be(settings: Settings, role: str) -> None:
    _refuse_taken_port(settings, role)
    if role == "receiver":
        uvloop.run(serve(settings))
        return
    # Faust comes with it: 14 MB and a tenth of a second that the receiver and the parent of several roles do without.
    from streams.app import run_role  # noqa: PLC0415

    run_role(settings, role)  # type: ignore[arg-type]  # the command line offers no other
