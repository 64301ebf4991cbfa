"""The composition root: from the settings, the agents of each role, with everything they need from outside."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from agents.fetch.agent import fetch_agent
from agents.poll.agent import poll_agent
from agents.poll.decide import Rule
from agents.ports import Pager
from agents.send import bulk_send_agent, send_agent
from agents.stock.agent import stock_agent
from agents.translate.agent import translate_agent
from models.agent import LaneAgent, TableAgent
from models.topics import FACT_STOCK, REVIEW
from streams import engine
from streams.catalogue import CATALOGUE, PAGE_OFFERS, CataloguePager
from streams.configure import FaustRole, catalogue_rule, engine_settings, reconcile_rule, stock_config, translate_config
from streams.context import context_of
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.seed import seed
from streams.settings import Connection, Settings

Agent = TableAgent[Any] | LaneAgent[Any]


def agents_of(settings: Settings, role: FaustRole) -> list[Agent]:
    """The agents of one role, not started."""
    return list(_made(settings, role, Doors()))


def run_role(settings: Settings, role: FaustRole) -> None:
    """Be this role until SIGTERM or SIGINT."""
    doors = Doors()
    agents = list(_made(settings, role, doors))
    if role == "poller":
        seed(settings.kafka, _pollers(settings, doors))
    engine.run(engine_settings(settings, role), agents, on_stop=doors.close)


class Doors:
    """The HTTP clients of this process: one per connection and purpose, one budget per connection."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, Purpose], HttpClient] = {}
        self._budgets: dict[str, Budget] = {}

    def to(self, connection: Connection, purpose: Purpose) -> HttpClient:
        """The client with which the connection may be called for this purpose."""
        at = (connection.name, purpose)
        if at not in self._clients:
            spec, settings = connection.system, connection.settings
            redactor = Redactor.of(settings)
            self._clients[at] = HttpClient(hosts=spec.hosts(settings), budget=self.budget(connection), purpose=purpose, redactor=redactor)
        return self._clients[at]

    def budget(self, connection: Connection) -> Budget:
        """What all purposes of the connection share."""
        if connection.name not in self._budgets:
            spec = connection.system
            limits = spec.limits_for(connection.settings) if spec.limits_for else spec.limits
            has = {Purpose.SEND: spec.sink or spec.bulk, Purpose.FETCH: spec.reader, Purpose.POLL: spec.pagers}
            purposes = [purpose for purpose, there in has.items() if there]
            self._budgets[connection.name] = Budget(per_second=limits.per_second, per_day=limits.per_day, purposes=purposes)
        return self._budgets[connection.name]

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.close()


def _made(settings: Settings, role: FaustRole, doors: Doors) -> Iterator[Agent]:
    if role == "worker":
        yield from _worker(settings)
    elif role == "sender":
        yield from _sender(settings, doors)
    else:
        yield poll_agent(_pollers(settings, doors), also=(FACT_STOCK, REVIEW))


def _worker(settings: Settings) -> Iterator[Agent]:
    for connection in settings.connections.values():
        spec = connection.system
        translate = spec.translate_for(connection.settings) if spec.translate_for else spec.translate
        yield translate_agent(translate_config(settings, connection), translate)
    yield stock_agent(stock_config(settings))


def _sender(settings: Settings, doors: Doors) -> Iterator[Agent]:
    channels = {route.channel for route in settings.stock}
    for connection in settings.connections.values():
        spec, name = connection.system, connection.name
        if spec.reader:
            agent = fetch_agent(name, spec.reader(name, connection.settings, doors.to(connection, Purpose.FETCH)))
            yield _sharing(agent, doors.budget(connection), Purpose.FETCH)
        if spec.sink and name in channels:
            sender = send_agent(name, spec.sink(name, connection.settings, doors.to(connection, Purpose.SEND)))
            yield _sharing(sender, doors.budget(connection), Purpose.SEND)
        if spec.bulk and name in channels:
            bulk = spec.bulk(context_of(settings, connection), connection.settings, doors.to(connection, Purpose.SEND))
            yield _sharing(bulk_send_agent(name, bulk), doors.budget(connection), Purpose.SEND)


def _sharing(agent: LaneAgent[Any], budget: Budget, purpose: Purpose) -> LaneAgent[Any]:
    """The agent, with its part of the budget as large as its part of the partitions."""
    return msgspec.structs.replace(agent, share=partial(budget.own, purpose))


def _pollers(settings: Settings, doors: Doors) -> dict[tuple[str, str], tuple[Pager, Rule]]:
    """All lists; each has one key, so one process reads it and has the whole budget for it."""
    lists: dict[tuple[str, str], tuple[Pager, Rule]] = {}
    for connection in settings.connections.values():
        if connection.system.pagers:
            pagers = connection.system.pagers(connection.name, connection.settings, doors.to(connection, Purpose.POLL))
            rule = reconcile_rule(settings, connection.name)
            lists |= {(connection.name, what): (pager, rule) for what, pager in pagers.items()}
    for route in settings.stock:
        lists[route.channel, CATALOGUE] = (
            _catalogue(settings, settings.connections[route.channel], doors),
            catalogue_rule(settings, route),
        )
    return lists


def _catalogue(settings: Settings, channel: Connection, doors: Doors) -> Pager:
    """Half of what the channel can be told, so that live changes are not held up."""
    offers = PAGE_OFFERS if channel.system.bulk else 1
    return CataloguePager(settings.kafka, channel.name, offers_per_s=doors.budget(channel).rate(Purpose.SEND) * offers / 2)
