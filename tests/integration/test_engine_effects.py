"""What a table agent's decisions become on a real broker: records, headers, dead letters, rows, metrics."""

import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from models.topics import DEAD
from streams.dead import VALUE_LIMIT_BYTES
from tests.eventually import eventually
from tests.faults.engine_fleet import Worker

SCRIPT = Path(__file__).with_name("engine_effects_worker.py")


class Bench:
    """One worker, its topics, and a look at them with an ordinary client."""

    def __init__(self, bootstrap: str, topic: str, directory: Path) -> None:
        self.bootstrap, self.topic, self.group = bootstrap, topic, f"{topic}-group"
        self.port = _free_port()
        self._directory = directory
        self._producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})
        names = [topic, f"{topic}.facts", f"{topic}.levels", f"{self.group}-numbers-changelog", DEAD]
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})  # the answers come only while it lives
        for name, future in admin.create_topics([NewTopic(name, 2, 1) for name in names]).items():
            try:
                future.result(20)
            except KafkaException:
                assert name == DEAD  # another test has made it

    def start(self) -> Worker:
        environ = {
            "WORKER_KAFKA": self.bootstrap, "WORKER_TOPIC": self.topic, "WORKER_GROUP": self.group, "WORKER_WEB": str(self.port)
        }  # fmt: skip
        return Worker(environ, self._directory / "worker.log", SCRIPT)

    def see(self, sku: str, number: int, **headers: bytes) -> None:
        self.send(sku.encode(), json.dumps({"type": "Seen", "sku": sku, "number": number}).encode(), **headers)

    def send(self, key: bytes | None, value: bytes | None, **headers: bytes) -> None:
        self._producer.produce(self.topic, value, key, headers=list(headers.items()))

    def flush(self) -> None:
        assert self._producer.flush(20) == 0

    async def finished(self) -> None:
        """All of the topic is committed."""

        async def committed() -> bool:
            consumer = self._consumer(self.group)
            try:
                done = consumer.committed([TopicPartition(self.topic, 0), TopicPartition(self.topic, 1)], timeout=10)
                return all(max(tp.offset, 0) == consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in done)
            finally:
                consumer.close()

        await eventually(committed, within_s=30, every_s=0.3, what="all committed")

    def read(self, topic: str) -> list[Any]:
        consumer = self._consumer(f"{self.group}-reader")
        try:
            tps = [TopicPartition(topic, number, 0) for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions]
            ends = {tp.partition: consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in tps}
            consumer.assign(tps)
            found: list[Message] = []
            while len(found) < sum(ends.values()):
                found += consumer.consume(1000, 1.0)
            return found
        finally:
            consumer.close()

    def rows(self) -> dict[bytes, dict[str, Any]]:
        return {record.key(): json.loads(record.value()) for record in self.read(f"{self.group}-numbers-changelog")}

    def dead(self) -> list[Any]:
        return [record for record in self.read(DEAD) if dict(record.headers())["dead_topic"] == self.topic.encode()]

    def _consumer(self, group: str) -> Consumer:
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0})


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def bench(kafka: str, fresh: Callable[[str], str], tmp_path: Path) -> Bench:
    return Bench(kafka, fresh("effects"), tmp_path)


@pytest.fixture
async def finish(bench: Bench) -> AsyncIterator[Callable[[], Any]]:
    """Starts the worker on what has been sent, and returns when all of it is finished."""
    workers: list[Worker] = []

    async def run() -> None:
        bench.flush()
        workers.append(bench.start())
        await workers[0].ready()
        await bench.finished()

    yield run
    for worker in workers:
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0


@pytest.mark.broker
async def test_facts_all_go_out_in_order_and_of_levels_only_the_newest(bench: Bench, finish: Callable[[], Any]) -> None:
    for number in range(1, 11):
        bench.see("sku-1", number, trace=b"t%d" % number)

    await finish()

    facts = bench.read(f"{bench.topic}.facts")
    assert [json.loads(record.value())["number"] for record in facts] == list(range(1, 11))
    assert dict(facts[4].headers()) == {"type": b"Seen", "sku": b"sku-1", "trace": b"t5", "extra": b"1"}
    assert [record.value() for record in bench.read(f"{bench.topic}.levels")] == [b"10"]
    assert bench.rows()[b"sku-1"] == {"at": 3 * 2**40 + 9, "number": 10, "greatest": 10, "due": None}


@pytest.mark.broker
async def test_rows_shared_by_the_partition_are_seen_by_later_records(bench: Bench, finish: Callable[[], Any]) -> None:
    for number in range(1, 31):
        bench.see(f"sku-{number}", 100 - number)

    await finish()

    rows = bench.rows()
    greatest = {rows[key]["greatest"] for key in rows if not key.startswith(b"@")}
    partitions = {record.partition() for record in bench.read(bench.topic)}
    assert len(greatest) == len(partitions) == 2  # the first of each partition
    assert rows[b"@greatest"]["number"] in greatest


@pytest.mark.broker
async def test_what_nobody_understands_is_parked_as_it_came_and_the_rest_goes_on(bench: Bench, finish: Callable[[], Any]) -> None:
    bench.send(b"sku-1", b"{no json", origin=b"somewhere")
    bench.send(b"sku-1", b'{"type":"Seen","sku":"sku-1","number":"many"}')
    bench.send(None, b'{"type":"Seen","sku":"sku-1","number":1}')
    bench.send(b"\xff", b'{"type":"Seen","sku":"sku-1","number":1}')
    bench.send(b"@greatest", b'{"type":"Seen","sku":"sku-1","number":1}')
    bench.send(b"sku-1", None)
    bench.see("sku-1", 13)
    bench.see("sku-1", 7)

    await finish()

    dead = {record.value(): record for record in bench.dead()}
    assert len(bench.dead()) == 6
    first = dict(dead[b"{no json"].headers())
    assert dead[b"{no json"].key() == b"sku-1"
    assert (first["origin"], first["dead_error"], first["dead_agent"], first["dead_topic"]) == (
        b"somewhere", b"PoisonError", b"numbers", bench.topic.encode()
    )  # fmt: skip
    assert first["dead_reason"].startswith(b"not a value we know")
    assert first["dead_offset"].isdigit()
    assert first["dead_partition"] in {b"0", b"1"}
    assert {dict(record.headers())["dead_error"] for record in bench.dead()} == {b"PoisonError", b"RefusedError"}
    assert bench.rows()[b"sku-1"]["number"] == 7


@pytest.mark.broker
async def test_poison_as_large_as_kafka_takes_is_parked_cut_and_the_rest_goes_on(bench: Bench, finish: Callable[[], Any]) -> None:
    bench.send(b"sku-1", b"x" * 990_000)
    bench.see("sku-1", 7)

    await finish()

    assert [len(record.value()) for record in bench.dead()] == [VALUE_LIMIT_BYTES]
    assert bench.rows()[b"sku-1"]["number"] == 7


@pytest.mark.broker
async def test_records_lie_where_every_client_looks_for_their_key(bench: Bench, finish: Callable[[], Any]) -> None:
    for number in range(20, 50):
        bench.see(f"sku-{number}", number)

    await finish()

    sources = {record.key(): record.partition() for record in bench.read(bench.topic) if not record.key().startswith(b"@")}
    assert {record.key(): record.partition() for record in bench.read(f"{bench.topic}.facts")} == sources


@pytest.mark.broker
async def test_health_and_metrics_answer(bench: Bench, finish: Callable[[], Any]) -> None:
    bench.see("sku-1", 1)

    await finish()

    async with aiohttp.ClientSession(f"http://127.0.0.1:{bench.port}") as http:
        for path in ("/live", "/ready"):
            async with http.get(path) as answer:
                assert answer.status == 200
        async with http.get("/metrics") as answer:
            metrics = await answer.text()
    assert 'stockwire_ticks_written_total{agent="counted-by-decide"} 1.0' in metrics
    assert 'stockwire_records_finished_total{agent="numbers"}' in metrics
