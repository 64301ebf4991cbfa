"""Secrets of the configuration file: named there by reference, read once at the start, never shown."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.errors import ConfigError


class Secret:
    """A value that prints as `***` everywhere; `reveal()` at the one place that puts it on the wire."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        """Stars, whatever the value is."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Equal values are equal secrets, so that two configurations can be compared."""
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        """As `__eq__`."""
        return hash((Secret, self._value))

    def reveal(self) -> str:
        """The value itself."""
        return self._value


def resolve(reference: Any, path: str) -> Secret:  # noqa: ANN401  # whatever stands in the file
    """The secret behind `{env = "NAME"}` or `{file = "/run/secrets/name"}`; a file's final line break is not part of it.

    `path` is the key's path in the configuration, for the `ConfigError` that a wrong or empty reference raises.
    """
    match reference:
        case {"env": str(name), **others} if not others:
            value = os.environ.get(name, "")
            source = f"environment variable {name}"
        case {"file": str(name), **others} if not others:
            value = _read(name, path)
            source = f"file {name}"
        case _:
            kind = f"keys {sorted(reference)}" if isinstance(reference, Mapping) else type(reference).__name__
            raise ConfigError([f'{path}: a secret is a reference, {{env = "NAME"}} or {{file = "/path"}}; found {kind}'])
    if not value:
        raise ConfigError([f"{path}: {source} is not set or empty"])
    return Secret(value)


def _read(name: str, path: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot read file {name}: {error}"]) from error
