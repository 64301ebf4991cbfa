"""The receiver over real HTTP, with the real broker behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import msgspec
import pytest

from models.inbound import Inbound
from models.topics import DEAD, inbound
from streams.receiver import Receiver
from streams.receiver.commit import partition_of
from tests.eventually import eventually
from tests.receiver_case import LIMITS, SECRET, ask, event, make_topics, post, read_answer, receiver_of, records, signature

pytestmark = pytest.mark.broker


class Case(NamedTuple):
    bootstrap: str
    receiver: Receiver
    path: str
    signed: str

    @property
    def port(self) -> int:
        return self.receiver.port

    def hook(self, body: bytes, *headers: str) -> bytes:
        return post(f"/hooks/{self.path}/{SECRET}", body, *headers)

    def signed_hook(self, body: bytes, *, age_s: float = 0) -> bytes:
        return post(f"/hooks/{self.signed}", body, f"X-Signature: {signature(body)}", f"X-Time: {int(time.time() - age_s)}")

    async def values(self, connection: str) -> list[bytes]:
        return [record.value or b"" for record in await records(self.bootstrap, inbound(connection))]

    async def dead(self) -> list[tuple[bytes, dict[str, bytes]]]:
        mine = {self.path.encode(), self.signed.encode()}
        found = [(record.value or b"", dict(record.headers)) for record in await records(self.bootstrap, DEAD)]
        return [(value, headers) for value, headers in found if headers.get("connection") in mine]

    async def still_works(self) -> None:
        assert (await ask(self.port, self.hook(event(99)))).status == 204


@pytest.fixture
async def case(kafka: str, fresh: Callable[[str], str]) -> AsyncIterator[Case]:
    path, signed = fresh("wh"), fresh("web")
    make_topics(kafka, [path, signed])
    receiver = receiver_of(kafka, path, signed)
    await receiver.start()
    await eventually(lambda: _ready(receiver.port))
    yield Case(kafka, receiver, path, signed)
    await receiver.stop()


async def _ready(port: int) -> bool:
    return (await ask(port, b"GET /ready HTTP/1.1\r\nHost: t\r\n\r\n")).status == 200


@pytest.mark.req("T-22")
async def test_receiver_when_delivery_is_genuine_then_it_is_stored_before_2xx(case: Case) -> None:
    body = event(1, "42")
    before_ms = int(time.time() * 1000)
    answer = await ask(case.port, case.hook(body))
    assert (answer.status, answer.body) == (204, b"")
    assert "date" in answer.headers
    (record,) = await records(case.bootstrap, inbound(case.path))
    assert (record.key, record.value) == (b"42", body)
    assert record.partition == partition_of(b"42", 2)
    found = Inbound.of(dict(record.headers))
    assert (found.kind, found.delivery) == ("webhook", "e1")
    assert before_ms <= found.received_ms == record.timestamp <= time.time() * 1000
    assert len(dict(record.headers)["trace"]) == 32


async def test_receiver_when_many_come_at_once_then_each_is_stored_once(case: Case) -> None:
    answers = await asyncio.gather(*(ask(case.port, case.signed_hook(event(number, f"i{number % 7}"))) for number in range(200)))
    assert {answer.status for answer in answers} == {204}
    assert sorted(await case.values(case.signed)) == sorted(event(number, f"i{number % 7}") for number in range(200))


async def test_receiver_when_requests_are_pipelined_then_answers_come_in_order(case: Case) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
    wrong = post(f"/hooks/{case.path}/nonsense", b"{}")
    writer.write(b"".join(case.hook(event(number)) if number % 3 else wrong for number in range(30)))
    statuses = [(await asyncio.wait_for(read_answer(reader), 10)).status for _ in range(30)]
    assert statuses == [204 if number % 3 else 401 for number in range(30)]
    writer.close()
    assert len(await case.values(case.path)) == 20


async def test_receiver_when_body_is_chunked_and_slow_within_time_then_it_is_whole(case: Case) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
    body = event(5)
    writer.write(f"POST /hooks/{case.path}/{SECRET} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    for byte in body:
        writer.write(b"1\r\n%c\r\n" % byte)
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    assert (await asyncio.wait_for(read_answer(reader), 10)).status == 204
    writer.close()
    assert await case.values(case.path) == [body]


@pytest.mark.req("T-22")
async def test_receiver_when_json_is_malformed_then_one_parks_it_and_the_other_refuses(case: Case) -> None:
    assert (await ask(case.port, case.hook(b"{broken"))).status == 204
    assert (await ask(case.port, case.signed_hook(b"{broken"))).status == 400
    deep = b"[" * 5000 + b"]" * 5000
    assert (await ask(case.port, case.hook(deep))).status == 204
    assert (await ask(case.port, case.signed_hook(deep))).status == 400
    parked = await case.dead()
    assert [value for value, _ in parked] == [b"{broken", deep]
    assert [headers["dead_error"] for _, headers in parked] == [b"PoisonError", b"PoisonError"]
    assert await case.values(case.path) == await case.values(case.signed) == []
    await case.still_works()


async def test_receiver_when_secret_or_name_or_time_is_wrong_then_401_and_nothing_stored(case: Case) -> None:
    body = event(1)
    requests = [
        post(f"/hooks/{case.path}/wrong", body),
        post(f"/hooks/{case.path}", body),
        post("/hooks/nobody/wrong", body),
        post(f"/hooks/{case.signed}", body, "X-Signature: 00", f"X-Time: {int(time.time())}"),
        case.signed_hook(body, age_s=400),
    ]
    answers = [await ask(case.port, request) for request in requests]
    assert {(answer.status, answer.body) for answer in answers} == {(401, b"")}
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1
    assert await case.values(case.path) == await case.values(case.signed) == []
    assert await case.dead() == []


async def test_receiver_when_delivery_is_replayed_within_its_time_then_both_carry_the_same_id_and_trace(case: Case) -> None:
    request = case.signed_hook(event(7))
    assert [(await ask(case.port, request)).status for _ in range(2)] == [204, 204]
    first, second = [dict(record.headers) for record in await records(case.bootstrap, inbound(case.signed))]
    assert (first["delivery"], first["trace"]) == (second["delivery"], second["trace"])


async def test_receiver_when_body_has_10_mb_then_one_parks_its_beginning_and_the_other_says_413(case: Case) -> None:
    large = b"x" * 10_000_000
    assert (await ask(case.port, case.hook(large))).status == 204
    assert (await ask(case.port, case.signed_hook(large))).status == 413
    ((value, headers),) = await case.dead()
    assert value == large[: LIMITS.body_max_bytes]
    assert b"10000000 bytes" in headers["dead_reason"]
    await case.still_works()


async def test_receiver_when_body_is_announced_beyond_all_limits_then_it_is_not_even_sent(case: Case) -> None:
    head = f"POST /hooks/{case.signed} HTTP/1.1\r\nHost: t\r\nContent-Length: 999999999\r\nExpect: 100-continue\r\n\r\n".encode()
    answer = await ask(case.port, head)
    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_receiver_when_sender_waits_for_100_continue_then_it_is_told(case: Case) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
    head, _, body = case.hook(event(3), "Expect: 100-continue").partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await asyncio.wait_for(read_answer(reader), 10)).status == 204
    writer.close()


@pytest.mark.parametrize("begun", [b"POST /hooks/x HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc", b"POST /hooks/x HT", b"P"])
async def test_receiver_when_client_is_slow_then_408_and_close(case: Case, begun: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
    writer.write(begun)
    answer = await asyncio.wait_for(read_answer(reader), 10)
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await case.still_works()


async def test_receiver_when_connection_says_nothing_then_it_is_closed(case: Case) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
    writer.write(case.hook(event(1)))
    assert (await read_answer(reader)).status == 204
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_receiver_when_method_is_wrong_then_405(case: Case, method: str) -> None:
    answer = await ask(case.port, f"{method} /hooks/{case.path}/{SECRET} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"POST /hooks/x HTTP/1.1\r\nHost: t\r\nContent-Length: nonsense\r\n\r\n", 400),
        (b"POST /hooks/x HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 400),
        (b"POST /hooks/x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: t\r\n\r\n", 431),
        (b"POST /hooks/x HTTP/1.1\r\nHost: t\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"POST /hooks/x HTTP/1.1\r\nHost: t\r\n" + b"X-Many: 1\r\n" * 200 + b"\r\n", 400),
        (b"GET /hooks/x HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 405),
        (b"GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n", 404),
    ],
)
async def test_receiver_when_request_is_no_proper_http_then_it_says_so(case: Case, request_bytes: bytes, status: int) -> None:
    assert (await ask(case.port, request_bytes)).status == status
    await case.still_works()


async def test_receiver_when_client_speaks_http_1_0_then_it_answers_and_closes(case: Case) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
    writer.write(case.hook(event(1)).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (await read_answer(reader)).status == 204
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_receiver_when_there_are_too_many_connections_then_503_and_the_others_go_on(kafka: str, fresh: Callable[[str], str]) -> None:
    path = fresh("wh")
    make_topics(kafka, [path])
    receiver = receiver_of(kafka, path, path, limits=msgspec.structs.replace(LIMITS, connections_max=3))
    await receiver.start()
    held = [await asyncio.open_connection("127.0.0.1", receiver.port) for _ in range(3)]
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    answer = await asyncio.wait_for(read_answer(reader), 10)
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    held[0][1].write(b"GET /live HTTP/1.1\r\nHost: t\r\n\r\n")
    assert (await asyncio.wait_for(read_answer(held[0][0]), 10)).status == 200
    for one in [writer, *(other for _, other in held)]:
        one.close()
    await receiver.stop()


async def test_receiver_when_unfinished_bodies_take_too_much_memory_then_503_and_the_others_go_on(
    kafka: str, fresh: Callable[[str], str]
) -> None:
    path = fresh("wh")
    make_topics(kafka, [path])
    receiver = receiver_of(kafka, path, path, limits=msgspec.structs.replace(LIMITS, unfinished_max_bytes=25_000))
    await receiver.start()
    await eventually(lambda: _ready(receiver.port))
    begun = f"POST /hooks/{path} HTTP/1.1\r\nHost: t\r\nContent-Length: 20000\r\n\r\n".encode() + b"x" * 15_000
    _, first = await asyncio.open_connection("127.0.0.1", receiver.port)
    first.write(begun)
    await first.drain()
    answer = await ask(receiver.port, begun)
    assert (answer.status, answer.headers["connection"]) == (503, "close")
    first.close()
    await eventually(lambda: _begins(receiver.port, begun, 408), what="room again")
    await receiver.stop()


async def _begins(port: int, begun: bytes, status: int) -> bool:
    return (await ask(port, begun)).status == status


async def test_receiver_when_operations_have_their_own_port_then_the_public_one_does_not_serve_them(
    kafka: str, fresh: Callable[[str], str]
) -> None:
    path = fresh("wh")
    make_topics(kafka, [path])
    receiver = receiver_of(kafka, path, path, admin_port=0)
    await receiver.start()
    assert receiver.admin_port
    metrics = await ask(receiver.admin_port, b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n")
    assert (metrics.status, b"stockwire_" in metrics.body) == (200, True)
    assert (await ask(receiver.port, b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n")).status == 404
    assert (await ask(receiver.admin_port, post(f"/hooks/{path}", b"{}"))).status == 404
    await receiver.stop()


async def test_receiver_when_kafka_was_never_there_then_lives_is_not_ready_and_says_503(unused_tcp_port: int) -> None:
    receiver = receiver_of(f"127.0.0.1:{unused_tcp_port}", "wh", "web")
    await receiver.start()
    assert (await ask(receiver.port, b"GET /live HTTP/1.1\r\nHost: t\r\n\r\n")).status == 200
    assert (await ask(receiver.port, b"GET /ready HTTP/1.1\r\nHost: t\r\n\r\n")).status == 503
    answer = await ask(receiver.port, post(f"/hooks/wh/{SECRET}", event(1)))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    await receiver.stop()
