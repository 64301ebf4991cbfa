"""The composition root: from the settings, the agents of each role, with everything they need from outside."""

from collections.abc import Iterator
from typing import Any

import uvloop

from agents.fetch.agent import fetch_agent
from agents.poll.agent import poll_agent
from agents.poll.decide import Rule
from agents.ports import Pager
from agents.send.agent import send_agent
from agents.stock.agent import stock_agent
from agents.translate.agent import translate_agent
from models.agent import LaneAgent, TableAgent
from streams import engine
from streams.configure import FaustRole, engine_settings, reconcile_rule, stock_config, translate_config
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.receiver import serve
from streams.seed import seed
from streams.settings import Connection, Settings

Agent = TableAgent[Any] | LaneAgent[Any]
ROLES = ("receiver", "worker", "sender", "poller")


def agents_of(settings: Settings, role: FaustRole) -> list[Agent]:
    """The agents of one role, not started."""
    made = {"worker": _worker, "sender": _sender, "poller": _poller}[role]
    return list(made(settings))


def run_role(settings: Settings, role: str) -> None:
    """Be this role until SIGTERM or SIGINT."""
    if role == "receiver":
        uvloop.run(serve(settings))
        return
    faust_role: FaustRole = role  # type: ignore[assignment]  # the command line offers no other
    if faust_role == "poller":
        seed(settings.kafka, dict(_lists(settings)))
    engine.run(engine_settings(settings, faust_role), agents_of(settings, faust_role))


def _worker(settings: Settings) -> Iterator[Agent]:
    for connection in settings.connections.values():
        spec = connection.system
        translate = spec.translate_for(connection.settings) if spec.translate_for else spec.translate
        yield translate_agent(translate_config(settings, connection), translate)
    yield stock_agent(stock_config(settings))


def _sender(settings: Settings) -> Iterator[Agent]:
    channels = {route.channel for route in settings.stock}
    for connection in settings.connections.values():
        spec, budget = connection.system, _budget(connection)
        if spec.reader:
            yield fetch_agent(connection.name, spec.reader(connection.name, connection.settings, _http(connection, budget, Purpose.FETCH)))
        if spec.sink and connection.name in channels:
            yield send_agent(connection.name, spec.sink(connection.name, connection.settings, _http(connection, budget, Purpose.SEND)))


def _poller(settings: Settings) -> Iterator[Agent]:
    yield poll_agent(dict(_lists(settings)))


def _lists(settings: Settings) -> Iterator[tuple[tuple[str, str], tuple[Pager, Rule]]]:
    for connection in settings.connections.values():
        if connection.system.pagers is None:
            continue
        http = _http(connection, _budget(connection), Purpose.POLL)
        for what, pager in connection.system.pagers(connection.name, connection.settings, http).items():
            yield (connection.name, what), (pager, reconcile_rule(settings, connection.name))


def _budget(connection: Connection) -> Budget:
    limits = connection.system.limits
    return Budget(per_second=limits.per_second, per_day=limits.per_day)


def _http(connection: Connection, budget: Budget, purpose: Purpose) -> HttpClient:
    hosts = connection.system.hosts(connection.settings)
    return HttpClient(hosts=hosts, budget=budget, purpose=purpose, redactor=Redactor.of(connection.settings))
