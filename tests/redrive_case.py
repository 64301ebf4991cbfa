"""For tests of what is done by hand: dead letters as the engine and the receiver write them, and the command line beside them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from models.agent import Dead
from models.audit import AnyAudited
from models.codec import Decoder
from models.topics import AUDIT, DEAD, FACT_STOCK, REVIEW, inbound
from streams.cli import main
from streams.dead import dead_headers
from streams.topics import create, kept, register
from tests.receiver_case import Stored, records

PARTITIONS = 4
AUDITED = Decoder[AnyAudited](AnyAudited)


class Died(NamedTuple):
    """A record that could not be used: where it stood, its own key, value and headers."""

    key: str | None
    value: bytes
    origin: tuple[str, int, int] | None
    headers: Mapping[str, bytes] = {}
    agent: str = "translate.wh"
    error: str = "PoisonError"


class Desk:
    """One connection's topics beside the common ones, and the command line."""

    def __init__(self, bootstrap: str, connection: str) -> None:
        self.bootstrap, self.connection, self.topic = bootstrap, connection, inbound(connection)
        common = [kept(DEAD, PARTITIONS, days=90), kept(AUDIT, PARTITIONS, days=365), kept(FACT_STOCK, PARTITIONS, days=7)]
        create(bootstrap, [*common, register(REVIEW, PARTITIONS), kept(self.topic, PARTITIONS, days=7)])

    def park(self, letters: Iterable[Died]) -> None:
        """Into dead.v1, in this order."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"})
        for letter in letters:
            own = {"connection": self.connection.encode(), **letter.headers}
            headers = dead_headers(
                own, Dead(error=letter.error, reason="it broke"), agent=letter.agent, exchange=b"{}", origin=letter.origin
            )
            producer.produce(DEAD, key=letter.key, value=letter.value, headers=list(headers.items()))
        assert producer.flush(20) == 0

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        """One command."""
        return CliRunner().invoke(main, [*arguments, "--bootstrap", self.bootstrap], input=answer)

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command says to programs."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return [msgspec.json.decode(line) for line in result.stdout.splitlines()]

    def redrive(self, *arguments: str) -> dict[str, Any]:
        """Redrive this connection's letters without a question; what came of it."""
        (ended,) = self.lines("dead", "redrive", "--connection", self.connection, "--rate", "10000", "--yes", *arguments)
        return ended

    def plan(self, *arguments: str) -> list[dict[str, Any]]:
        """What a dry run says."""
        return self.lines("dead", "redrive", "--connection", self.connection, "--dry-run", *arguments)

    async def written(self, topic: str | None = None) -> list[Stored]:
        """What stands in a topic, by default the connection's inbound, in the order of partitions and offsets."""
        return sorted(await records(self.bootstrap, topic or self.topic), key=lambda record: (record.partition, record.offset))

    async def audited(self) -> list[AnyAudited]:
        """All that is noted in audit.v1."""
        return [AUDITED(record.value or b"") for record in await self.written(AUDIT)]


def headers_of(record: Stored) -> dict[str, bytes]:
    """By name."""
    return dict(record.headers)


def by_key(found: Sequence[Stored]) -> dict[bytes, list[bytes]]:
    """The values of each key, in order."""
    values: dict[bytes, list[bytes]] = {}
    for record in found:
        values.setdefault(record.key or b"", []).append(record.value or b"")
    return values
