"""The topics as data: names, partitions and cleanup, derived from the configuration; and how they are made."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType  # type: ignore[attr-defined]  # they are there at run time
from confluent_kafka.cimpl import NewTopic

from models import topics as names
from models.errors import StockwireError
from streams.kafka_client import no_answer
from streams.settings import Settings

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ASK_WITHIN_S = 10.0
REPLICAS = 3
LATEST, EARLIEST = OffsetSpec.latest(), OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # they have no types

Client = Mapping[str, str | int | float | bool]
"""The configuration of a confluent-kafka client (`streams.kafka_client.confluent`)."""


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic. `config` holds exactly the settings that we care about; all others are the cluster's."""

    name: str
    partitions: int
    config: dict[str, str] = {}


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What `create` did: `created`, or else `differences` between what is there and what should be (none: as it should be)."""

    name: str
    created: bool
    differences: tuple[str, ...] = ()


def kept(name: str, partitions: int, *, days: int) -> Topic:
    """A topic whose records are dropped after `days`."""
    return Topic(name=name, partitions=partitions, config={"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)})


def register(name: str, partitions: int) -> Topic:
    """A topic of which the newest record per key stays for ever."""
    return Topic(name=name, partitions=partitions, config={"cleanup.policy": "compact", "max.compaction.lag.ms": str(DAY_MS)})


def changelog(name: str, partitions: int) -> Topic:
    """The rows of a table. Small segments, compacted soon but not at once: a fast recovery reads little.

    For an hour every row stays, also an older one that a stale owner wrote behind a newer one: recovery knows which is newer,
    compaction would keep the later.
    """
    config = {"min.compaction.lag.ms": str(HOUR_MS), "segment.bytes": str(64 * 1024 * 1024), "min.cleanable.dirty.ratio": "0.2"}
    topic = register(name, partitions)
    return Topic(name=name, partitions=partitions, config=topic.config | config)


def group(role: str) -> str:
    """The consumer group of a role, which is also Faust's application id."""
    return f"stockwire.{role}"


def changelog_topic(group_name: str, table: str) -> str:
    """Faust's own name for the changelog of `table` in the application `group_name`."""
    return f"{group_name}-{table}-changelog"


def topics(settings: Settings) -> list[Topic]:
    """Every topic that the configuration needs, in the order of the flow. All have the same number of partitions, so that keys meet."""
    count = settings.kafka.partitions
    connections = settings.connections.values()
    channels = [one.name for one in connections if one.system.sink or one.system.bulk]
    found = [kept(names.inbound(one.name), count, days=7) for one in connections]
    found += [kept(names.hint(one.name), count, days=1) for one in connections]
    found += [kept(names.FACT_STOCK, count, days=7)]
    found += [register(names.level(channel), count) for channel in channels]
    found += [kept(names.outcome(channel), count, days=14) for channel in channels]
    found += [
        register(names.POLL, count),
        register(names.REVIEW, count),
        kept(names.AUDIT, count, days=365),
        kept(names.DEAD, count, days=90),
    ]
    tables = {"worker": ["stock", *(f"items.{one.name}" for one in connections)], "sender": [f"sent.{channel}" for channel in channels]}
    found += [changelog(changelog_topic(group(role), table), count) for role, owned in tables.items() for table in owned]
    return found


def create(bootstrap: str, wanted: Sequence[Topic], *, replication: int | None = None, client: Client | None = None) -> list[Made]:
    """Make what is missing, and say where what is there differs; nothing that exists is changed. Returns when all can be used.

    `replication` None: 3, or as many as there are brokers. `client` adds security to the bootstrap address.
    Raises `StockwireError` when Kafka does not answer or refuses.
    """
    admin = AdminClient({"log_level": 0, **(client or {}), "bootstrap.servers": bootstrap})
    present, brokers = _present(admin, bootstrap)
    factor = replication or min(REPLICAS, brokers)
    missing = [topic for topic in wanted if topic.name not in present]
    _make(admin, missing, factor)
    _wait_until_usable(admin, missing)
    found = compare(admin, [topic for topic in wanted if topic.name in present])
    created = {topic.name for topic in missing}
    return [Made(name=topic.name, created=topic.name in created, differences=tuple(found.get(topic.name, ()))) for topic in wanted]


def touch(bootstrap: str, wanted: Iterable[Topic]) -> None:
    """Make the topics exist on the embedded broker, which has no other way and gives each 4 partitions."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for topic in wanted:
        admin.list_topics(topic.name, timeout=ASK_WITHIN_S)


def compare(admin: AdminClient, wanted: Sequence[Topic], *, embedded: bool = False) -> dict[str, list[str]]:
    """How each existing topic differs from what is wanted, in words; a topic that does not exist is not in the answer.

    The embedded broker's topics have no configuration, so only their partitions are compared.
    """
    present = admin.list_topics(timeout=ASK_WITHIN_S).topics
    there = [topic for topic in wanted if topic.name in present]
    configs = {} if embedded else _configs(admin, [topic.name for topic in there])
    found: dict[str, list[str]] = {}
    for topic in there:
        count = len(present[topic.name].partitions)
        found[topic.name] = [] if count == topic.partitions else [f"partitions is {count}, should be {topic.partitions}"]
        for key, value in topic.config.items() if topic.name in configs else ():
            actual = configs[topic.name].get(key)
            if actual != value:
                found[topic.name].append(f"{key} is {actual}, should be {value}")
    return found


def _present(admin: AdminClient, bootstrap: str) -> tuple[set[str], int]:
    try:
        metadata = admin.list_topics(timeout=ASK_WITHIN_S)
    except KafkaException as error:
        raise StockwireError(no_answer(bootstrap, error)) from error
    return set(metadata.topics), len(metadata.brokers)


def _make(admin: AdminClient, missing: Sequence[Topic], factor: int) -> None:
    # With three copies, one broker may be away and what is acknowledged is still on two.
    durable = {"min.insync.replicas": "2"} if factor >= REPLICAS else {}
    news = [NewTopic(topic.name, topic.partitions, factor, config=topic.config | durable) for topic in missing]
    refused = []
    for name, made in (admin.create_topics(news) if news else {}).items():
        try:
            made.result(ASK_WITHIN_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was faster
                refused.append(f"{name}: {error.args[0].str()}")
    if refused:
        raise StockwireError("Kafka refused to create topics:\n" + "\n".join(refused))


def _wait_until_usable(admin: AdminClient, created: Sequence[Topic]) -> None:
    """A topic is announced, and even has leaders, a moment before they answer."""
    end = time.monotonic() + ASK_WITHIN_S
    waiting = {(topic.name, partition) for topic in created for partition in range(topic.partitions)}
    while waiting:
        admin.list_topics(timeout=ASK_WITHIN_S)  # librdkafka would go on believing that there is no leader
        answers = admin.list_offsets({TopicPartition(*place): LATEST for place in waiting})
        waiting = {(place.topic, place.partition) for place, answer in answers.items() if answer.exception(ASK_WITHIN_S) is not None}
        if waiting and time.monotonic() > end:
            raise StockwireError(f"no leader within {ASK_WITHIN_S:.0f} s for: {', '.join(sorted({name for name, _ in waiting}))}")
        if waiting:
            time.sleep(0.05)


def _configs(admin: AdminClient, topic_names: Sequence[str]) -> dict[str, dict[str, Any]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topic_names]
    answers = admin.describe_configs(resources) if resources else {}
    return {resource.name: {key: entry.value for key, entry in answer.result(ASK_WITHIN_S).items()} for resource, answer in answers.items()}
