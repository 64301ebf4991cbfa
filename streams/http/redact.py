"""Exchanges for people: what was said over HTTP, without a secret in it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from streams.secret import Secret

BODY_CHARS = 2_000
STARS = "***"


class Redactor:
    """Replaces registered secret values by stars, plain and in the escaped forms that URLs and JSON give them."""

    def __init__(self, *secrets: str) -> None:
        self._forms: list[str] = []
        for secret in secrets:
            self.add(secret)

    @classmethod
    def of(cls, settings: Any) -> "Redactor":  # noqa: ANN401  # any settings struct
        """All `Secret`s that stand anywhere in `settings`."""
        return cls(*_secrets(settings))

    def add(self, secret: str) -> None:
        """Register a value that became known later, for instance an access token."""
        if secret:
            forms = {secret, quote(secret, safe=""), msgspec.json.encode(secret).decode()[1:-1], *self._forms}
            self._forms = sorted(forms, key=len, reverse=True)

    def text(self, value: str) -> str:
        """`value` with stars."""
        for form in self._forms:
            value = value.replace(form, STARS)
        return value

    def body(self, value: bytes) -> str:
        """The first 2,000 characters of a body, with stars; bytes that are no UTF-8 are shown as such."""
        longest = len(self._forms[0]) if self._forms else 0
        head = value[: 4 * (BODY_CHARS + longest)].decode(errors="replace")
        return self.text(head[: BODY_CHARS + longest])[:BODY_CHARS]


def _secrets(value: Any) -> Iterator[str]:  # noqa: ANN401  # walks any settings struct
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, msgspec.Struct):
        yield from _secrets(tuple(getattr(value, name) for name in value.__struct_fields__))
    elif isinstance(value, dict):
        yield from _secrets(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _secrets(inner)
