"""A retailCRM account as a real server."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The start of a simulated account."""


def simulator(options: Mapping[str, Any]) -> web.Application:
    """One simulated account."""
    msgspec.convert(options, Options)
    return web.Application()
