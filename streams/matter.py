"""review.v1 ─▶ a person: each open matter in words, and what can be done about it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec


class Words(msgspec.Struct, frozen=True):
    """What a kind of matter is, and what can be done; both are filled with the members of the matter."""

    what: str
    todo: str


KINDS: Mapping[str, Words] = {
    "SweepStopped": Words(
        "{held} readings of the list {sweep} of {place} were too far off, more than {held_max}: the rest of it is not adopted",
        "look into the warehouse; if its numbers are right, `stockwire reconcile --held` and `--accept`, else mend them there; then "
        "resolve this",
    ),
    "ChannelClosed": Words(
        "{connection} lets us in no more, so nothing is told there: {reason}",
        "mend it, with `stockwire check` to see whether it is; it is tried once a minute, and this goes by itself",
    ),
    "OfferMissing": Words(
        "{connection} does not know {sku}, so it shows no stock of it",
        "make the offer in {connection}, or give it this SKU; then `stockwire reconcile --catalogue {connection}`, and this goes by itself",
    ),
    "OfferUnnamed": Words(
        "the offer {offer} of {connection} has no SKU of ours, so nothing is told of it",
        "give it a SKU in {connection} if its stock is to be ours, and this goes by itself; else resolve this",
    ),
    "CatalogueReported": Words(
        "the catalogue of {connection} is not complete: of {offers} offers {left} have no answer, {missing_count} are unknown there, "
        "{refused_count} were refused",
        "`stockwire reconcile --report {connection}` names them; mend them there, then `--catalogue {connection}`",
    ),
}
"""By the member `type`; also of kinds that the code at hand need not know."""

OTHER = Words("{type}", "`stockwire review show` has all of it; when it is settled, resolve it")


class _Members(dict[str, Any]):
    """Members that are left out when they have their default, or that an older writer did not know."""

    def __missing__(self, name: str) -> int:
        return 0


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """One open matter: its `key`, since when (Unix ms), `kind`, and in words `what` it is and what `todo`; `value` is all of it."""

    key: str
    since_ms: int
    kind: str
    what: str
    todo: str
    value: msgspec.Raw


_members: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode


def is_settled(value: bytes) -> bool:
    """Whether it is a report that says that all is well."""
    if b'"CatalogueReported"' not in value:
        return False
    found = _read(value)
    return found["type"] == "CatalogueReported" and not (found["left"] or found["missing_count"] or found["refused_count"])


def matter_of(key: str, value: bytes, written_ms: int) -> Matter:
    """In words, whatever it is. `written_ms` is the record's own time."""
    found = _read(value)
    kind = str(found["type"] or "unknown")
    words = KINDS.get(kind, OTHER)
    since_ms = found["at_ms"] if isinstance(found["at_ms"], int) and found["at_ms"] else written_ms
    whole = msgspec.Raw(value) if found else msgspec.Raw(msgspec.json.encode(value.decode(errors="backslashreplace")))
    shown = _Members(found, type=kind)
    return Matter(key=key, since_ms=since_ms, kind=kind, what=words.what.format_map(shown), todo=words.todo.format_map(shown), value=whole)


def _read(value: bytes) -> _Members:
    try:
        return _Members(_members(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Members()
