"""`stockwire topology`: the flow of this configuration, derived from what the agents declare."""

import asyncio

import click

from models import topics
from streams.app import agents_of
from streams.cli import options
from streams.settings import Settings
from streams.topology import Hop, hops, mermaid


@click.command("topology")
@options.settings
@options.as_json
def command(settings: Settings, *, json: bool) -> None:
    """Draw which agent reads and writes which topic, as a Mermaid flow chart (paste it into any Markdown)."""
    asyncio.run(_draw(settings, json=json))


async def _draw(settings: Settings, *, json: bool) -> None:
    # Agents hold clients that want a running loop; none of them is started.
    received = tuple(topics.inbound(one.name) for one in settings.connections.values() if one.system.webhook)
    receiver = [Hop(role="receiver", agent="receiver", reads=None, table=None, writes=received)]
    found = receiver + hops(
        {"worker": agents_of(settings, "worker"), "sender": agents_of(settings, "sender"), "poller": agents_of(settings, "poller")}
    )
    if json:
        for hop in found:
            options.line(hop)
    else:
        click.echo(mermaid(found), nl=False)
