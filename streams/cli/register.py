"""`stockwire register`: make ourselves known at the remote systems that want it, and write only what differs."""

import asyncio
from collections.abc import Sequence

import click

from models.errors import StockwireError
from streams.cli import options
from streams.cli.failed import FailedError
from streams.context import context_of
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.settings import Connection, Settings
from streams.systems.spec import Registration

WITHIN_S = 60.0


@click.command("register")
@click.argument("names", metavar="[CONNECTION]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
@options.settings
@options.as_json
def command(settings: Settings, names: tuple[str, ...], *, dry_run: bool, json: bool) -> None:
    """Register at every CONNECTION (default: all that can be registered at), show what differed, and read it back."""
    failed = []
    for one in _chosen(settings, names):
        try:
            found = asyncio.run(_registered(settings, one, dry_run=dry_run))
        except StockwireError as error:
            problem = Redactor.of(one.settings).text(str(error))
            failed.append(one.name)
            options.line({"connection": one.name, "problem": problem}) if json else click.echo(f"{one.name}: {problem}")
        else:
            options.line({"connection": one.name, "registration": found}) if json else _say(one.name, found)
    if failed:
        raise FailedError(f"not registered: {', '.join(failed)}")


def _chosen(settings: Settings, names: Sequence[str]) -> list[Connection]:
    able = {name: one for name, one in settings.connections.items() if one.system.register}
    for name in names:
        if name not in able:
            raise click.UsageError(f"{name!r}: nothing to register at; known: {', '.join(able) or 'none'}")
    return [one for name, one in able.items() if name in names or not names]


async def _registered(settings: Settings, one: Connection, *, dry_run: bool) -> Registration:
    system = one.system
    limits = system.limits_for(one.settings) if system.limits_for else system.limits
    budget = Budget.by_hand(per_second=limits.per_second, per_day=limits.per_day)
    hosts, redactor = system.hosts(one.settings), Redactor.of(one.settings)
    if system.register is None:
        raise FailedError(f"a {system.name} knows no registration")
    try:
        async with asyncio.timeout(WITHIN_S), HttpClient(hosts=hosts, budget=budget, purpose=Purpose.FETCH, redactor=redactor) as http:
            return await system.register(context_of(settings, one), one.settings, http, dry_run=dry_run)
    except TimeoutError as error:
        raise FailedError(f"no answer within {WITHIN_S:.0f} s; try again, what is equal is not written twice") from error


def _say(name: str, found: Registration) -> None:
    done = ("changed" if found.exists else "made") if found.written else "as configured" if not found.differences else "would be written"
    click.echo(f"{name}: module {found.code}: {done}")
    for text in found.differences:
        click.echo(f"  {text}")
