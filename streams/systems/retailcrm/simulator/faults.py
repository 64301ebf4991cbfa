"""Faults that have their way with the next calls."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from models.codec import encode
from streams.systems.retailcrm.simulator.options import Fault
from streams.systems.retailcrm.simulator.protocol import ENTITY, INVALID, RefusedError, html, refusal

THROTTLED = (429, 503)
REFUSED = 400
OVER = "Rate limit exceeded"
_exact = msgspec.json.Decoder(float_hook=Decimal).decode


class Faults:
    """The faults that wait for their calls, oldest first."""

    def __init__(self, seed: int) -> None:
        self.waiting: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311  # chance that can be repeated

    def chosen(self, endpoint: str, params: Mapping[str, Any]) -> tuple[Fault, int] | None:
        """The first fault that fits, and the index of the row that it is about (0 where it is about none)."""
        for index, fault in enumerate(self.waiting):
            row = 0 if fault.offer is None else _row_of(params, fault.offer)
            if fault.endpoint in {"*", endpoint} and row is not None and self._random.random() < fault.rate:
                if fault.times == 1:
                    del self.waiting[index]
                elif fault.times > 1:
                    self.waiting[index] = msgspec.structs.replace(fault, times=fault.times - 1)
                return fault, row
        return None


async def misbehave(request: web.Request, fault: Fault, row: int, act: Callable[[], Awaitable[web.Response]]) -> web.Response:
    """Carry the call out, or not, and answer as the fault wants."""
    await asyncio.sleep(fault.delay_s)
    real = await act() if fault.acts or fault.status is None else None
    await asyncio.sleep(fault.hold_s)
    if fault.status == 0 and request.transport is not None:
        request.transport.abort()
        return web.Response(status=500)
    status = real.status if real is not None and fault.status is None else fault.status or 500
    body = _as_wanted(fault, status, row, b"" if real is None else bytes(real.body or b""))  # type: ignore[arg-type]  # ours has bytes
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    kind = "text/html" if fault.body == "html" else "application/json"
    return web.Response(body=body, status=status, content_type=kind, headers=headers)


def _as_wanted(fault: Fault, status: int, row: int, real: bytes) -> bytes:
    whole = _with(fault.extra, _exact(real)) if fault.extra and real else None
    told = real if whole is None else encode(whole)
    if fault.status is not None and fault.body in {"json", "truncated"}:
        told = encode(_error(fault, status, row))
    if fault.body == "truncated":
        return told[: len(told) // 2]
    return {"html": html(status), "empty": b""}.get(fault.body, told)


def _error(fault: Fault, status: int, row: int) -> dict[str, Any]:
    if status == REFUSED and fault.offer is not None:
        errors = {f"offers[{row}]": INVALID} if fault.names_row else None
        return refusal(RefusedError(ENTITY, errors=errors))
    return refusal(RefusedError(OVER if status in THROTTLED else "Internal server error"))


def _with(extra: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401  # any JSON
    """Unknown members in the whole and in each row of its lists; a map by code is no row."""
    if isinstance(value, dict):
        return {**{name: _with(extra, member) if isinstance(member, list) else member for name, member in value.items()}, **extra}
    return [_with(extra, one) for one in value] if isinstance(value, list) else value


def _row_of(params: Mapping[str, Any], offer: str) -> int | None:
    """The index of the row of an upload that has this id."""
    given = params.get("offers")
    try:
        rows = msgspec.json.decode(given) if isinstance(given, str) else given
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, dict) and offer in {str(row.get(name)) for name in ("id", "externalId", "xmlId")}:
            return index
    return None
