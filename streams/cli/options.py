"""Options and output that the commands share."""

import functools
import getpass
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from models.codec import encode
from streams.read import Filter, moment
from streams.settings import KafkaSettings, load, load_kafka

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT = Path("stockwire.toml")


def as_json(command: F) -> F:
    """`--json`: one JSON object per line, for programs."""
    return click.option("--json", "json", is_flag=True, help="One JSON object per line.")(command)


def config_option(command: F) -> F:
    """`--config`: the configuration file, as `config: Path`."""
    option = click.option(
        "-c", "--config", "config", type=click.Path(path_type=Path), default=DEFAULT, show_default=True, envvar="STOCKWIRE_CONFIG"
    )
    return option(command)


def kafka(command: Callable[..., None]) -> Callable[..., None]:
    """`--bootstrap` or else the `[kafka]` of `--config`: the command gets `kafka: KafkaSettings`."""

    @functools.wraps(command)
    def with_kafka(*, bootstrap: str | None, config: Path, **more: Any) -> None:  # noqa: ANN401  # the command's own options
        command(kafka=KafkaSettings(bootstrap=bootstrap) if bootstrap else load_kafka(config), **more)

    return config_option(_bootstrap(with_kafka))


def settings(command: Callable[..., None]) -> Callable[..., None]:
    """`--config`, at another broker if `--bootstrap` is given: the command gets `settings: Settings`."""

    @functools.wraps(command)
    def with_settings(*, bootstrap: str | None, config: Path, **more: Any) -> None:  # noqa: ANN401  # the command's own options
        found = load(config)
        command(settings=msgspec.structs.replace(found, kafka=KafkaSettings(bootstrap=bootstrap)) if bootstrap else found, **more)

    return config_option(_bootstrap(with_settings))


def by(command: F) -> F:
    """`--by`: who does it, as `by: str`; else the user of the operating system."""
    return click.option("--by", default=_user, metavar="NAME", help="Who does this; default: your user name. Stands in audit.v1.")(command)


def wanted(command: Callable[..., None]) -> Callable[..., None]:
    """`--key`, `--header`, `--since`: the command gets `wanted: Filter`."""

    @functools.wraps(command)
    def with_filter(*, only_key: str | None, only_headers: tuple[str, ...], since: str | None, **more: Any) -> None:  # noqa: ANN401  # the command's own options
        try:
            since_ms = None if since is None else moment(since)
        except ValueError as error:
            raise click.UsageError(f"--since: {error}") from error
        command(wanted=Filter(key=only_key, headers=pairs(only_headers, "--header"), since_ms=since_ms), **more)

    found = click.option("--since", metavar="TIME", help="Only since then: 15m, 2h, 1d ago, or 2026-01-31T08:00:00Z.")(with_filter)
    found = click.option("--header", "only_headers", multiple=True, metavar="NAME=VALUE", help="Only with this header; may be repeated.")(
        found
    )
    return click.option("--key", "only_key", help="Only records with this key.")(found)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return "unknown"


def _bootstrap(command: F) -> F:
    return click.option("--bootstrap", help="host:port of a broker without log-in, in place of [kafka] of the configuration.")(command)


def line(value: Any) -> None:  # noqa: ANN401  # plain data
    """One JSON object on a line of its own."""
    click.echo(encode(value).decode())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people; None is shown as nothing, and nothing is cut: a topic or SKU may be needed whole."""
    picture = Table(*(Column(name, overflow="fold") for name in columns), title=title, title_justify="left", title_style="bold")
    for row in rows:
        picture.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(highlight=False, markup=False).print(picture)


def pairs(given: Iterable[str], option: str) -> Mapping[str, str]:
    """`name=value` arguments. Raises `UsageError`."""
    found = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator or not name:
            raise click.UsageError(f"{option} {one!r}: expected name=value")
        found[name] = value
    return found


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[int], Any]]:
    """A bar on stderr while the caller tells how much is left."""
    most = 1
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(what, total=None)

        def on_read(left: int) -> None:
            nonlocal most
            most = max(most, left)
            bar.update(task, total=most, completed=most - left)

        yield on_read


def utc(at_ms: int) -> str:
    """UTC, or "never" for what no calendar has."""
    try:
        return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "never"
