"""`stockwire simulate`: a remote system as a real server, for trying and for tests of one's own."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import click
import msgspec
from aiohttp import web

from streams.cli import options
from streams.cli.failed import FailedError
from streams.supervise import stop_requested
from streams.systems import discover


@click.command("simulate")
@click.argument("system", metavar="SYSTEM")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option("--params", metavar="JSON", default="{}", help="A JSON object of the simulator's options (its README names them), or @FILE.")
@options.as_json
def command(system: str, host: str, port: int, params: str, *, json: bool) -> None:
    """Run the simulated SYSTEM until Ctrl-C and print its address."""
    systems = discover()
    if system not in systems:
        raise click.UsageError(f"{system!r}: no such system; known: {', '.join(sorted(systems))}")
    try:
        given = Path(params[1:]).read_bytes() if params.startswith("@") else params
        app = systems[system].simulator(msgspec.json.decode(given, type=dict[str, Any]))
    except (OSError, msgspec.DecodeError) as error:
        raise click.UsageError(f"--params: {error}") from error
    asyncio.run(_serve(app, host, port, system=system, json=json))


async def _serve(app: web.Application, host: str, port: int, *, system: str, json: bool) -> None:
    stop = stop_requested()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        listener = _listen(host, port)
        await web.SockSite(runner, listener).start()
        url = f"http://{host}:{listener.getsockname()[1]}"
        options.line({"system": system, "url": url}) if json else click.echo(f"{system} at {url}; Ctrl-C ends it")
        await stop.wait()
    finally:
        await runner.cleanup()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise FailedError(f"cannot listen at {host}:{port}: {error.strerror}; choose another with --port") from error
