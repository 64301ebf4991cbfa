"""What every system must show: these tests run over all folders below `streams/systems`, and name none of them."""

import ast
import inspect
import re
import socket
import tomllib
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from models.codec import encode
from models.cursor import Cursor
from models.errors import PoisonError, StockwireError
from models.inbound import Inbound
from models.level import Level
from models.message import Json
from models.sent_row import Call
from streams import systems
from streams.http import Budget, HttpClient, Purpose, Redactor
from streams.secret import Secret
from streams.systems.spec import Context, Hook, SystemSpec, Taken, Webhook

RULES = {
    "readme": "README.md says how it is set up and what holds about it, and names every setting",
    "documented-fixtures": "tests/systems/<system>/fixtures holds <event>__<variant>.json",
    "translate-is-total": "any bytes give observations or PoisonError",
    "webhook-authenticated": "a stranger is refused",
    "webhook-signature": "the body is signed",
    "webhook-parks-what-cannot-be-used": "a refusal would hold up the sender's queue",
    "webhook-refuses-what-cannot-be-parsed": "a refusal is heard and harms nothing else",
    "reader": "an item that is not there is read as gone",
    "pager-resumable": "every page can be read by another process than the one before",
    "sink": "a call follows from its level alone, and its repeat changes nothing",
    "check-names-each-problem": "stockwire check says nothing when all is well, else what is wrong and where",
    "secrets-never-shown": "no secret in problems, exchanges, errors or logs",
    "simulator-serves-the-documented-wire": "the remote as a real server, with its truth and its calls below /admin/",
}
CAPABILITY = {
    "webhook-authenticated": ("webhook", "callback"),
    "webhook-signature": ("webhook", "callback"),
    "webhook-parks-what-cannot-be-used": ("webhook", "callback"),
    "webhook-refuses-what-cannot-be-parsed": ("webhook", "callback"),
    "reader": ("reader",),
    "pager-resumable": ("pagers",),
    "sink": ("sink", "bulk"),
}
FILES = {
    "webhook": "webhook.py",
    "callback": "callback.py",
    "pagers": "poller.py",
    "sink": "sink.py",
    "bulk": "sink.py",
    "register": "register.py",
}
ALWAYS = ("README.md", "__init__.py", "manifest.py", "settings.py", "wire.py", "translate.py", "client.py", "simulator", "conformance.toml")
NAMED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
REASON_CHARS_MIN = 30
SYSTEMS = systems.discover()
FOLDERS = Path(inspect.getfile(systems)).parent
TESTS = Path(__file__).parents[1] / "systems"


def conformance(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDERS / name / "conformance.toml").read_text())


def has(name: str, capability: str) -> bool:
    return getattr(SYSTEMS[name], capability) is not None


def with_rule(rule: str) -> list[str]:
    return [name for name in sorted(SYSTEMS) if conformance(name)["rules"].get(rule) == "done"]


def each_with(rule: str) -> pytest.MarkDecorator:
    """Run for every system that claims the rule."""
    return pytest.mark.parametrize("name", with_rule(rule))


each = pytest.mark.parametrize("name", sorted(SYSTEMS))


class Running(NamedTuple):
    """A system's simulator as a server, settings that fit it, and the way there."""

    spec: SystemSpec
    url: str
    settings: Any
    http: HttpClient
    secrets: tuple[str, ...]

    async def admin(self, path: str) -> Json:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/admin/{path}", raise_for_status=True) as response:
            return msgspec.json.decode(await response.read())


def example_of(name: str) -> dict[str, Any]:
    """Options for the system's own simulator, and settings that fit it."""
    told = conformance(name)
    if "example" not in told:
        pytest.skip(f"streams/systems/{name}/conformance.toml has no [example.simulator] and [example.settings] to run with")
    example: dict[str, Any] = told["example"]
    return example


def settings_of(name: str, url: str) -> Json:
    """The example's settings: strings where they must be secret become secrets."""
    example = example_of(name)["settings"]
    filled = {key: value.replace("{url}", url) if isinstance(value, str) else value for key, value in example.items()}
    return msgspec.convert(filled, SYSTEMS[name].settings, dec_hook=lambda _kind, value: Secret(value))


def secrets_of(settings: msgspec.Struct) -> tuple[str, ...]:
    values = [getattr(settings, field) for field in settings.__struct_fields__]
    own = tuple(value.reveal() for value in values if isinstance(value, Secret))
    return own + tuple(secret for value in values if isinstance(value, msgspec.Struct) for secret in secrets_of(value))


class NoLevels:
    """A view of levels before the first one."""

    complete = True

    def get(self, _sku: str) -> Level | None:
        return None


def door_of(name: str) -> Webhook | None:
    """The receiving side of a connection, if its system has one."""
    spec, settings = SYSTEMS[name], settings_of(name, "http://127.0.0.1")
    if spec.callback is not None:
        return spec.callback(CONTEXT, settings, NoLevels())
    return None if spec.webhook is None else spec.webhook("c", settings)


CONTEXT = Context(connection="c", hooks_url="https://hooks.example/hooks/c")


def client_of(spec: SystemSpec, settings: msgspec.Struct) -> HttpClient:
    return HttpClient(hosts=spec.hosts(settings), budget=Budget(per_second=1e4), purpose=Purpose.SEND, redactor=Redactor.of(settings))


@pytest.fixture
async def running(name: str) -> AsyncIterator[Running]:
    spec = SYSTEMS[name]
    server = TestServer(spec.simulator(example_of(name)["simulator"]))
    await server.start_server()
    url = str(server.make_url("")).rstrip("/")
    settings = settings_of(name, url)
    async with client_of(spec, settings) as http:
        yield Running(spec, url, settings, http, secrets_of(settings))
    await server.close()


# --- the folder ---


@each
def test_folder_then_exactly_the_files_that_the_manifest_declares(name: str) -> None:
    spec = SYSTEMS[name]
    assert spec.name == name
    assert [missing for missing in ALWAYS if not (FOLDERS / name / missing).exists()] == []
    declared = {file for capability, file in FILES.items() if getattr(spec, capability) is not None}
    assert {file for file in set(FILES.values()) if (FOLDERS / name / file).exists()} == declared


@each
def test_folder_then_its_tests_mirror_it(name: str) -> None:
    declared = ["translate", *(file.removesuffix(".py") for capability, file in FILES.items() if getattr(SYSTEMS[name], capability))]
    assert [module for module in declared if not (TESTS / name / f"test_{module}.py").exists()] == []


@each
def test_modules_then_each_says_what_it_is_for(name: str) -> None:
    silent = []
    for path in sorted((FOLDERS / name).rglob("*.py")):
        tree = ast.parse(path.read_text())
        public = [node for node in tree.body if isinstance(node, NAMED) and not node.name.startswith("_")]
        members = [node for owner in public if isinstance(owner, ast.ClassDef) for node in owner.body if isinstance(node, NAMED)]
        named = [*public, *(node for node in members if not node.name.startswith("_"))]
        silent += [f"{path.name}: {getattr(node, 'name', 'module')}" for node in (tree, *named) if not ast.get_docstring(node)]
    assert silent == []


@each
def test_settings_then_frozen_strict_and_secret_where_they_should_be(name: str) -> None:
    kind = SYSTEMS[name].settings
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.forbid_unknown_fields
    open_secrets = [
        field.name
        for field in msgspec.structs.fields(kind)
        if re.search(r"secret|password|token|(^|_)key($|_)", field.name) and not re.search("Secret|Literal", str(field.type))
    ]
    assert open_secrets == []


@each
def test_rules_then_each_is_done_or_exempt_with_a_reason(name: str) -> None:
    told = conformance(name)
    assert set(told["rules"]) | set(told["exempt"]) == set(RULES)
    assert not set(told["rules"]) & set(told["exempt"])
    assert set(told["rules"].values()) == {"done"}
    assert [rule for rule, reason in told["exempt"].items() if len(reason) < REASON_CHARS_MIN] == []
    assert [rule for rule in told["rules"] if rule in CAPABILITY and not any(has(name, one) for one in CAPABILITY[rule])] == []


# --- the rules ---


@each_with("readme")
def test_readme_then_names_every_setting_and_says_what_holds(name: str) -> None:
    readme = (FOLDERS / name / "README.md").read_text()
    assert [field for field in SYSTEMS[name].settings.__struct_fields__ if field not in readme] == []
    assert [word for word in ("limits", "order", "repeats", "simulat", "/admin/") if word not in readme] == []


@each_with("documented-fixtures")
def test_fixtures_then_named_by_event_and_variant_and_all_json(name: str) -> None:
    fixtures = sorted((TESTS / name / "fixtures").glob("*"))
    assert fixtures
    assert [path.name for path in fixtures if not re.fullmatch(r"[A-Za-z.]+__[a-z0-9_]+\.json", path.name)] == []
    for path in fixtures:
        msgspec.json.decode(path.read_bytes())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def seeds() -> Iterator[tuple[str, bytes]]:
    for name in with_rule("translate-is-total"):
        for path in sorted((TESTS / name / "fixtures").glob("*.json")):
            yield name, path.read_bytes()


@pytest.mark.parametrize("kind", ["webhook", "reading", "gone"])
@each_with("translate-is-total")
@given(value=st.binary(max_size=64) | JSON.map(msgspec.json.encode))
def test_translate_when_given_anything_then_observations_or_poison(name: str, kind: str, value: bytes) -> None:
    is_total(name, kind, value)


@pytest.mark.parametrize("kind", ["webhook", "reading", "gone"])
@pytest.mark.parametrize(("name", "whole"), list(seeds()))
@given(data=st.data())
def test_translate_when_a_known_element_is_damaged_then_observations_or_poison(
    name: str, kind: str, whole: bytes, data: st.DataObject
) -> None:
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, min(len(whole), begin + 20)))
    is_total(name, kind, whole[:begin] + data.draw(st.sampled_from([b"", b"null", b'"x"', b"-1e400", b"[]", b"{}"])) + whole[end:])


def is_total(name: str, kind: str, value: bytes) -> None:
    inbound = Inbound(kind=kind, received_ms=2, asked_ms=1, answered_ms=2)
    try:
        observed = SYSTEMS[name].translate(value, inbound)
    except PoisonError:
        return
    assert observed == SYSTEMS[name].translate(value, inbound)


@each_with("webhook-authenticated")
def test_webhook_when_a_stranger_calls_then_refused(name: str) -> None:
    door = door_of(name)
    assert door is not None
    for secret in ("", "guess", "\udce4"):
        reason = door.verify(Hook(secret, {"content-type": "application/json"}, b"{}", 1.0))
        assert reason
        assert not any(known in reason for known in secrets_of(settings_of(name, "http://127.0.0.1")))


@each
def test_webhook_then_parks_or_refuses_as_its_rules_say(name: str) -> None:
    door = door_of(name) if has(name, "webhook") or has(name, "callback") else None
    if door is None:
        return
    told = conformance(name)["rules"]
    assert door.parks == ("webhook-parks-what-cannot-be-used" in told)
    assert ("webhook-parks-what-cannot-be-used" in told) != ("webhook-refuses-what-cannot-be-parsed" in told)


@each_with("webhook-authenticated")
@given(body=st.binary(max_size=64) | JSON.map(msgspec.json.encode))
def test_webhook_when_given_anything_genuine_then_a_place_for_it_or_poison(name: str, body: bytes) -> None:
    door = door_of(name)
    assert door is not None
    hook = Hook("s", {"webhook-id": "msg_1"}, body, 1.0)
    try:
        taken = door.take(hook)
    except PoisonError:
        return
    assert isinstance(taken, Taken)
    assert taken.key
    assert taken == door.take(hook)


@each_with("reader")
async def test_reader_when_the_item_is_not_there_then_gone(running: Running) -> None:
    assert running.spec.reader is not None
    elements = await running.spec.reader("c", running.settings, running.http).read("999999999")
    assert [element.inbound.kind for element in elements] == ["gone"]
    assert running.spec.translate(elements[0].value, elements[0].inbound)


@each_with("pager-resumable")
async def test_pager_when_each_page_is_read_by_another_process_then_the_whole_list(running: Running) -> None:
    assert running.spec.pagers is not None
    for what in running.spec.pagers("c", running.settings, running.http):
        keys: list[str] = []
        position: str | None = ""
        while position is not None:
            pager = running.spec.pagers("c", running.settings, running.http)[what]
            assert pager.every_s > 0
            page = await pager.page(Cursor(connection="c", what=what, due_ms=0, sweep="s", position=position))
            keys += [element.key for element in page.elements]
            assert {element.inbound.kind for element in page.elements} <= {"reading"}
            position = page.position
        assert len(set(keys)) == len(keys) == len(await running.admin("truth"))


def call_of(running: Running, sequence: int, number: str) -> Call:
    assert running.spec.sink is not None
    said = Level(connection="c", sku="CONF-1", sequence=sequence, level=Decimal(number), total=Decimal(number))
    call = running.spec.sink("c", running.settings, running.http).call_for(said, Decimal(0))
    assert call == running.spec.sink("c", running.settings, running.http).call_for(said, Decimal(0))
    assert call is not None
    return call


@pytest.mark.req("X-07")
@pytest.mark.parametrize("name", [name for name in with_rule("sink") if not has(name, "bulk")])
async def test_sink_when_a_call_is_repeated_then_nothing_changes(running: Running) -> None:
    assert running.spec.sink is not None
    call = call_of(running, 1, "2.5")
    once = await running.spec.sink("c", running.settings, running.http).send(call)
    truth = await running.admin("truth")
    assert truth["CONF-1"] == 2.5
    await running.spec.sink("c", running.settings, running.http).send(call)
    assert await running.admin("truth") == truth
    assert once.status is not None
    assert_hidden(running.secrets, encode(once).decode())


@pytest.mark.req("X-07")
@pytest.mark.parametrize("name", [name for name in with_rule("sink") if has(name, "bulk")])
async def test_bulk_sink_when_a_call_is_repeated_then_nothing_changes(name: str, running: Running) -> None:
    """The example's `sku` and `stores` say what is told."""
    assert running.spec.bulk is not None
    example = example_of(name)
    bulk = running.spec.bulk(msgspec.structs.replace(CONTEXT, stores=example["stores"]), running.settings, running.http)
    parts = dict.fromkeys(example["stores"], Decimal("2.5"))
    row = bulk.row_for(Level(connection="c", sku=example["sku"], sequence=1, level=sum(parts.values(), Decimal(0)), parts=parts))
    once = await bulk.send([row])
    assert (set(once.missing), dict(once.refused), set(once.again)) == (set(), {}, set())
    truth = await running.admin("truth")
    assert {code: truth[example["sku"]][code] for code in example["stores"].values()} == dict.fromkeys(example["stores"].values(), 2.5)
    await bulk.send([row])
    assert await running.admin("truth") == truth
    assert_hidden(running.secrets, encode(once).decode())


@each_with("check-names-each-problem")
async def test_check_when_all_is_well_then_nothing(running: Running) -> None:
    if running.spec.register is not None:
        await running.spec.register(CONTEXT, running.settings, running.http, dry_run=False)
    assert await running.spec.check(CONTEXT, running.settings, running.http) == []


@each_with("check-names-each-problem")
async def test_check_when_nobody_answers_then_said_with_the_key(name: str) -> None:
    settings = settings_of(name, nowhere())
    async with client_of(SYSTEMS[name], settings) as http:
        problems = await SYSTEMS[name].check(Context(connection="c"), settings, http)
    assert problems
    assert [problem for problem in problems if not re.match(r"connections\.c(\.\w+)?: ", problem)] == []


@each_with("secrets-never-shown")
async def test_secrets_when_everything_goes_wrong_then_still_hidden(
    name: str, running: Running, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Every secret is wrong, or nobody answers: what is said about it holds none of them."""
    wrong = msgspec.structs.replace(
        running.settings,
        **{field: Secret(WRONG) for field in running.settings.__struct_fields__ if isinstance(getattr(running.settings, field), Secret)},
    )
    said = [repr(running.settings), str(running.settings)]
    for settings in (wrong, settings_of(name, nowhere())):
        async with client_of(running.spec, settings) as http:
            said += await running.spec.check(Context(connection="c"), settings, http)
            said += [text async for text in complaints(running.spec, settings, http)]
    captured = capfd.readouterr()
    assert_hidden((*running.secrets, WRONG), "\n".join([*said, captured.out, captured.err, caplog.text]))


WRONG = "whsec_d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc="


async def complaints(spec: SystemSpec, settings: msgspec.Struct, http: HttpClient) -> AsyncIterator[str]:
    """What the errors of all calls say, with their exchanges."""
    level = Level(connection="c", sku="CONF-1", sequence=1, level=Decimal(1), total=Decimal(1))
    try:
        if spec.sink is not None:
            sink = spec.sink("c", settings, http)
            call = sink.call_for(level, Decimal(0))
            assert call is not None
            await sink.send(call)
    except StockwireError as error:
        yield told(error)
    try:
        if spec.bulk is not None:
            bulk = spec.bulk(msgspec.structs.replace(CONTEXT, stores={"p": "s"}), settings, http)
            await bulk.send([bulk.row_for(msgspec.structs.replace(level, parts={"p": Decimal(1)}))])
    except StockwireError as error:
        yield told(error)
    try:
        if spec.reader is not None:
            await spec.reader("c", settings, http).read("1")
    except StockwireError as error:
        yield told(error)
    for what, pager in (spec.pagers("c", settings, http) if spec.pagers else {}).items():
        try:
            await pager.page(Cursor(connection="c", what=what, due_ms=0))
        except StockwireError as error:
            yield told(error)


def told(error: StockwireError) -> str:
    return f"{error!r} {error.__cause__!r} {'' if error.exchange is None else encode(error.exchange).decode()}"


def assert_hidden(secrets: tuple[str, ...], text: str) -> None:
    """No secret stands in the text, nor the start of one."""
    assert [secret for secret in secrets if secret in text or secret.removeprefix("whsec_")[:12] in text] == []


def nowhere() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@each_with("simulator-serves-the-documented-wire")
async def test_simulator_then_shows_its_truth_and_its_calls_and_knows_no_other_option(name: str, running: Running) -> None:
    assert await running.admin("truth")
    await running.admin("calls")
    with pytest.raises(msgspec.ValidationError):
        SYSTEMS[name].simulator({"no such option": 1})


def test_systems_then_some_are_found() -> None:
    assert SYSTEMS
    assert {rule for rule in RULES if with_rule(rule)} == set(RULES)
