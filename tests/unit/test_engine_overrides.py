"""Each private member of Faust that the engine replaces: what ours does where Faust's loses, freezes or cries wolf."""

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord
from faust.types import TP

from models.agent import LaneAgent
from streams.engine import EngineApp, EngineSettings, build
from streams.engine.channel import BROKER_WAIT_MS, Batch, BatchConsumer, ConsumerOnLoop
from streams.engine.patches import OVERRIDES, RELIED_ON, IdempotentProducer, Upstream, digest_of_source
from streams.engine.recovery import BulkRecovery, BulkTableManager
from streams.engine.rows import KafkaRecord, RowStore

SOURCE, LOG = TP("source", 0), TP("group-table-changelog", 0)


@pytest.mark.parametrize("upstream", [*OVERRIDES, *RELIED_ON], ids=lambda upstream: f"{upstream.owner.__name__}.{upstream.member}")
def test_upstream_source_is_the_one_that_was_read(upstream: Upstream) -> None:
    assert digest_of_source(upstream.owner, upstream.member) == upstream.digest


def records(first: int, count: int, topic: str = "source") -> list[KafkaRecord]:
    return [ConsumerRecord(topic, 0, first + number, 0, 0, b"k", b"v", None, 1, 1, ()) for number in range(count)]


class Consumer(BatchConsumer):
    """A `BatchConsumer` between a broker and a conductor that only write down what they are asked."""

    def __init__(self) -> None:  # Faust's needs a running application
        self.on_init()
        self.sought: list[Mapping[TP, int]] = []
        self.delivered: list[Batch] = []
        self.committed: dict[TP, int | None] = {}
        self.app = cast(
            "EngineApp",
            SimpleNamespace(
                consumer_generation_id=1,
                settings=SimpleNamespace(flight_records=5),
                room=asyncio.Event(),
                tables=_Tables(),
                deliver=self.delivered.append,
            ),
        )
        self.flow_active = True
        self._active_partitions = {SOURCE, LOG}
        self._read_offset, self._committed_offset = {}, defaultdict(lambda: None)
        self._acked, self._acked_index = defaultdict(list), defaultdict(set)
        self._thread = cast("Any", self)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        self.sought.append(partitions)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return cast("Mapping[TP, int]", self.committed)  # None where there is no commit

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return dict.fromkeys(partitions, 3)

    async def accept(self, fetched: list[KafkaRecord], *, tp: TP = SOURCE, generation: int = 1) -> None:
        await self._accept(tp, fetched, generation)

    def expect(self, offset: int) -> None:
        self._next[SOURCE] = offset

    def committable(self) -> int | None:
        return self._new_offset(SOURCE)

    def fetchable(self) -> set[TP]:
        return self._with_room({SOURCE, TP("other", 0)})


class _Tables:
    changelog_topics = frozenset({LOG.topic})

    def __init__(self) -> None:
        self.recovery = self
        self.applied: list[int] = []

    def next_offset(self, _tp: TP) -> int:
        return 7

    def apply(self, _tp: TP, fetched: list[KafkaRecord]) -> None:
        self.applied.extend(record.offset for record in fetched)


async def test_drain_messages_when_a_fetch_outlived_its_assignment_then_it_is_unread() -> None:
    consumer = Consumer()
    consumer.expect(4)

    await consumer.accept(records(6, 2), generation=0)

    assert consumer.sought == [{SOURCE: 4}]
    assert consumer.delivered == []


async def test_drain_messages_when_an_outdated_fetch_is_of_a_changelog_then_it_is_unread_to_what_recovery_expects() -> None:
    consumer = Consumer()

    await consumer.accept(records(9, 2, LOG.topic), tp=LOG, generation=0)

    assert consumer.sought == [{LOG: 7}]


async def test_drain_messages_when_records_are_missing_then_they_are_read_again_and_a_second_time_accepted() -> None:
    consumer = Consumer()
    consumer.expect(4)

    await consumer.accept(records(6, 2))
    assert (consumer.sought, consumer.delivered) == ([{SOURCE: 4}], [])
    await consumer.accept(records(6, 2))

    assert [batch.records[0].offset for batch in consumer.delivered] == [6]


async def test_drain_messages_when_a_fetch_overlaps_then_only_what_is_new_is_delivered() -> None:
    consumer = Consumer()
    consumer.expect(4)

    await consumer.accept(records(2, 4))

    assert [record.offset for record in consumer.delivered[0].records] == [4, 5]


async def test_drain_messages_when_a_topic_has_too_much_in_flight_then_only_the_others_are_fetched() -> None:
    consumer = Consumer()
    consumer.expect(0)
    await consumer.accept(records(0, 5))

    assert consumer.fetchable() == {TP("other", 0)}
    consumer.delivered[0].finish(0)
    assert consumer.fetchable() == {SOURCE, TP("other", 0)}


async def test_perform_seek_when_a_partition_has_no_commit_then_it_is_sought_to_its_beginning() -> None:
    consumer = Consumer()
    consumer.committed = {SOURCE: None}

    await consumer.perform_seek()

    assert consumer.sought == [{SOURCE: 3}]
    await consumer.accept(records(3, 1))
    assert len(consumer.delivered) == 1


async def test_new_offset_when_an_earlier_batch_runs_then_nothing_behind_it_is_committed() -> None:
    consumer = Consumer()
    consumer.expect(0)
    await consumer.accept(records(0, 2))
    await consumer.accept(records(2, 2))

    consumer.delivered[1].finish_all()
    assert consumer.committable() is None
    consumer.delivered[0].finish(0)
    assert consumer.committable() == 1
    consumer.delivered[0].finish(1)
    assert consumer.committable() == 4


async def test_verify_event_path_then_no_false_alarm() -> None:
    Consumer().verify_event_path(0.0, SOURCE)  # Faust's would look for a state that is not there


def test_settings_extra_then_the_producer_is_idempotent() -> None:
    assert IdempotentProducer._settings_extra(cast("IdempotentProducer", None)) == {"acks": "all", "enable_idempotence": True}  # noqa: SLF001  # it is the override that is tested


class Recovery(BulkRecovery):
    """A `BulkRecovery` in an application that only writes down in which order it is asked."""

    def __init__(self) -> None:  # Faust's needs an application
        self.asked: list[str] = []
        self.in_recovery = True
        self.completed, self._signal_recovery_end, self._signal_recovery_start = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._active_events_received_at, self._standby_events_received_at = {}, {}
        self._processing_times = deque()
        self.actives_for_table, self.standbys_for_table = defaultdict(set), defaultdict(set)
        self.tables = cast("Any", self._writing("tables", values=list, changelog_topics=set()))
        self.app = cast("EngineApp", self._writing("app", consumer_generation_id=1, rebalancing_count=1))
        consumer = self._writing("consumer", assignment=lambda: {SOURCE})
        self.app.consumer = cast("Any", consumer)
        self.app.conf = cast("Any", SimpleNamespace(broker_request_timeout=1))
        self.app.flow_control = cast("Any", self._writing("flow_control"))
        self.app.on_rebalance_complete = cast("Any", self._writing("on_rebalance_complete"))
        cast("Any", self.app)._fetcher = self._writing("fetcher")  # noqa: SLF001  # Faust's name

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ANN401, ASYNC109, ARG002  # Faust's signature
        await coro

    def _writing(self, name: str, **known: object) -> Any:  # noqa: ANN401  # stands for what Faust has there
        return _Writing(name, self.asked, known)


class _Writing:
    def __init__(self, name: str, asked: list[str], known: dict[str, object]) -> None:
        self._name, self._asked = name, asked
        self.__dict__.update(known)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def ask(*_args: object) -> object:
            self._asked.append(f"{self._name}.{method}")
            return asyncio.sleep(0)

        return ask


@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited:RuntimeWarning")  # of the fake's synchronous methods
async def test_on_recovery_completed_then_it_seeks_before_it_clears_the_queues_and_opens_the_sources_last() -> None:
    recovery = Recovery()

    await recovery.on_recovery_completed(1)

    order = ["app.mend_changelogs", "consumer.perform_seek", "app.take_over", "flow_control.resume", "consumer.resume_flow"]
    assert [asked for asked in recovery.asked if asked in {*order, "consumer.resume_partitions"}] == [*order, "consumer.resume_partitions"]


@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited:RuntimeWarning")  # of the fake's synchronous methods
async def test_resume_streams_then_in_the_same_order() -> None:
    recovery = Recovery()

    await recovery._resume_streams(1)  # noqa: SLF001  # it is the override that is tested

    assert recovery.asked.index("consumer.perform_seek") < recovery.asked.index("consumer.resume_partitions")


@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited:RuntimeWarning")  # of the fake's synchronous methods
async def test_on_recovery_completed_when_another_rebalance_began_then_nothing_is_opened() -> None:
    recovery = Recovery()

    await recovery.on_recovery_completed(0)

    assert "flow_control.resume" not in recovery.asked


async def test_set_recovery_started_when_an_earlier_recovery_ended_then_its_signal_is_gone() -> None:
    recovery = Recovery()
    recovery.signal_recovery_end.set()

    recovery._set_recovery_started()  # noqa: SLF001  # it is the override that is tested

    assert not recovery.signal_recovery_end.is_set()


async def test_slurp_changelogs_then_it_returns_at_once_and_clears_no_signal() -> None:
    recovery = Recovery()
    recovery.signal_recovery_end.set()

    await cast("Any", BulkRecovery._slurp_changelogs).fun(recovery)  # noqa: SLF001  # it is the override that is tested

    assert recovery.signal_recovery_end.is_set()


async def test_create_worker_consumer_then_no_step_of_a_rebalance_waits_long_behind_a_fetch() -> None:
    app = build(EngineSettings(bootstrap="one:1", group="g", partitions=1), [])
    thread = object.__new__(ConsumerOnLoop)  # Faust's constructor wants a running consumer
    thread.app, thread.consumer = app, cast("Any", SimpleNamespace(in_transaction=False))

    consumer = thread._create_worker_consumer(cast("Any", app.transport))

    assert consumer._fetch_max_wait_ms == BROKER_WAIT_MS  # noqa: SLF001  # what aiokafka will use
    await cast("Any", consumer).stop()


async def test_consumer_then_it_runs_on_the_loop_of_all_others_until_it_is_stopped() -> None:
    app = build(EngineSettings(bootstrap="one:1", group="g", partitions=1), [])
    consumer = cast("Any", app.consumer)._thread  # noqa: SLF001  # it is the override that is tested
    asked: list[str] = []
    consumer._create_consumer = lambda loop: _Writing(f"aiokafka on {loop is asyncio.get_running_loop()}", asked, {})  # noqa: SLF001  # likewise
    threads = threading.active_count()

    await consumer.maybe_start()
    await consumer.maybe_start()
    assert (asked, threading.active_count()) == (["aiokafka on True.start"], threads)
    await asyncio.wait_for(consumer.stop(), 1)

    assert asked[1:] == ["aiokafka on True.stop"]


async def test_call_thread_then_it_calls_at_once_whether_asynchronous_or_not() -> None:
    consumer = object.__new__(ConsumerOnLoop)  # Faust's constructor wants a running consumer
    calls = consumer.call_thread(asyncio.sleep, 0, result="later"), consumer.call_thread(len, "now")

    assert [await call for call in calls] == ["later", 3]


async def test_table_manager_starts_without_a_pause() -> None:
    class Manager(BulkTableManager):
        def __init__(self) -> None:  # Faust's needs an application
            self._recovery = cast("Any", _Writing("recovery", [], {}))

        async def _update_channels(self) -> None:
            pass

    await asyncio.wait_for(Manager().on_start(), 0.5)


async def test_app_then_faust_is_made_of_our_parts() -> None:
    async def run(_lane: object, _record: object) -> None:
        return

    agent: LaneAgent[Any] = LaneAgent(name="a", topic="t", table="rows", row_type=None, decode=bytes, run=run, outputs=())
    app = build(EngineSettings(bootstrap="one:1,two:2", group="g", partitions=1), [agent])

    assert isinstance(cast("Any", app.tables).recovery, BulkRecovery)
    assert isinstance(cast("Any", app.tables["rows"]).data, RowStore)
    for transport in (app.transport, app.producer_transport):
        assert transport.Consumer is BatchConsumer
        assert transport.Producer is IdempotentProducer


def test_create_directories_then_the_working_directory_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = build(EngineSettings(bootstrap="one:1", group="g", partitions=1), [])

    app._create_directories()  # noqa: SLF001  # it is the override that is tested

    assert list(tmp_path.iterdir()) == []
