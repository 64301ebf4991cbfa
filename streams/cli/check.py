"""`stockwire check`: the configuration as it is in force, and whether the world fits it."""

import asyncio
from collections.abc import Iterable
from typing import Any

import click
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console

from models.codec import encode
from models.errors import StockwireError
from streams.cli import options
from streams.cli.failed import FailedError
from streams.context import context_of
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.kafka_client import confluent
from streams.settings import Connection, Settings, shown
from streams.topics import ASK_WITHIN_S, compare, topics

CHECK_WITHIN_S = 60.0


@click.command("check")
@click.option("--offline", is_flag=True, help="Only the file: ask neither Kafka nor any connection.")
@options.settings
@options.as_json
def command(settings: Settings, *, offline: bool, json: bool) -> None:
    """Show the configuration with its defaults (secrets as ***), try each connection, and say what does not fit."""
    plain = shown(settings)
    options.line({"configuration": plain}) if json else Console().print_json(encode(plain).decode())
    if offline:
        return
    found = {"kafka": _kafka(settings)} | asyncio.run(_connections(settings))
    for subject, problems in found.items():
        if json:
            options.line({"subject": subject, "problems": problems})
        else:
            click.echo(f"{subject}: {'; '.join(problems) or 'ok'}")
    wrong = [subject for subject, problems in found.items() if problems]
    if wrong:
        raise FailedError(f"does not fit: {', '.join(wrong)}")


def _kafka(settings: Settings) -> list[str]:
    where, said = settings.kafka.bootstrap, list[KafkaError]()
    # What its client says meanwhile: a refused log-in or certificate is no more than "no answer" otherwise.
    client: dict[str, Any] = {**confluent(settings.kafka), "error_cb": said.append}
    try:
        admin = AdminClient(client)
    except KafkaException as error:
        return [f"[kafka] cannot be used: {error.args[0].str()}"]
    wanted = topics(settings)
    try:
        present = admin.list_topics(timeout=ASK_WITHIN_S).topics
        differences = compare(admin, wanted, embedded=settings.kafka.embedded)
    except KafkaException as error:
        admin.poll(0)
        return [
            f"{where} does not answer ({_why(error.args[0], said)}); is it running, are the address, [kafka.sasl] and [kafka.tls] right?"
        ]
    missing = [topic.name for topic in wanted if topic.name not in present]
    problems = [f"{len(missing)} topics are missing ({missing[0]} ...): run `stockwire topics create`"] if missing else []
    return problems + [f"{name}: {text}" for name, texts in differences.items() for text in texts]


def _why(error: KafkaError, said: list[KafkaError]) -> str:
    """The first thing that a broker's connection said, else the error of the call."""
    told = [one for one in said if one.code() != KafkaError._ALL_BROKERS_DOWN]  # noqa: SLF001  # its public name
    return (told[0] if told else error).str().strip()


async def _connections(settings: Settings) -> dict[str, list[str]]:
    """The problems of each connection, tried side by side."""
    answers = await asyncio.gather(*(_connection(settings, one) for one in settings.connections.values()))
    return dict(zip(settings.connections, answers, strict=True))


async def _connection(settings: Settings, one: Connection) -> list[str]:
    system = one.system
    limits = system.limits_for(one.settings) if system.limits_for else system.limits
    budget = Budget.by_hand(per_second=limits.per_second, per_day=limits.per_day)
    redactor = Redactor.of(one.settings)
    try:
        async with (
            asyncio.timeout(CHECK_WITHIN_S),
            HttpClient(hosts=system.hosts(one.settings), budget=budget, purpose=Purpose.FETCH, redactor=redactor) as http,
        ):
            return await system.check(context_of(settings, one), one.settings, http) + await _sellers(
                one, settings.connections.values(), http
            )
    except TimeoutError:
        return [f"no answer within {CHECK_WITHIN_S:.0f} s"]
    except StockwireError as error:
        return [redactor.text(str(error))]


async def _sellers(warehouse: Connection, channels: Iterable[Connection], http: HttpClient) -> list[str]:
    """Ids that a channel claims to have in the warehouse, and the warehouse does not know."""
    if warehouse.system.seller_ids is None:
        return []
    known = frozenset(await warehouse.system.seller_ids(warehouse.name, warehouse.settings, http))
    there = ", ".join(sorted(known)) or "none"
    return [
        f"connections.{channel.name}.sellers.{warehouse.name}: {seller!r} is no sales channel there; known: {there}"
        for channel in channels
        for seller in channel.channel.sellers.get(warehouse.name, ())
        if seller not in known
    ]
