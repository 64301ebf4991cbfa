"""The topics of a configuration are exactly those that its agents name."""

from pathlib import Path

import pytest

from models import topics as names
from streams.app import agents_of
from streams.engine.app import changelog_topic
from streams.settings import load
from streams.topics import group, topics

SECRETS = ("THETIS_KEY", "THETIS_ID", "THETIS_SECRET", "THETIS_HOOK", "SHOP_HOOK", "MARKET_HOOK", "CRM_KEY", "CRM_CLIENT_ID")


@pytest.mark.req("X-18")
async def test_topics_when_derived_then_all_that_agents_read_write_and_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "whsec_c3RvY2t3aXJlLWV4YW1wbGUtc2VjcmV0LTAwMDAwMDAx")
    settings = load(Path(__file__).parents[2] / "stockwire.example.toml")
    needed = {names.DEAD}
    for role in ("worker", "sender", "poller"):
        for agent in agents_of(settings, role):
            needed |= {agent.topic, *agent.outputs}
            needed |= {changelog_topic(group(role), agent.table)} if agent.table else set()
    made = topics(settings)
    assert needed <= {topic.name for topic in made}
    for_people_only = {names.REVIEW, names.AUDIT}
    assert {topic.name for topic in made} - needed <= for_people_only
    assert {topic.partitions for topic in made} == {settings.kafka.partitions}


def test_topics_when_registers_or_rows_then_compacted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "whsec_c3RvY2t3aXJlLWV4YW1wbGUtc2VjcmV0LTAwMDAwMDAx")
    made = {topic.name: topic.config for topic in topics(load(Path(__file__).parents[2] / "stockwire.example.toml"))}
    compacted = {name for name, config in made.items() if config["cleanup.policy"] == "compact"}
    assert {"level.web-dk.v1", "poll.v1", "review.v1", "stockwire.worker-stock-changelog"} <= compacted
    assert not {"fact.stock.v1", "inbound.wh-aarhus.v1", "dead.v1"} & compacted
    assert made["stockwire.worker-stock-changelog"]["min.compaction.lag.ms"] == "3600000"
