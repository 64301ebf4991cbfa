"""Group commit: one batch per partition on its way, what arrives meanwhile is the next one."""

import asyncio
from collections.abc import Awaitable, Collection, Sequence

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.partitioner import DefaultPartitioner

from streams.receiver.commit import Batch, Deposit, GroupCommit, Producer, partition_of


class FullAtFour:
    """A batch of at most four records."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    def append(self, *, timestamp: int, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> object | None:
        del timestamp, key, headers
        if len(self.values) == 4:
            return None
        self.values.append(value)
        return self


class FakeKafka:
    """Remembers each batch; acknowledges when told."""

    def __init__(self) -> None:
        self.sent: list[tuple[FullAtFour, asyncio.Future[object]]] = []

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def partitions_for(self, topic: str) -> Collection[int]:
        return {0} if topic == "t" else set()

    def create_batch(self) -> FullAtFour:
        return FullAtFour()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Awaitable[object]:
        assert isinstance(batch, FullAtFour)
        assert (topic, partition) == ("t", 0)
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.sent.append((batch, done))
        return done


class Commit(GroupCommit):
    """With the fake behind it."""

    def __init__(self, kafka: FakeKafka, *, queue_bytes: int = 1_000_000) -> None:
        super().__init__("nowhere", ["t"], deadline_s=3.0, queue_bytes=queue_bytes)
        self._kafka = kafka

    def _new_producer(self) -> Producer:
        return self._kafka


async def _turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _started(kafka: FakeKafka, *, queue_bytes: int = 1_000_000) -> Commit:
    commit = Commit(kafka, queue_bytes=queue_bytes)
    commit.start()
    await _turn()
    assert commit.connected
    return commit


def _deposit(number: int, answers: list[tuple[int, bool]], *, since: float = 0.0) -> Deposit:
    return Deposit("t", b"k", b"%d" % number, [], 0, since, lambda stored: answers.append((number, stored)))


async def test_commit_when_a_batch_is_on_its_way_then_the_rest_waits_for_the_next() -> None:
    kafka, answers = FakeKafka(), list[tuple[int, bool]]()
    commit = await _started(kafka)
    assert all(commit.offer(_deposit(number, answers)) for number in range(2))
    await _turn()
    assert all(commit.offer(_deposit(number, answers)) for number in range(2, 8))
    await _turn()
    assert [batch.values for batch, _ in kafka.sent] == [[b"0", b"1"]]
    assert answers == []
    kafka.sent[0][1].set_result(None)
    await _turn()
    assert answers == [(0, True), (1, True)]
    assert [batch.values for batch, _ in kafka.sent[1:]] == [[b"2", b"3", b"4", b"5"]]
    kafka.sent[1][1].set_result(None)
    await _turn()
    kafka.sent[2][1].set_result(None)
    await _turn()
    assert answers == [(number, True) for number in range(8)]
    assert commit.held_bytes == 0
    await commit.stop()


async def test_commit_when_kafka_refuses_then_all_of_the_batch_hear_no_and_the_next_goes_out() -> None:
    kafka, answers = FakeKafka(), list[tuple[int, bool]]()
    commit = await _started(kafka)
    commit.offer(_deposit(0, answers))
    await _turn()
    commit.offer(_deposit(1, answers))
    kafka.sent[0][1].set_exception(KafkaTimeoutError())
    await _turn()
    kafka.sent[1][1].set_result(None)
    await _turn()
    assert answers == [(0, False), (1, True)]
    await commit.stop()


async def test_commit_when_batch_is_overdue_then_all_hear_no_once_and_new_ones_are_refused_until_kafka_answers() -> None:
    kafka, answers = FakeKafka(), list[tuple[int, bool]]()
    commit = await _started(kafka)
    commit.offer(_deposit(0, answers, since=10.0))
    await _turn()
    commit.offer(_deposit(1, answers, since=12.0))
    commit.expire(12.9)
    assert answers == []
    commit.expire(13.1)
    assert answers == [(0, False), (1, False)]
    assert not commit.offer(_deposit(2, answers, since=13.2))
    kafka.sent[0][1].set_result(None)
    await _turn()
    assert answers == [(0, False), (1, False)]
    assert commit.offer(_deposit(3, answers, since=13.3))
    await _turn()
    kafka.sent[1][1].set_result(None)
    await _turn()
    assert answers[2:] == [(3, True)]
    assert commit.held_bytes == 0
    await commit.stop()


async def test_commit_when_too_much_waits_then_refuses() -> None:
    answers: list[tuple[int, bool]] = []
    commit = await _started(FakeKafka(), queue_bytes=2 * _deposit(0, answers).size)
    assert [commit.offer(_deposit(number, answers)) for number in range(3)] == [True, True, False]
    await commit.stop()
    assert answers == [(0, False), (1, False)]


async def test_commit_when_kafka_was_never_reached_then_refuses() -> None:
    commit = Commit(FakeKafka())
    assert not commit.connected
    assert not commit.offer(_deposit(0, []))


@pytest.mark.parametrize("key", [b"", b"a", b"sku-1", "møbel".encode(), b"0123456789abcdef0"])
def test_partition_of_when_asked_then_is_where_other_clients_put_the_key(key: bytes) -> None:
    assert partition_of(key, 8) == DefaultPartitioner()(key, list(range(8)), [])
