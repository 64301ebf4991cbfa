"""The file's settings, as a system's own folder sees them around one of its connections."""

from streams.settings import Connection, Settings
from streams.systems.spec import Context


def context_of(settings: Settings, connection: Connection) -> Context:
    """What the connection's own folder may know of everything around it."""
    url = settings.receiver.public_url.rstrip("/")
    return Context(
        connection=connection.name,
        stores=stores_of(settings, connection.name),
        hooks_url=f"{url}/hooks/{connection.name}" if url else "",
    )


def stores_of(settings: Settings, channel: str) -> dict[str, str]:
    """The code that each place which feeds the channel has there, where the channel keeps stock per store."""
    if not settings.connections[channel].system.per_store:
        return {}
    fed = next((route.places for route in settings.stock if route.channel == channel), ())
    return {name: settings.places[name].stores[channel] for name in fed if channel in settings.places[name].stores}
