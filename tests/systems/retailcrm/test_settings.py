"""What `[connections.<name>]` of an account may say."""

import os

import pytest

from models.errors import ConfigError
from streams.settings import settings_of
from tests.systems.retailcrm.conftest import CLIENT_ID, MODULE, settings_for

SECRET = {"env": "CRM_TEST_SECRET"}
GOOD = {"system": "retailcrm", "account_url": "https://acme.retailcrm.ru", "api_key": SECRET, "site": "main"}
OUR_MODULE = {**MODULE, "client_id": SECRET}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, SECRET["env"], CLIENT_ID)


def problems(**changes: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings_of({"kafka": {"bootstrap": "k:9092"}, "connections": {"crm": {**GOOD, **changes}}})
    return caught.value.problems


@pytest.mark.req("R-07", "R-09")
def test_settings_when_right_then_defaults() -> None:
    settings = settings_for(module=MODULE)
    assert settings.module is not None
    assert (settings.offer_key, settings.calls_per_s, settings.module.type_code, settings.module.callback_field) == (
        "xmlId",
        10,
        "wms",
        "inventories",
    )
    assert CLIENT_ID not in repr(settings)


@pytest.mark.req("R-07", "R-14")
@pytest.mark.parametrize("missing", ["name", "code", "client_id", "call_points"])
def test_settings_when_a_part_of_the_module_is_missing_then_its_key_is_named(missing: str) -> None:
    module = {key: value for key, value in OUR_MODULE.items() if key != missing}
    assert problems(module=module) == [f"connections.crm.module.{missing}: missing"]


@pytest.mark.req("R-07", "R-14")
def test_settings_when_several_parts_are_wrong_then_all_are_named() -> None:
    module = {"name": 7, "client_id": {"env": "CRM_NOT_SET"}, "cal_points": []}
    found = [problem.partition(": ")[0] for problem in problems(module=module)]
    assert found == [
        "connections.crm.module.cal_points",
        "connections.crm.module.name",
        "connections.crm.module.code",
        "connections.crm.module.client_id",
        "connections.crm.module.call_points",
    ]


@pytest.mark.req("R-14")
@pytest.mark.parametrize("points", [[], [""], ["order", " "]])
def test_settings_when_no_call_point_is_named_then_refused(points: list[str]) -> None:
    (problem,) = problems(module={**OUR_MODULE, "call_points": points})
    assert problem.startswith("connections.crm.module: call_points must name")


def test_settings_when_values_cannot_work_then_all_are_named_at_once() -> None:
    (module,) = problems(module={**OUR_MODULE, "name": " ", "integration_code": "other", "logo": "logo.svg", "callback_field": "a b"})
    assert [word for word in ("name", "integration_code", "logo", "callback_field") if word not in module] == []
    (plain,) = problems(account_url="acme.ru/api/v5", site="", calls_per_s=11, call_deadline_s=0)
    assert [word for word in ("https://", "/api", "site", "calls_per_s", "call_deadline_s") if word not in plain] == []


def test_settings_when_the_client_id_can_be_guessed_then_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, SECRET["env"], "tooshort")
    (problem,) = problems(module=OUR_MODULE)
    assert "client_id is shorter" in problem
    assert "tooshort" not in problem
