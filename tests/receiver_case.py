"""For tests of the receiver: two small webhooks, raw HTTP, and what stands in a topic."""

import asyncio
import hmac
from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from models.agent import Dead
from models.codec import Decoder
from models.message import Message
from models.topics import DEAD, inbound
from streams.receiver import Receiver, ReceiverLimits, make_receiver
from streams.systems.spec import Hook, Taken
from streams.topics import create, kept

SECRET = "s3cret-of-the-path"
LIMITS = ReceiverLimits(body_max_bytes=20_000, request_within_s=1.0, idle_within_s=1.5, acknowledge_within_s=1.5, drain_within_s=5.0)


class Event(Message, frozen=True):
    """What both fake systems send."""

    id: str
    item: str = ""
    dead: bool = False


DECODE = Decoder[Event](Event)


class PathHook:
    """Secret in the path, takes everything, as Thetis does."""

    parks = True

    def verify(self, hook: Hook) -> str | None:
        return None if hmac.compare_digest(hook.secret.encode(), SECRET.encode()) else "wrong secret"

    def take(self, hook: Hook) -> Taken:
        event = DECODE(hook.body)
        if event.id == "bug":
            raise RuntimeError("a bug of ours")
        return Taken(event.item or "none", event.id, Dead(error="PoisonError", reason="unwanted") if event.dead else None)


class SignedHook(PathHook):
    """Signature and time in headers, refuses what is wrong, as a shop does."""

    parks = False

    def verify(self, hook: Hook) -> str | None:
        try:
            age_s = hook.now_s - int(hook.headers.get("x-time", "0"))
        except ValueError:
            return "no time"
        good = hmac.compare_digest(signature(hook.body).encode(), hook.headers.get("x-signature", "").encode())
        return None if good and abs(age_s) <= 300 else "bad signature or too old"


def signature(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, "sha256").hexdigest()


def event(number: int, item: str = "i") -> bytes:
    return msgspec.json.encode(Event(id=f"e{number}", item=item))


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Answered(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes = b""


async def read_answer(reader: asyncio.StreamReader) -> Answered:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answered(int(head[0].split()[1]), headers, body)


async def ask(port: int, request: bytes) -> Answered:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await asyncio.wait_for(read_answer(reader), 20)
    finally:
        writer.close()


def make_topics(bootstrap: str, connections: Sequence[str], partitions: int = 2) -> None:
    create(bootstrap, [kept(DEAD, 1, days=1), *(kept(inbound(name), partitions, days=1) for name in connections)])


def receiver_of(bootstrap: str, path: str, signed: str, *, limits: ReceiverLimits = LIMITS, admin_port: int | None = None) -> Receiver:
    return make_receiver(bootstrap, {path: PathHook(), signed: SignedHook()}, limits, admin_port=admin_port)


Stored = ConsumerRecord[bytes, bytes]


async def records(bootstrap: str, topic: str) -> list[Stored]:
    """Everything in `topic` at this moment."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)  # type: ignore[no-untyped-call]  # aiokafka has no types
    await consumer.start()  # type: ignore[no-untyped-call]  # as above
    found: list[Stored] = []
    try:
        parts = [TopicPartition(topic, number) for number in await _partitions(consumer, topic)]
        consumer.assign(parts)  # type: ignore[no-untyped-call]  # as above
        await consumer.seek_to_beginning(*parts)  # type: ignore[no-untyped-call]  # as above
        ends = await consumer.end_offsets(parts)  # type: ignore[no-untyped-call]  # as above
        missing = {part for part, end in ends.items() if end > 0}
        while missing:
            batch = await consumer.getmany(timeout_ms=1000)
            for part, some in batch.items():
                found += some
                if some[-1].offset + 1 >= ends[part]:
                    missing.discard(part)
    finally:
        await consumer.stop()  # type: ignore[no-untyped-call]  # as above
    return found


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> Sequence[int]:
    await consumer._client.add_topic(topic)  # type: ignore[no-untyped-call]  # noqa: SLF001  # a consumer that has not subscribed knows no topic
    await consumer._client._maybe_wait_metadata()  # type: ignore[no-untyped-call]  # noqa: SLF001  # as above
    return sorted(consumer.partitions_for_topic(topic) or ())  # type: ignore[no-untyped-call]  # as above
