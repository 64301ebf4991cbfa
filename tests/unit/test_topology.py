"""The picture of the flow follows from the declarations alone."""

import msgspec

from models.agent import Decision, TableAgent
from streams.topology import Hop, hops, mermaid


class Row(msgspec.Struct, frozen=True):
    at: int = -1
    due: int | None = None


def _agent(name: str, topic: str, *outputs: str) -> TableAgent[Row]:
    return TableAgent(
        name=name,
        topic=topic,
        table=f"rows.{name}",
        row_type=Row,
        decode=lambda value: value,
        decide=lambda _view, _record: Decision(),
        outputs=outputs,
        config=Row(),
    )


def test_hops_when_agents_are_declared_then_one_each() -> None:
    found = hops({"worker": [_agent("first", "in.v1", "mid.v1")], "sender": [_agent("second", "mid.v1")]})
    assert found == [
        Hop(role="worker", agent="first", reads="in.v1", table="rows.first", writes=("mid.v1",)),
        Hop(role="sender", agent="second", reads="mid.v1", table="rows.second", writes=()),
    ]


def test_mermaid_when_drawn_then_agents_stand_in_their_role_between_their_topics() -> None:
    picture = mermaid(hops({"worker": [_agent("first", "in.a-b.v1", "mid.v1")], "sender": [_agent("second", "mid.v1")]}))
    assert picture.splitlines() == [
        "flowchart LR",
        "  subgraph worker",
        '    agent_first(["first"])',
        '    table_rows_first[("rows.first")] --- agent_first',
        "  end",
        "  subgraph sender",
        '    agent_second(["second"])',
        '    table_rows_second[("rows.second")] --- agent_second',
        "  end",
        '  topic_in_a__b_v1["in.a-b.v1"] --> agent_first',
        '  agent_first --> topic_mid_v1["mid.v1"]',
        '  topic_mid_v1["mid.v1"] --> agent_second',
    ]
