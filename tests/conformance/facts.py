"""What becomes of an element from outside: the facts, by the agent that reads `inbound.<connection>.v1`."""

from typing import Any

from agents.ports import Element
from agents.translate.agent import translate_agent
from models.agent import Decision, Record, View
from models.config import TranslateConfig
from tests.conformance.manifests import SYSTEMS, translate_of


def assert_nothing_new(name: str, element: Element, repeat: Element) -> None:
    """After the first, its repeat is no second fact, and leaves everything as it was."""
    first, again = facts_of(name, [element, repeat])
    assert first.dead == again.dead == ()
    assert again.row is None
    assert [emit for emit in again.emits if emit not in first.emits] == []


def facts_of(name: str, elements: list[Element]) -> list[Decision]:
    """What becomes of elements of one key, one after the other, as the engine would have it."""
    config = TranslateConfig(connection="c", place="p" if SYSTEMS[name].warehouse else None)
    agent = translate_agent(config, translate_of(name))
    row: Any = None
    shared: dict[str, Any] = {}
    found = []
    for sequence, element in enumerate(elements, 1):
        record = Record(
            topic=agent.topic,
            partition=0,
            offset=sequence,
            sequence=sequence,
            time_ms=element.inbound.received_ms,
            key=element.key,
            value=element.value,
            headers=element.inbound.headers(),
            body=agent.decode(element.value),
        )
        decision = agent.decide(View(element.key, row, config, shared), record)
        row = row if decision.row is None else decision.row
        shared |= decision.shared
        found.append(decision)
    return found
