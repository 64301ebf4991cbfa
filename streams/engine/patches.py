"""Where the engine's classes take the place of Faust's, and every private member it relies on or overrides.

Nothing of Faust or aiokafka is changed in place: our App makes our transport, our transport our consumer and producer.
Both packages are pinned exactly. `OVERRIDES` names each overridden member, why, and a digest of the source it replaces,
so that an upgrade that changes one fails a test and is read before it is taken.
"""

import hashlib
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from faust.app.base import App
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver

from streams.engine.channel import BatchConsumer


class IdempotentProducer(driver.Producer):
    """Faust's producer, idempotent: retries inside aiokafka neither repeat nor reorder."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class EngineTransport(driver.Transport):
    """aiokafka with our consumer and producer."""

    Consumer = BatchConsumer
    Producer = IdempotentProducer


class Override(NamedTuple):
    """`digest` is that of the upstream source (`digest_of_source`)."""

    owner: type
    member: str
    digest: str
    cause: str


OVERRIDES = (
    Override(Consumer, "_drain_messages", "", "one Faust event per record; a fetch that outlives its assignment is dropped and lost"),
    Override(Consumer, "perform_seek", "", "partitions without a commit are not sought back"),
    Override(Consumer, "_new_offset", "", "commits over records in flight when the gap is one, or when there is no commit yet"),
    Override(Consumer, "_filter_tps_with_pending_acks", "", "our finished offsets are not in Faust's lists"),
    Override(Consumer, "wait_empty", "", "waits without bound, also for what has only been queued"),
    Override(Consumer, "on_partitions_revoked", "", "forgets finished offsets before it commits them"),
    Override(driver.Consumer, "verify_event_path", "", "compares a monotonic with a wall clock: false alarms"),
    Override(driver.Producer, "_settings_extra", "", "the place where Faust lets an idempotent producer in"),
    Override(Recovery, "on_recovery_completed", "", "opens the sources, then seeks, then clears the queues: what came between is lost"),
    Override(Recovery, "_resume_streams", "", "the same, for applications without tables"),
    Override(Recovery, "_set_recovery_started", "", "the signal of the end is cleared in the loop that we replace"),
    Override(TableManager, "recovery", "", "makes Faust's recovery"),
    Override(Collection, "_new_store", "", "makes Faust's store"),
    Override(App, "_new_transport", "", "makes Faust's transport"),
    Override(App, "_new_producer_transport", "", "makes Faust's transport"),
)


def digest_of_source(owner: type, member: str) -> str:
    """A digest of the source text of a member, without its indentation."""
    found = inspect.getattr_static(owner, member)
    function = getattr(found, "fget", None) or getattr(found, "fun", None) or found
    return hashlib.sha256(inspect.cleandoc(inspect.getsource(function)).encode()).hexdigest()[:12]
