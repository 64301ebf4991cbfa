"""`stockwire topics` and `dead` on a real broker, and what they say to wrong use."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestServer
from aiokafka.partitioner import murmur2
from click.testing import CliRunner, Result
from confluent_kafka.admin import AdminClient

from models.agent import Dead
from streams.broker import EmbeddedBroker
from streams.cli import main
from streams.dead import dead_headers
from streams.systems import discover
from streams.topics import Topic, create, kept
from tests.configured import warehouse_and_shop

pytestmark = pytest.mark.broker
SECRET = "whsec_c3RvY2t3aXJlLWRlbW8tc2hvcC1zZWNyZXQtMDAwMQ=="


def _run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def _lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [msgspec.json.decode(line) for line in result.stdout.splitlines()]


def _topic(kafka: str, name: str, partitions: int = 4) -> str:
    create(kafka, [kept(name, partitions, days=1)])
    return name


def _config(  # noqa: PLR0913  # each with its default
    folder: Path,
    kafka: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    more: str = "",
    names: Sequence[str] = ("wh", "web"),
    shop: str = "https://shop.example",
) -> str:
    monkeypatch.setenv("ANY_SECRET", SECRET)
    warehouse, channel = names
    path = folder / "stockwire.toml"
    path.write_text(warehouse_and_shop(kafka, warehouse, channel, shop_url=shop, kafka=more))
    return str(path)


def test_create_when_run_twice_then_second_changes_nothing_and_differences_are_said(kafka: str, fresh: Callable[[str], str]) -> None:
    topic = Topic(name=fresh("made"), partitions=3, config={"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"})
    assert [made.created for made in create(kafka, [topic])] == [True]
    again = create(kafka, [topic])
    assert [(made.created, made.differences) for made in again] == [(False, ())]
    wished = Topic(name=topic.name, partitions=5, config={"cleanup.policy": "delete"})
    assert create(kafka, [wished])[0].differences == ("partitions is 3, should be 5", "cleanup.policy is compact, should be delete")
    assert len(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics[topic.name].partitions) == 3


def test_topics_create_and_ls_when_configured_then_every_topic_is_there(
    kafka: str, fresh: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, shop = fresh("wh"), fresh("web")
    config = _config(tmp_path, kafka, monkeypatch, names=(warehouse, shop))
    assert _survey(config)[f"level.{shop}.v1"]["state"] == "missing"
    made = [msgspec.json.decode(line)["name"] for line in _run("topics", "create", "--config", config, "--json").stdout.splitlines()]
    inputs = {f"inbound.{warehouse}.v1", f"hint.{warehouse}.v1", "fact.stock.v1", f"level.{shop}.v1", f"outcome.{shop}.v1", "dead.v1"}
    tables = {"worker-stock", f"worker-items.{warehouse}", f"sender-sent.{shop}"}
    assert inputs | {f"stockwire.{table}-changelog" for table in tables} <= set(made)
    name = f"level.{shop}.v1"
    assert _survey(config)[name] == {"topic": name, "partitions": 8, "records": 0, "cleanup": "compact", "state": "ok"}


def _survey(config: str) -> dict[str, dict[str, Any]]:
    """What `ls` says; the exit code is left alone, for other tests may have made the common topics differently."""
    lines = [msgspec.json.decode(line) for line in _run("topics", "ls", "--config", config, "--json").stdout.splitlines()]
    return {line["topic"]: line for line in lines}


def test_topics_create_when_embedded_then_topics_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as broker:
        config = _config(tmp_path, broker.bootstrap, monkeypatch, more="embedded = true\npartitions = 4")
        assert _run("topics", "create", "--config", config).exit_code == 0
        assert _run("topics", "ls", "--config", config).exit_code == 0
        topics = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}).list_topics(timeout=10).topics
        assert len(topics["level.web.v1"].partitions) == 4
        assert _run("topics", "send", "level.web.v1", "1", "--key", "k", "--config", config).exit_code == 0
        assert [
            line["value"]
            for line in _lines(_run("topics", "tail", "level.web.v1", "--since", "1h", "-n", "1", "--config", config, "--json"))
        ] == [1]


def test_send_and_peek_when_filtered_then_digits_bytes_and_headers_are_kept(kafka: str, fresh: Callable[[str], str]) -> None:
    topic = _topic(kafka, fresh("peeked"))
    for key, sku in (("a", "A-1"), ("b", "B-1"), ("a", "A-2")):
        body = f'{{"quantity": 100.50, "sku": "{sku}"}}'
        assert _run("topics", "send", topic, body, "--key", key, "--header", f"sku={sku}", "--bootstrap", kafka).exit_code == 0
    assert _run("topics", "send", topic, "--key", "raw", "--bootstrap", kafka, stdin=b"\xff not json").exit_code == 0

    everything = _run("topics", "peek", topic, "--bootstrap", kafka, "--json")
    assert [line["key"] for line in _lines(everything)] == ["a", "b", "a", "raw"]
    assert '"quantity": 100.50' in everything.stdout
    assert _lines(everything)[3]["value"] == "\\xff not json"
    assert [line["key"] for line in _lines(_run("topics", "peek", topic, "-n", "2", "--bootstrap", kafka, "--json"))] == ["a", "raw"]
    by_key = _lines(_run("topics", "peek", topic, "--key", "a", "-n", "1", "--bootstrap", kafka, "--json"))
    assert [line["headers"] for line in by_key] == [{"sku": "A-2"}]
    by_header = _lines(_run("topics", "peek", topic, "--header", "sku=B-1", "--since", "1h", "--bootstrap", kafka, "--json"))
    assert [line["key"] for line in by_header] == ["b"]
    assert _lines(_run("topics", "peek", topic, "--since", "2100-01-01T00:00:00Z", "--bootstrap", kafka, "--json")) == []
    assert "A-1" in _run("topics", "peek", topic, "--bootstrap", kafka).stdout


def test_send_when_keyed_then_the_partition_is_that_of_all_other_writers(kafka: str, fresh: Callable[[str], str]) -> None:
    topic = _topic(kafka, fresh("keyed"), partitions=8)
    keys = ["sku-1", "SKU/2", "ø"]
    sent = [_lines(_run("topics", "send", topic, "x", "--key", key, "--bootstrap", kafka, "--json"))[0]["partition"] for key in keys]
    assert sent == [(murmur2(key.encode()) & 0x7FFFFFFF) % 8 for key in keys]  # type: ignore[no-untyped-call]  # aiokafka has no types


def test_tail_when_since_given_then_shows_what_came_and_ends_at_count(kafka: str, fresh: Callable[[str], str]) -> None:
    topic = _topic(kafka, fresh("tailed"))
    for number in range(3):
        _run("topics", "send", topic, str(number), "--key", "k", "--bootstrap", kafka)
    lines = _lines(_run("topics", "tail", topic, "--since", "1h", "-n", "3", "--bootstrap", kafka, "--json"))
    assert [line["value"] for line in lines] == [0, 1, 2]


def test_dead_when_listed_and_shown_then_reason_origin_and_bytes(kafka: str, fresh: Callable[[str], str]) -> None:
    create(kafka, [kept("dead.v1", 8, days=90)])
    connection, secret = fresh("wh"), fresh("value")
    headers = dead_headers(
        {"connection": connection.encode()}, Dead(error="PoisonError", reason="no item id"), agent="translate", origin=("inbound", 3, 7)
    )
    arguments = [argument for name, value in headers.items() for argument in ("--header", f"{name}={value.decode()}")]
    assert _run("topics", "send", "dead.v1", secret, "--key", "k", *arguments, "--bootstrap", kafka).exit_code == 0
    rows = _lines(_run("dead", "ls", "--header", f"connection={connection}", "--bootstrap", kafka, "--json"))
    assert [(row["error"], row["from"], row["reason"]) for row in rows] == [("PoisonError", "inbound-3-7", "no item id")]
    shown = _run("dead", "show", rows[0]["id"], "--bootstrap", kafka)
    assert shown.exit_code == 0
    assert secret in shown.stdout
    assert "no item id" in shown.stdout
    assert _run("dead", "show", "0-999999", "--bootstrap", kafka).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["topics", "peek"], 2, "Missing argument 'TOPIC'"),
        (["topics", "peek", "nowhere.v1"], 1, "nowhere.v1: no such topic; `stockwire topics ls` names them"),
        (["topics", "send", "nowhere.v1", "x"], 1, "nowhere.v1: no such topic"),
        (["topics", "peek", "dead.v1", "--since", "yesterday"], 2, "'yesterday' is neither a time such as"),
        (["topics", "peek", "dead.v1", "--header", "sku"], 2, "--header 'sku': expected name=value"),
        (["topics", "peek", "dead.v1", "-n", "0"], 2, "0 is not in the range"),
        (["dead", "show", "7"], 2, "expected PARTITION-OFFSET"),
        (["sweep"], 2, "No such command 'sweep'"),
        (["simulate", "magento"], 2, "no such system; known: "),
        (["simulate", "thetis", "--params", "{"], 2, "--params: "),
        (["broker", "--embedded", "--port", "9092"], 2, "--embedded chooses its port itself"),
    ],
)
def test_commands_when_used_wrongly_then_code_and_clear_text(kafka: str, arguments: list[str], code: int, text: str) -> None:
    needs_kafka = arguments[0] in {"topics", "dead"}
    result = _run(*arguments, *(["--bootstrap", kafka] if needs_kafka else []))
    assert (result.exit_code, text in result.output) == (code, True), result.output
    assert "Traceback" not in result.output


def test_commands_when_configuration_is_wrong_then_every_problem_and_code_2(tmp_path: Path) -> None:
    (tmp_path / "stockwire.toml").write_text("[kafka]\nbootstrap = 3\nport = 4\n")
    result = _run("topics", "ls", "--config", str(tmp_path / "stockwire.toml"))
    assert result.exit_code == 2
    assert "error: kafka.bootstrap: expected str, found int" in result.stderr
    assert "error: kafka.port: unknown key" in result.stderr
    assert _run("topics", "ls", "--config", str(tmp_path / "none.toml")).exit_code == 2


def test_check_when_offline_then_shows_what_is_in_force_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config(tmp_path, "127.0.0.1:1", monkeypatch)
    offline = _run("check", "--offline", "--config", config)
    assert offline.exit_code == 0
    assert '"api_key": "***"' in offline.stdout
    assert "whsec" not in offline.output


async def test_check_when_systems_answer_then_says_what_does_not_fit(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with TestServer(discover()["shop"].simulator({"secrets": [SECRET]})) as shop:
        config = _config(tmp_path, kafka, monkeypatch, shop=str(shop.make_url("/stockwire")))
        result = await asyncio.to_thread(_run, "check", "--config", config, "--json")
    subjects = {line["subject"]: line["problems"] for line in map(msgspec.json.decode, result.stdout.splitlines()) if "subject" in line}
    assert result.exit_code == 1
    assert subjects["web"] == []
    assert "127.0.0.1:1" in subjects["wh"][0]
    assert set(subjects) == {"kafka", "wh", "web"}
    assert SECRET not in result.output


def test_peek_when_kafka_is_away_then_says_so() -> None:
    result = _run("topics", "peek", "dead.v1", "--bootstrap", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "is it running" in result.stderr
