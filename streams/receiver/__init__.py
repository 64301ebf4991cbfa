"""webhooks ─▶ receiver ─▶ `inbound.<c>.v1`: verifies, stores, and only then answers 2xx."""

from streams import garbage
from streams.kafka_client import aiokafka
from streams.receiver.limits import ReceiverLimits
from streams.receiver.receiver import Receiver, make_receiver
from streams.settings import Settings
from streams.supervise import stop_requested

__all__ = ["Receiver", "ReceiverLimits", "make_receiver", "serve"]


async def serve(settings: Settings) -> None:
    """Run the role `receiver` until SIGTERM or SIGINT, then drain."""
    wanted = settings.receiver
    limits = ReceiverLimits(
        body_max_bytes=wanted.body_max_bytes,
        depth_max=wanted.depth_max,
        connections_max=wanted.connections_max,
        request_within_s=wanted.request_within_s,
        acknowledge_within_s=wanted.acknowledge_within_s,
        drain_within_s=wanted.drain_within_s,
    )
    webhooks = {name: one.system.webhook(name, one.settings) for name, one in settings.connections.items() if one.system.webhook}
    kafka = settings.kafka
    stop = stop_requested()
    receiver = make_receiver(
        kafka.bootstrap, webhooks, limits, wanted.host, wanted.port, admin_port=wanted.admin_port, client=aiokafka(kafka)
    )
    await receiver.start()
    garbage.settle()
    await stop.wait()
    await receiver.stop()
