"""webhooks ─▶ receiver ─▶ `inbound.<c>.v1`: verifies, stores, and only then answers 2xx.

A remote that waits for numbers in our answer has them from `level.<c>.v1`, after the order to send them again is stored as well.
"""

from streams import garbage
from streams.context import context_of
from streams.kafka_client import aiokafka
from streams.receiver.levels import LevelView, NoLevels
from streams.receiver.limits import ReceiverLimits
from streams.receiver.receiver import Receiver, make_receiver
from streams.settings import Settings
from streams.supervise import stop_requested

__all__ = ["Receiver", "ReceiverLimits", "make_receiver", "receiver_of", "serve"]


async def serve(settings: Settings) -> None:
    """Run the role `receiver` until SIGTERM or SIGINT, then drain."""
    stop = stop_requested()
    receiver = receiver_of(settings)
    await receiver.start()
    garbage.settle()
    await stop.wait()
    await receiver.stop()


def receiver_of(settings: Settings) -> Receiver:
    """The receiver of a configuration, not started."""
    wanted, kafka = settings.receiver, settings.kafka
    limits = ReceiverLimits(
        body_max_bytes=wanted.body_max_bytes,
        depth_max=wanted.depth_max,
        connections_max=wanted.connections_max,
        request_within_s=wanted.request_within_s,
        acknowledge_within_s=wanted.acknowledge_within_s,
        drain_within_s=wanted.drain_within_s,
    )
    client, channels = aiokafka(kafka), {route.channel for route in settings.stock}
    views = {
        name: LevelView(kafka.bootstrap, name, client)
        for name, one in settings.connections.items()
        if one.system.callback and name in channels
    }
    told = {name: one.system.webhook(name, one.settings) for name, one in settings.connections.items() if one.system.webhook}
    asked = {
        name: one.system.callback(context_of(settings, one), one.settings, views.get(name, NoLevels()))
        for name, one in settings.connections.items()
        if one.system.callback
    }
    return make_receiver(
        kafka.bootstrap,
        {**told, **asked},
        limits,
        wanted.host,
        wanted.port,
        admin_port=wanted.admin_port,
        client=client,
        views=tuple(views.values()),
    )
