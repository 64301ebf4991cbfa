"""The words of the API: what a method is given, what it answers, and the texts of its refusals."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from models.codec import encode
from streams.systems.retailcrm.simulator.options import KeyOption

API = "/api/v5"
ENTITY = "Errors in the entity format"
INPUT = "Errors in the input parameters"
INVALID = "This value is not valid."
BLANK = "This value should not be blank."
Errors = Mapping[str, str] | list[str]


class RefusedError(Exception):
    """The CRM says no: `{"success": false, "errorMsg": ..., "errors": ...}`."""

    def __init__(self, text: str, status: int = 400, errors: Errors | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.errors = errors


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call: the key it came with, the sites which that key sees, the variable parts of the path, and all parameters."""

    key: KeyOption
    sites: tuple[str, ...]
    path: Mapping[str, str]
    params: Mapping[str, Any]


class Answer(NamedTuple):
    """The members beside `success`."""

    payload: Mapping[str, Any]
    status: int = 200


class Method(NamedTuple):
    """One method of the API. `scope` null: every key may; `base`: some methods have no version."""

    verb: str
    path: str
    scope: str | None
    run: Callable[[Call], Answer]
    base: str = API


def refusal(error: RefusedError) -> dict[str, Any]:
    """The body of a refusal."""
    body = {"success": False, "errorMsg": error.text}
    return body if error.errors is None else {**body, "errors": error.errors}


def present(**members: Any) -> dict[str, Any]:  # noqa: ANN401  # any JSON
    """What is not set is left out."""
    return {name: value for name, value in members.items() if value is not None}


def number(value: Decimal | None) -> Decimal | int | None:
    """As PHP prints it: without zeros at the end."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else value.normalize()


def php(value: Any, *, empty_maps: str) -> Any:  # noqa: ANN401
    """Empty maps become empty lists, as in PHP."""
    if isinstance(value, dict):
        return {name: php(member, empty_maps=empty_maps) for name, member in value.items()} or ([] if empty_maps == "list" else {})
    return value


def printed(body: Any, *, escaped: bool) -> bytes:  # noqa: ANN401
    """The bytes of an answer."""
    plain = encode(body)
    return re.sub(r"[^\x00-\x7f]", _escape, plain.decode()).encode() if escaped else plain


def html(status: int) -> bytes:
    """The page of the nginx in front."""
    text = {404: "404 Not Found", 405: "405 Not Allowed", 429: "429 Too Many Requests", 503: "503 Service Temporarily Unavailable"}
    title = text.get(status, str(status))
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    return f"{page}<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n".encode()


def _escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
