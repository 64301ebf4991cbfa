"""Parameters of a call: brackets of PHP in query and form, JSON within form fields, and what filters may be."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from streams.systems.retailcrm.simulator.protocol import ENTITY, INPUT, INVALID, RefusedError

T = TypeVar("T")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
DIGITS_MAX = 18
PLACE = re.compile(r" - at `\$\.?(.*)`$")


async def parameters(request: web.Request) -> dict[str, Any]:
    """What the query (GET) or the form (POST) says, as a tree. A body that is no form says nothing."""
    pairs = [(name, value) for name, value in request.query.items()]
    if request.method == "POST" and request.content_type in FORMS:
        try:
            posted = await request.post()
        except ValueError as error:
            raise RefusedError(ENTITY) from error
        pairs += [(name, value) for name, value in posted.items() if isinstance(value, str)]
    return tree(pairs)


def tree(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`filter[ids][]=1&filter[details]=1` as `{"filter": {"ids": ["1"], "details": "1"}}`; the last of a name counts."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        match = KEY.fullmatch(name)
        parts = [name] if match is None else [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        node = root
        for part in parts[:-1]:
            inner = node.get(part) if part else None
            if not isinstance(inner, dict):
                inner = node[part or f"{len(node)}"] = {}
            node = inner
        node[parts[-1] or f"{len(node)}"] = value
    return {name: _lists(member) for name, member in root.items()}


def entity(params: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A nested parameter: JSON in its field, or brackets. Numbers and truths may be strings. Raises `RefusedError`."""
    if name not in params:
        raise RefusedError(f"Parameter '{name}' is missing")
    given = params[name]
    try:
        if isinstance(given, str):
            return msgspec.json.decode(given, type=kind, strict=False)
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        place = PLACE.search(str(error))
        inner = place[1] if place else ""
        raise RefusedError(ENTITY, errors={f"{name}{'' if inner.startswith('[') or not inner else '.'}{inner}": INVALID}) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RefusedError(ENTITY, errors={name: INVALID}) from error


class Filter:
    """`filter[...]` of a list. Each question marks its name as known; raises `RefusedError` for a wrong value."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        given = params.get("filter", {})
        if not isinstance(given, dict):
            raise _wrong("filter")
        self._given = given
        self._known: set[str] = set()

    def texts(self, name: str) -> list[str] | None:
        """A list of texts; one alone is one of them."""
        value = self._value(name)
        if value is None or isinstance(value, str):
            return None if value is None else [value]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise _wrong(name)
        return value

    def numbers(self, name: str) -> set[int] | None:
        """A list of ids."""
        texts = self.texts(name)
        if texts is None:
            return None
        if not all(_is_number(text) for text in texts):
            raise _wrong(name)
        return {int(text) for text in texts}

    def text(self, name: str) -> str | None:
        """One text."""
        value = self._value(name)
        if value is not None and not isinstance(value, str):
            raise _wrong(name)
        return value

    def flag(self, name: str) -> bool | None:
        """`1` or `0`."""
        value = self.text(name)
        if value not in {None, "0", "1"}:
            raise _wrong(name)
        return None if value is None else value == "1"

    def sites(self, seen: tuple[str, ...]) -> tuple[str, ...]:
        """Those asked for, which must be among those seen; nothing asked: all of these."""
        asked = self.texts("sites")
        if asked is not None and not set(asked) <= set(seen):
            raise _wrong("sites")
        return seen if asked is None else tuple(dict.fromkeys(asked))

    def ended(self, *also: str, unknown: str) -> None:
        """All questions asked: what is left, beside `also`, is not known here."""
        left = self._given.keys() - self._known - set(also)
        if left and unknown == "refuse":
            raise RefusedError(INPUT, errors=dict.fromkeys((f"children[{name}]" for name in sorted(left)), INVALID))

    def _value(self, name: str) -> Any:  # noqa: ANN401  # as it came
        self._known.add(name)
        return self._given.get(name)


def page(params: Mapping[str, Any], rows: list[T], limits: tuple[int, ...]) -> tuple[dict[str, int], list[T]]:
    """The `pagination` of an answer, and the rows of that page: none behind the last one."""
    limit, current = _positive(params, "limit", 20), _positive(params, "page", 1)
    if limit not in limits:
        raise _wrong("limit")
    pages = -(-len(rows) // limit)
    shown = {"limit": limit, "totalCount": len(rows), "currentPage": current, "totalPageCount": pages}
    return shown, rows[(current - 1) * limit : current * limit]


def site_of(params: Mapping[str, Any], sites: tuple[str, ...]) -> str:
    """The site that a write means: needed when the key sees several. Raises `RefusedError`."""
    site = params.get("site")
    if site is None and len(sites) == 1:
        return sites[0]
    if site is None:
        raise RefusedError("Parameter 'site' is missing")
    if site not in sites:
        raise RefusedError(INPUT, errors={"site": INVALID})
    return str(site)


def _positive(params: Mapping[str, Any], name: str, default: int) -> int:
    value = params.get(name, str(default))
    if not (isinstance(value, str) and _is_number(value) and int(value) > 0):
        raise _wrong(name)
    return int(value)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX


def _wrong(name: str) -> RefusedError:
    return RefusedError(INPUT, errors={f"children[{name}]": INVALID})


def _lists(value: Any) -> Any:  # noqa: ANN401
    """Maps whose names are 0, 1, 2 ... are lists."""
    if not isinstance(value, dict):
        return value
    members = {name: _lists(member) for name, member in value.items()}
    return list(members.values()) if list(members) == [str(index) for index in range(len(members))] else members
