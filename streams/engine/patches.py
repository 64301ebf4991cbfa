"""Where the engine's classes take the place of Faust's, and every private member it relies on or overrides.

Nothing of Faust or aiokafka is changed in place: our App makes our transport, our transport our consumer and producer.
Both packages are pinned exactly. The tables name each member, why, and a digest of its source, so that an upgrade that
changes one fails a test and is read before it is taken.
"""

import hashlib
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka.consumer.fetcher import Fetcher
from aiokafka.producer.message_accumulator import MessageAccumulator
from faust.app.base import App
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from mode.threads import QueueServiceThread, ServiceThread

from streams.engine.channel import BatchConsumer


class IdempotentProducer(driver.Producer):
    """Faust's producer, idempotent: retries inside aiokafka neither repeat nor reorder."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class EngineTransport(driver.Transport):
    """aiokafka with our consumer and producer."""

    Consumer = BatchConsumer
    Producer = IdempotentProducer


class Upstream(NamedTuple):
    """A private piece of Faust or aiokafka. `digest` is that of the source as it was read (`digest_of_source`)."""

    owner: type
    member: str
    digest: str
    cause: str


OVERRIDES = (
    Upstream(
        Consumer,
        "_drain_messages",
        "d29d37519f2d",
        "one event per record; what a fetch that outlives its assignment took is dropped and lost",
    ),
    Upstream(Consumer, "perform_seek", "5358eac6c212", "leaves partitions without a commit where a dropped fetch moved them"),
    Upstream(Consumer, "_new_offset", "43262143bdac", "commits over records in flight when the gap is one, or when there is no commit yet"),
    Upstream(Consumer, "_filter_tps_with_pending_acks", "7b5e9b3c9f1b", "our finished offsets are not in Faust's lists"),
    Upstream(Consumer, "wait_empty", "947ed175bfcf", "waits without bound, and for what has only been queued"),
    Upstream(Consumer, "on_partitions_revoked", "c8ac3e4a2d70", "forgets finished offsets before it commits them"),
    Upstream(driver.Consumer, "_new_consumer_thread", "cd26d06ef170", "makes Faust's thread"),
    Upstream(ServiceThread, "start", "e75718b2546d", "starts a thread, where each fetch costs a quarter of a millisecond more"),
    Upstream(ServiceThread, "stop", "3c133a69939b", "ends the thread"),
    Upstream(QueueServiceThread, "call_thread", "2946b7e459bd", "goes to the thread by a queue that only two calls leave at a time"),
    Upstream(
        driver.AIOKafkaConsumerThread,
        "_create_worker_consumer",
        "df784c24f01e",
        "fetches wait 1.5 s at the broker, and each step of a rebalance behind them",
    ),
    Upstream(driver.Consumer, "verify_event_path", "cac9905ae91e", "compares a monotonic with a wall clock: false alarms"),
    Upstream(driver.Producer, "_settings_extra", "31cee699e7fd", "the place where Faust lets an idempotent producer in"),
    Upstream(
        Recovery,
        "on_recovery_completed",
        "b60527bae562",
        "opens the sources, then seeks, then clears the queues: what came between is lost",
    ),
    Upstream(Recovery, "_resume_streams", "bc681f67fb0c", "the same, for applications without tables"),
    Upstream(Recovery, "_slurp_changelogs", "6f289a0225f8", "one asyncio round per changelog record; an older row replaces a newer one"),
    Upstream(Recovery, "_set_recovery_started", "913d06637348", "the signal of the end is cleared in the loop that we replace"),
    Upstream(TableManager, "on_start", "9e2be42081c1", "sleeps for a second at each start"),
    Upstream(TableManager, "recovery", "f7226be333bc", "makes Faust's recovery"),
    Upstream(Collection, "_new_store", "19d7e7993a21", "makes Faust's store"),
    Upstream(App, "_create_directories", "5e40d6b1a5c0", "makes folders in the working directory, which we have no use for"),
    Upstream(App, "_new_transport", "fa8f89679917", "makes Faust's transport"),
    Upstream(App, "_new_producer_transport", "da1dbf56c0f0", "makes Faust's transport"),
)
"""What the engine replaces."""

RELIED_ON = (
    Upstream(Recovery, "_restart_recovery", "2bc1989fda0e", "calls what we override, in this order"),
    Upstream(Recovery, "on_rebalance", "daa42029a0bd", "keeps the offsets of partitions that stay"),
    Upstream(App, "_on_partitions_revoked", "2e4a20a3b4e8", "calls wait_empty while the partitions are still ours"),
    Upstream(App, "_stop_consumer", "00427bfdb600", "the same, at the end"),
    Upstream(Consumer, "force_commit", "60c36b6e6488", "asks _filter_tps_with_pending_acks and _new_offset, and nobody else"),
    Upstream(driver.AIOKafkaConsumerThread, "_fetch_records", "390594ddd941", "returns nothing once the flow has stopped"),
    Upstream(ServiceThread, "_shutdown_thread", "ca4662366a9c", "ends what the thread has begun, in this order"),
    Upstream(QueueServiceThread, "on_thread_stop", "8f84b0bfc0b7", "leaves a queue alone that nobody has made"),
    Upstream(driver.AIOKafkaConsumerThread, "on_thread_stop", "3b87227d1d0f", "stops aiokafka's consumer"),
    Upstream(Fetcher, "fetched_records", "f1d6baf0aafb", "waits for an assignment, and takes an empty set for all partitions"),
    Upstream(MessageAccumulator, "add_batch", "d0cee0011c62", "keeps batches of a partition in order"),
)
"""What the engine needs to stay as it is."""


def digest_of_source(owner: type, member: str) -> str:
    """A digest of the source text of a member, without its indentation."""
    found = inspect.getattr_static(owner, member)
    function = getattr(found, "fget", None) or getattr(found, "fun", None) or found
    return hashlib.sha256(inspect.cleandoc(inspect.getsource(function)).encode()).hexdigest()[:12]
