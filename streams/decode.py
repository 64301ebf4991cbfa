"""One TOML table into one frozen struct, with every problem found and the path of its key."""

import difflib
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from models.errors import ConfigError
from streams.secret import Secret, resolve

T = TypeVar("T", bound=msgspec.Struct)
Table = Mapping[str, Any]


def decode(kind: type[T], table: object, path: str, problems: list[str]) -> T | None:
    """The struct, or None with at least one line `path.of.key: what is wrong` added to `problems`.

    msgspec alone stops at the first error, so each field is decoded by itself. A `ValueError` raised by
    the struct's `__post_init__` is a problem of the table as a whole.
    """
    if not isinstance(table, Mapping):
        problems.append(f"{path}: expected a table, found {_kind_of(table)}")
        return None
    before = len(problems)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    problems.extend(unknown(join(path, key), key, fields) for key in table if key not in fields)
    values = {}
    for key, field in fields.items():
        if key in table:
            values[field.name] = _value(field.type, table[key], join(path, key), problems)
        elif field.required:
            problems.append(f"{join(path, key)}: missing")
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        problems.append(f"{path}: {error}")
        return None


def join(path: str, key: str) -> str:
    """`path.key`, or `key` at the top."""
    return f"{path}.{key}" if path else key


def unknown(path: str, key: str, known: Mapping[str, object]) -> str:
    """The problem of a key that nothing reads, with the likely meant one."""
    meant = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {meant[0]!r}?" if meant else f"known here: {', '.join(sorted(known))}"
    return f"{path}: unknown key; {hint}"


def _value(kind: Any, value: Any, path: str, problems: list[str]) -> Any:  # noqa: ANN401  # any type a field may have
    kind = _present(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and origin is None and issubclass(kind, msgspec.Struct):
        return decode(kind, value, path, problems)
    if origin is dict and isinstance(value, Mapping):
        return {key: _value(arguments[1], item, join(path, key), problems) for key, item in value.items()}
    if origin in (list, tuple) and isinstance(value, list):
        items = [_value(arguments[0], item, f"{path}[{number}]", problems) for number, item in enumerate(value)]
        return items if origin is list else tuple(items)
    if origin is Literal and value not in arguments:
        problems.append(f"{path}: must be one of {', '.join(map(repr, arguments))}; found {value!r}")
        return None
    try:
        return msgspec.convert(value, kind, dec_hook=lambda _kind, reference: _secret(reference, path))
    except ConfigError as error:
        problems.extend(error.problems)
    except msgspec.ValidationError as error:
        problems.append(f"{path}: {_in_words(error)}")
    return None


def _present(kind: Any) -> Any:  # noqa: ANN401  # any type a field may have
    """The struct of a field that may also be left out; any other type as it is."""
    present = [one for one in get_args(kind) if one is not NoneType] if get_origin(kind) in {Union, UnionType} else []
    return present[0] if len(present) == 1 and isinstance(present[0], type) and issubclass(present[0], msgspec.Struct) else kind


def _secret(reference: Any, path: str) -> Secret:  # noqa: ANN401  # whatever stands in the file
    return resolve(reference, path)


def _in_words(error: msgspec.ValidationError) -> str:
    return str(error).replace("Expected", "expected").replace(", got", ", found").replace("`", "")


def _kind_of(value: object) -> str:
    return {"str": "a text", "list": "a list", "bool": "true or false", "int": "a number"}.get(type(value).__name__, type(value).__name__)
