"""What every system must show: these tests run over all folders below `streams/systems`, and name none of them."""

import ast
import re
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.codec import encode
from models.cursor import Cursor
from models.errors import PoisonError
from models.inbound import Inbound
from models.sent_row import Call
from streams.systems.spec import Context, Hook, Registration, Taken
from tests.conformance.manifests import (
    FOLDERS,
    HOOKS,
    SYSTEMS,
    TESTS,
    WRONG,
    Running,
    assert_hidden,
    client_of,
    conformance,
    door_of,
    example_of,
    has,
    nowhere,
    secrets_of,
    settings_of,
    started,
    told,
    with_rule,
    with_wrong_secrets,
)
from tests.conformance.outgoing import Side, all_outgoing, attempt, level_of, portion

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
    "bulk": "one call for many rows, judged by their index; 0 is told as any other number",
    "register": "made once, changed on a difference only, and never by a dry run",
    "faults-say-what-happens-next": "each failure of each call is the error whose next step is right, and shows no secret",
    "elements-are-parked-one-by-one": "unknown members are ignored; an element that cannot be used is parked, and the others go on",
    "simulator-is-heard": "what the simulator sends by itself is stored without a secret; what is malformed or too deep harms nothing",
    "repeats-are-known": "a delivery that comes again has the same id and key",
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
    "bulk": ("bulk",),
    "register": ("register",),
    "simulator-is-heard": ("webhook", "callback"),
    "repeats-are-known": ("webhook", "callback"),
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


def each_with(rule: str) -> pytest.MarkDecorator:
    """Run for every system that claims the rule."""
    return pytest.mark.parametrize("name", with_rule(rule))


each = pytest.mark.parametrize("name", sorted(SYSTEMS))


@pytest.fixture
async def running(name: str) -> AsyncIterator[Running]:
    async with started(name) as found:
        yield found


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
    rules = conformance(name)
    assert set(rules["rules"]) | set(rules["exempt"]) == set(RULES)
    assert not set(rules["rules"]) & set(rules["exempt"])
    assert set(rules["rules"].values()) == {"done"}
    assert [rule for rule, reason in rules["exempt"].items() if len(reason) < REASON_CHARS_MIN] == []
    assert [rule for rule in rules["rules"] if rule in CAPABILITY and not any(has(name, one) for one in CAPABILITY[rule])] == []


# --- the rules ---


@each_with("readme")
def test_readme_then_names_every_setting_and_says_what_holds(name: str) -> None:
    readme = (FOLDERS / name / "README.md").read_text()
    assert [field for field in fields_of(SYSTEMS[name].settings) if not re.search(rf"\b{field}\b", readme)] == []
    assert [word for word in ("limits", "order", "repeats", "simulat", "/admin/") if word not in readme] == []


def fields_of(settings: type[msgspec.Struct]) -> Iterator[str]:
    """The names of all settings, also of those in their tables."""
    for field in msgspec.structs.fields(settings):
        yield field.name
        inner = [kind for kind in (field.type, *get_args(field.type)) if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
        for kind in inner:
            yield from fields_of(kind)


@each_with("readme")
def test_readme_then_names_every_lever_of_the_simulator(name: str) -> None:
    simulator = (FOLDERS / name / "README.md").read_text().partition("## The simulator")[2]
    routes = {
        route.resource.canonical for route in SYSTEMS[name].simulator(example_of(name)["simulator"]).router.routes() if route.resource
    }
    levers = sorted(path.removeprefix("/admin/") for path in routes if path.startswith("/admin/"))
    assert levers
    assert [lever for lever in levers if not re.search(rf"\b{lever}\b", simulator)] == []


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
    for secret in ("", "guess", "\udce4"):
        reason = door.verify(Hook(secret, {"content-type": "application/json"}, b"{}", 1.0))
        assert reason
        assert not any(known in reason for known in secrets_of(settings_of(name, "http://127.0.0.1")))


@each
def test_webhook_then_parks_or_refuses_as_its_rules_say(name: str) -> None:
    if not has(name, "webhook") and not has(name, "callback"):
        return
    rules = conformance(name)["rules"]
    assert door_of(name).parks == ("webhook-parks-what-cannot-be-used" in rules)
    assert ("webhook-parks-what-cannot-be-used" in rules) != ("webhook-refuses-what-cannot-be-parsed" in rules)


@each_with("webhook-authenticated")
@given(body=st.binary(max_size=64) | JSON.map(msgspec.json.encode))
def test_webhook_when_given_anything_genuine_then_a_place_for_it_or_poison(name: str, body: bytes) -> None:
    door = door_of(name)
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
    said = level_of(example_of(running.name)["sku"], number, sequence)
    call = running.spec.sink("c", running.settings, running.http).call_for(said, Decimal(0))
    assert call == running.spec.sink("c", running.settings, running.http).call_for(said, Decimal(0))
    assert call is not None
    return call


@pytest.mark.req("X-07")
@pytest.mark.parametrize("name", [name for name in with_rule("sink") if not has(name, "bulk")])
async def test_sink_when_a_call_is_repeated_then_nothing_changes(running: Running) -> None:
    assert running.spec.sink is not None
    sku, before = example_of(running.name)["sku"], await running.admin("truth")
    call = call_of(running, 1, "2.5")
    once = await running.spec.sink("c", running.settings, running.http).send(call)
    truth = await running.admin("truth")
    assert truth[sku] != before[sku]
    await running.spec.sink("c", running.settings, running.http).send(call)
    assert await running.admin("truth") == truth
    assert once.status is not None
    assert_hidden(running.secrets, encode(once).decode())


def side_of(running: Running) -> Side:
    return Side(running, running.settings, running.http)


async def shown(running: Running, sku: str) -> set[float]:
    """What stands in the stores of ours."""
    truth = await running.admin("truth")
    return {truth[sku][code] for code in running.context.stores.values()}


@pytest.mark.req("X-07")
@pytest.mark.parametrize("name", [name for name in with_rule("sink") if has(name, "bulk")])
async def test_bulk_sink_when_a_call_is_repeated_then_nothing_changes(running: Running) -> None:
    sku = example_of(running.name)["sku"]
    assert await portion(side_of(running), [(sku, "2.5")]) == (set(), {}, set())
    truth = await running.admin("truth")
    assert await shown(running, sku) == {2.5}
    assert await portion(side_of(running), [(sku, "2.5")]) == (set(), {}, set())
    assert await running.admin("truth") == truth


@each_with("bulk")
async def test_bulk_when_nothing_is_left_then_0_is_told(running: Running) -> None:
    sku = example_of(running.name)["sku"]
    await portion(side_of(running), [(sku, "2.5")])
    await portion(side_of(running), [(sku, "0")])
    assert await shown(running, sku) == {0}


@each_with("bulk")
@pytest.mark.parametrize("place", ["first", "last"])
async def test_bulk_when_full_then_one_call_and_each_row_is_judged_by_its_index(running: Running, place: str) -> None:
    assert running.spec.bulk is not None
    rows_max = running.spec.bulk(running.context, running.settings, running.http).rows_max
    sku, others = example_of(running.name)["sku"], [(f"NO-SUCH-SKU-{number}", "1") for number in range(rows_max - 1)]
    rows = [(sku, "2.5"), *others] if place == "first" else [*others, (sku, "2.5")]
    judged = await portion(side_of(running), rows)
    assert judged == ({index for index, row in enumerate(rows) if row[0] != sku}, {}, set())
    assert await shown(running, sku) == {2.5}
    assert len(await running.calls()) == 1


async def registered(running: Running, hooks: str, *, dry_run: bool = False) -> Registration:
    assert running.spec.register is not None
    context = msgspec.structs.replace(running.context, hooks_url=hooks)
    found = await running.spec.register(context, running.settings, running.http, dry_run=dry_run)
    assert_hidden(running.secrets, repr(found))
    return found


@each_with("register")
async def test_register_then_made_once_and_changed_on_a_difference_only(running: Running) -> None:
    for _ in range(2):
        wish = await registered(running, HOOKS, dry_run=True)
        assert (wish.exists, wish.written, bool(wish.differences)) == (False, False, True)
    made = await registered(running, HOOKS)
    assert (made.exists, made.written) == (False, True)
    await running.admin("calls", method="DELETE")
    same = await registered(running, HOOKS)
    assert (same.exists, same.written, same.differences) == (True, False, ())
    assert [call["endpoint"] for call in await running.calls() if not call["endpoint"].startswith("GET ")] == []
    moved = "https://moved.example/hooks/c"
    wish = await registered(running, moved, dry_run=True)
    assert (wish.exists, wish.written, len(wish.differences)) == (True, False, 1)
    assert moved in wish.differences[0]
    assert (await registered(running, moved)).written
    assert (await registered(running, moved)).differences == ()


@each_with("check-names-each-problem")
async def test_check_when_all_is_well_then_nothing(running: Running) -> None:
    if running.spec.register is not None:
        await running.spec.register(running.context, running.settings, running.http, dry_run=False)
    assert await running.spec.check(running.context, running.settings, running.http) == []


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
    said = [repr(running.settings), str(running.settings)]
    for settings in (with_wrong_secrets(running.settings), settings_of(name, nowhere())):
        for _, capability in [pair for pair in all_outgoing() if pair[0] == name]:
            found = await attempt(running, capability, settings)
            assert found.error or found.problems
            said += [*found.problems, "" if found.error is None else told(found.error)]
    captured = capfd.readouterr()
    assert_hidden((*running.secrets, WRONG), "\n".join([*said, captured.out, captured.err, caplog.text]))


@each_with("simulator-serves-the-documented-wire")
async def test_simulator_then_shows_its_truth_and_its_calls_and_knows_no_other_option(name: str, running: Running) -> None:
    assert await running.admin("truth")
    await running.admin("calls")
    with pytest.raises(msgspec.ValidationError):
        SYSTEMS[name].simulator({"no such option": 1})


def test_systems_then_some_are_found() -> None:
    assert SYSTEMS
    assert {rule for rule in RULES if with_rule(rule)} == set(RULES)
