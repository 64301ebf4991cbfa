"""The flow as a picture, from what the agents declare: topic → agent (and its table) → topics."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from models.agent import LaneAgent, TableAgent

Agents = Mapping[str, Iterable[TableAgent[Any] | LaneAgent[Any]]]
"""By role."""


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One agent between its topics. Every agent may also write to `dead.v1`, which is left out."""

    role: str
    agent: str
    reads: str | None
    table: str | None
    writes: tuple[str, ...]


def hops(agents: Agents) -> list[Hop]:
    """All agents, role by role."""
    return [
        Hop(role=role, agent=agent.name, reads=agent.topic, table=agent.table, writes=agent.outputs)
        for role, made in agents.items()
        for agent in made
    ]


def mermaid(found: Iterable[Hop]) -> str:
    """A Mermaid flow chart: topics as boxes, agents as rounded boxes inside their role, tables as cylinders."""
    hops_by_role: dict[str, list[Hop]] = {}
    for hop in found:
        hops_by_role.setdefault(hop.role, []).append(hop)
    lines = ["flowchart LR"]
    for role, members in hops_by_role.items():
        lines += [f"  subgraph {role}", *(line for hop in members for line in _inside(hop)), "  end"]
    edges = [line for members in hops_by_role.values() for hop in members for line in _edges(hop)]
    return "\n".join([*lines, *dict.fromkeys(edges)]) + "\n"


def _inside(hop: Hop) -> list[str]:
    agent = f'    {_id("agent", hop.agent)}(["{hop.agent}"])'
    return [agent] if hop.table is None else [agent, f'    {_id("table", hop.table)}[("{hop.table}")] --- {_id("agent", hop.agent)}']


def _edges(hop: Hop) -> list[str]:
    agent = _id("agent", hop.agent)
    read = [] if hop.reads is None else [f"  {_topic(hop.reads)} --> {agent}"]
    return read + [f"  {agent} --> {_topic(name)}" for name in hop.writes]


def _topic(name: str) -> str:
    return f'{_id("topic", name)}["{name}"]'


def _id(kind: str, name: str) -> str:
    """Mermaid's ids know letters, digits and underscores; names here have `.` and `-`, which must stay different."""
    return f"{kind}_{name.replace('-', '__').replace('.', '_')}"
