"""`stockwire.toml`: what is right becomes structs, what is wrong is said all at once with the path of its key."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from models.errors import ConfigError
from streams.configure import catalogue_rule
from streams.secret import Secret
from streams.settings import load, load_kafka, settings_of, shown
from streams.systems.spec import Limits, SystemSpec


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    late_ms: int = 5_000


class DepotSettings(msgspec.Struct, frozen=True, kw_only=True):
    key: Secret
    clock: Clock = Clock()
    every_s: float = 900.0
    moves: bool = True

    def __post_init__(self) -> None:
        if self.every_s <= 0:
            raise ValueError("every_s must be more than 0")


class TillSettings(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    secrets: tuple[Secret, ...] = ()
    mode: str = "absolute"
    sellers: dict[str, tuple[str, ...]] = {}


async def _no_check(_context: object, _settings: object, _http: object) -> list[str]:
    return []


def _spec(**more: Any) -> SystemSpec:  # noqa: ANN401  # any of its members
    return SystemSpec(
        limits=Limits(per_second=10),
        translate=lambda _value, _inbound: [],
        hosts=lambda _settings: (),
        check=_no_check,
        simulator=lambda _options: web.Application(),
        **more,
    )


SYSTEMS = {
    "depot": _spec(name="depot", settings=DepotSettings, warehouse=True, moves=lambda settings: settings.moves),
    "till": _spec(name="till", settings=TillSettings, channel=True, incremental=lambda settings: settings.mode == "incremental"),
}

GOOD = """
[kafka]
bootstrap = "kafka:9092"

[connections.wh]
system = "depot"
key = {env = "WH_KEY"}
every_s = 0.5
clock = {late_ms = 700}

[connections.web]
system = "till"
url = "https://shop.example"
secrets = [{env = "WH_KEY"}]
sellers = {wh = ["7"]}
lag_s = 2

[[places]]
name = "north"
warehouse = "wh"

[[stock]]
from = ["north"]
to = "web"
buffer = 0.1
reconcile = "0 3 * * *"
"""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WH_KEY", "hunter2")


def _problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings_of(tomllib.loads(text, parse_float=Decimal), SYSTEMS)
    return caught.value.problems


@pytest.mark.req("T-01")
def test_load_when_right_then_structs_with_defaults(tmp_path: Path) -> None:
    file = tmp_path / "stockwire.toml"
    file.write_text(GOOD)
    settings = load(file, SYSTEMS)
    assert settings.kafka.partitions == 8
    assert settings.connections["wh"].settings == DepotSettings(key=Secret("hunter2"), clock=Clock(late_ms=700), every_s=0.5)
    assert settings.connections["web"].settings.secrets == (Secret("hunter2"),)
    assert settings.connections["web"].settings.sellers == settings.connections["web"].channel.sellers == {"wh": ("7",)}
    assert settings.connections["web"].channel.lag_s == 2.0
    assert settings.places["north"].warehouse == "wh"
    assert [(route.places, route.channel, route.buffer) for route in settings.stock] == [(("north",), "web", Decimal("0.1"))]


def test_shown_when_printed_then_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "stockwire.toml"
    file.write_text(GOOD)
    text = repr(shown(load(file, SYSTEMS)))
    assert "hunter2" not in text
    assert "'key': '***'" in text
    assert "'secrets': ('***',)" in text or "'secrets': ['***']" in text
    assert "'cap': 60" in text


def test_load_when_everything_is_wrong_then_says_all_with_paths() -> None:
    problems = _problems(
        """
        kafak = 1
        [kafka]
        bootstrap = 9092
        partition = 4
        [kafka.tls]
        key_file = "k.pem"
        [receiver]
        port = "80"
        [connections.Wh]
        system = "depot"
        key = "hunter2"
        clock = {late_ms = "x", erly_ms = 1}
        [connections.shop]
        system = "magento"
        [connections.web]
        system = "till"
        secrets = [{env = "WH_KEY"}, {env = "NOT_SET_ANYWHERE"}]
        sellers = {wh = "7"}
        [[places]]
        name = "north"
        [[orders]]
        from = "web"
        """
    )
    starts = [
        "kafak: unknown key; did you mean 'kafka'?",
        "orders: routes for orders are not built yet; remove every [[orders]]",
        "kafka.bootstrap: expected str, found int",
        "kafka.partition: unknown key; did you mean 'partitions'?",
        "kafka.tls: certificate_file and key_file belong together",
        "receiver.port: expected int, found str",
        "connections.Wh: 'Wh' must consist of",
        "connections.Wh.key: a secret is a reference",
        "connections.Wh.clock.late_ms: expected int, found str",
        "connections.Wh.clock.erly_ms: unknown key; known here: late_ms",
        "connections.shop.system: must be one of depot, till; found 'magento'",
        "connections.web.url: missing",
        "connections.web.secrets[1]: environment variable NOT_SET_ANYWHERE is not set or empty",
        "connections.web.sellers.wh: expected array, found str",
        "places[0].warehouse: missing",
    ]
    assert [start for start in starts if not any(problem.startswith(start) for problem in problems)] == []
    assert not any("hunter2" in problem for problem in problems)


@pytest.mark.req("T-01", "X-18")
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('to = "web"', 'to = "wbe"', "stock[0].to: no [connections.wbe]; known: web, wh"),
        ('to = "web"', 'to = "wh"', "stock[0].to: 'wh' is a depot, which sells nothing"),
        ('from = ["north"]', 'from = ["nrth"]', "stock[0].from: no [[places]] named 'nrth'; known: north"),
        ('from = ["north"]', "from = []", "stock[0].from: no place named"),
        ('from = ["north"]', 'from = ["north", "north"]', "stock[0].from: a place is named twice"),
        ('name = "north"', 'name = "North"', "places[0].name: 'North' must consist of a-z, 0-9 and -"),
        ('warehouse = "wh"', 'warehouse = "hw"', "places[0].warehouse: no [connections.hw]"),
        ('warehouse = "wh"', 'warehouse = "web"', "places[0].warehouse: 'web' is a till, which is no warehouse"),
        (
            "[[stock]]",
            '[[places]]\nname = "north"\nwarehouse = "wh"\n[[stock]]',
            "places[1].name: 'north' is already the name of places[0]",
        ),
        ("[[stock]]", '[[places]]\nname = "south"\nwarehouse = "wh"\n[[stock]]', "places[1].warehouse: 'wh' is already the warehouse of"),
        ("[[stock]]", '[[stock]]\nfrom = ["north"]\nto = "web"\n[[stock]]', "stock[1].to: 'web' is already told by stock[0]"),
        ('sellers = {wh = ["7"]}', "", "connections.web.sellers: no ids for 'wh', whose stock it is told (stock[0])"),
        ('sellers = {wh = ["7"]}', 'sellers = {hw = ["7"], wh = ["7"]}', "connections.web.sellers.hw: no [connections.hw]"),
        ("buffer = 0.1", "buffer = -1", "stock[0]: buffer must be a number of at least 0"),
        ("buffer = 0.1", "buffer = inf", "stock[0]: buffer must be a number of at least 0"),
        ('"0 3 * * *"', '"0 3 * *"', "stock[0].reconcile: '0 3 * *' is neither"),
        ('"0 3 * * *"', '"99 3 * * *"', "stock[0].reconcile: '99 3 * * *' is neither"),
        ("buffer = 0.1", 'catalogue = "continuous"', "stock[0].catalogue: 'continuous' is neither"),
        ("buffer = 0.1", 'catalogue = "0 4 * *"', "stock[0].catalogue: '0 4 * *' is neither"),
        ("every_s = 0.5", "every_s = 0", "connections.wh: every_s must be more than 0"),
        ("lag_s = 2", 'starts_at = "one"', "connections.web.starts_at: must be one of 'zero', 'in_step', 'read'; found 'one'"),
        ("every_s = 0.5", "lag_s = 2", "connections.wh.lag_s: unknown key"),
        ("[[stock]]", '[[items]]\nmaster = "wh"\n[[stock]]', "items: routes for items are not built yet"),
    ],
)
def test_load_when_sections_disagree_then_says_where(old: str, new: str, problem: str) -> None:
    assert old in GOOD
    assert [found for found in _problems(GOOD.replace(old, new, 1)) if found.startswith(problem)]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("[receiver]\nport = 99999", "receiver: port must be 0 (any free one) to 65535"),
        ("[receiver]\nadmin_port = -1", "receiver: admin_port must be 0"),
        ("[receiver]\nbody_max_bytes = 10_000_000", "receiver: body_max_bytes must be 1 to 1000000"),
        ("[receiver]\nconnections_max = 0", "receiver: depth_max and connections_max must be at least 1"),
        ("[receiver]\nacknowledge_within_s = 0", "receiver: depth_max and connections_max must be"),
        ("[receiver]\ndrain_within_s = -3", "receiver: drain_within_s must be at least 0"),
        ("[sender]\nport = 70000", "sender: port must be 0"),
    ],
)
def test_load_when_a_role_has_numbers_that_cannot_work_then_says_which(section: str, problem: str) -> None:
    (found,) = _problems(f"{GOOD}\n{section}")
    assert found.startswith(problem)


@pytest.mark.req("R-19")
@pytest.mark.parametrize(("line", "rule"), [("", "30 1 * * 6"), ('catalogue = "off"', "off"), ('catalogue = "0 4 * * 0"', "0 4 * * 0")])
def test_catalogue_when_the_route_does_not_say_then_as_the_system_says(line: str, rule: str) -> None:
    systems = {**SYSTEMS, "till": msgspec.structs.replace(SYSTEMS["till"], catalogue="30 1 * * 6")}
    settings = settings_of(tomllib.loads(GOOD.replace("buffer = 0.1", line), parse_float=Decimal), systems)
    assert catalogue_rule(settings, settings.stock[0]) == rule


def test_load_when_incremental_over_a_warehouse_without_moves_then_refused() -> None:
    text = GOOD.replace("every_s = 0.5", "moves = false").replace("lag_s = 2", 'mode = "incremental"')
    assert [problem for problem in _problems(text) if "does not tell single moves" in problem]


@pytest.mark.req("T-38")
def test_load_when_two_channels_share_a_seller_then_refused() -> None:
    text = GOOD + '[connections.app]\nsystem = "till"\nurl = "x"\nsellers = {wh = ["8", "7"]}\n'
    assert _problems(text) == ["connections.app.sellers.wh: '7' already belongs to 'web'; two channels cannot share a seller"]


def test_load_when_one_warehouse_is_read_in_two_ways_then_refused() -> None:
    text = GOOD + '[[stock]]\nfrom = ["north"]\nto = "app"\n[connections.app]\nsystem = "till"\nurl = "x"\nsellers = {wh = ["8"]}\n'
    assert [problem for problem in _problems(text) if problem.startswith("stock: the lists of 'wh' are read in one way")]


def test_load_kafka_when_other_sections_are_wrong_then_kafka_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "stockwire.toml"
    file.write_text('[kafka]\nbootstrap = "kafka:9092"\n[connections.wh]\nsystem = 3\n')
    assert load_kafka(file).bootstrap == "kafka:9092"
    file.write_text("[kafka]\nbootstrap = 1\n")
    with pytest.raises(ConfigError, match=r"kafka\.bootstrap: expected str"):
        load_kafka(file)


@pytest.mark.parametrize(
    "text", ["", "connections = 3\nplaces = 4", "[kafka]\nbootstrap=''", "[[kafka]]\nbootstrap='x'", "[connections]\nx = 3"]
)
def test_load_when_shapes_are_wrong_then_problems_and_no_crash(text: str) -> None:
    assert _problems(text)


def test_load_when_file_is_missing_or_broken_then_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nowhere.toml", SYSTEMS)
    (tmp_path / "broken.toml").write_text("[kafka\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(tmp_path / "broken.toml", SYSTEMS)


def test_example_when_loaded_then_every_key_in_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("THETIS_KEY", "THETIS_ID", "THETIS_SECRET", "THETIS_HOOK", "SHOP_HOOK", "MARKET_HOOK", "CRM_KEY", "CRM_CLIENT_ID"):
        monkeypatch.setenv(name, "whsec_c3RvY2t3aXJlLWV4YW1wbGUtc2VjcmV0LTAwMDAwMDAx")
    settings = load(Path(__file__).parents[2] / "stockwire.example.toml")
    assert set(settings.connections) == {"wh-aarhus", "web-dk", "market", "crm"}
