"""What a system folder declares about itself: its manifest, from which everything else follows."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec
from aiohttp import web

from agents.ports import BulkSink, Pager, Reader, Sink
from models.agent import Dead, Emit
from models.config import ClockSlack
from models.inbound import Inbound
from models.level import Level
from models.observation import Observation
from streams.http import HttpClient


class Hook(msgspec.Struct, frozen=True):
    """One request to `/hooks/<connection>[/<secret>]`. `headers` have lower-case names."""

    secret: str
    headers: Mapping[str, str]
    body: bytes
    now_s: float


class Taken(msgspec.Struct, frozen=True):
    """Where a genuine request goes: its `key` in `inbound.<c>.v1` and delivery id, or straight to `dead.v1`.

    `emits` are acknowledged with it before anything is answered; `answer` is the JSON body of our 200 (empty: a 204 or 200 without).
    A dead letter goes alone and unanswered. `body` is stored in place of what came, where that holds a secret (None: what came).
    """

    key: str
    delivery: str
    dead: Dead | None = None
    emits: tuple[Emit, ...] = ()
    answer: bytes = b""
    body: bytes | None = None


class Webhook(Protocol):
    """The receiving side of a connection; pure, made once per process."""

    parks: bool
    """Whether a refusal would block the sender's queue: then what cannot be used is taken (2xx) and parked."""

    def verify(self, hook: Hook) -> str | None:
        """None when genuine, else why not (for our log; the caller learns nothing but 401)."""

    def take(self, hook: Hook) -> Taken:
        """Where it goes. Raises `PoisonError` for what cannot be parsed."""


@runtime_checkable
class Callback(Webhook, Protocol):
    """The receiving side of a connection whose caller waits for our answer, and reads it also when it is no."""

    def refusal(self, reason: str) -> bytes:
        """The JSON body of a 4xx or 5xx to a genuine caller. Whoever is not genuine gets the same empty 401 everywhere."""


class Levels(Protocol):
    """What a channel should show, as the receiver sees it: a view of `level.<c>.v1`."""

    complete: bool
    """False until everything that was in the topic at the start has been read: then a SKU that is not there may be known yet."""

    def get(self, sku: str) -> Level | None:
        """The newest level read so far."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a system may know of the installation around one connection.

    `stores` maps each place that feeds it to its code there; `hooks_url` is our own address for its calls, as it sees us
    (`<public_url>/hooks/<connection>`; empty: no `public_url` is configured).
    """

    connection: str
    stores: Mapping[str, str] = {}
    hooks_url: str = ""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What registering us at a remote came to: `differences` in words, one per key path; `written`: it was made or changed."""

    code: str
    exists: bool
    differences: tuple[str, ...]
    written: bool


class Register(Protocol):
    """Makes ourselves known at the remote."""

    async def __call__(self, context: Context, settings: Any, http: HttpClient, *, dry_run: bool) -> Registration:  # noqa: ANN401  # of its system
        """Compare, write only what differs, and read it back. Raises the errors of `models.errors`."""


Translate = Callable[[bytes, Inbound], list[Observation]]
"""Pure: one inbound element to what it says; raises `PoisonError`."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The remote's limits per credential."""

    per_second: float
    per_day: int | None = None


class SystemSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of a system. A capability that is None does not exist there.

    `settings` is the frozen struct of `[connections.<name>]` without the key `system`.
    `warehouse`: may stand in `[[places]]`; `channel`: may stand as `to` in `[[stock]]`.
    `incremental(settings)`: whether the channel is told totals. `clock(settings)`: slack of the warehouse's stamps.
    `hosts(settings)`: the base URLs that may be called for it. `pagers` by list name (`stock`, `shown`).
    `limits_for(settings)`: in place of `limits`, where they are a setting.
    `translate_for(settings)`: in place of `translate`, where settings change what an element says. `seller_ids`: the ids
    that a warehouse knows as sales channels (a channel's `sellers` must be among them).
    `moves(settings)`: whether a warehouse tells single moves, with who caused them (an incremental channel needs them).
    `check` tries the connection and returns problems in words. `simulator` is the remote as a real server.
    `bulk`: in place of `sink`, for a channel that is told many SKUs in one call. `per_store`: it keeps stock per store, so each of
    its places needs a code there; `presence(settings)` names the codes that show only whether there is any.
    `callback`: in place of `webhook`, for a remote that waits for numbers in our answer. `register` makes us known there.
    `catalogue`: when everything is told again, also what did not change (a cron line in UTC, or `off`), where the route does not say.
    """

    name: str
    settings: type[msgspec.Struct]
    warehouse: bool = False
    channel: bool = False
    limits: Limits
    limits_for: Callable[[Any], Limits] | None = None
    translate: Translate
    translate_for: Callable[[Any], Translate] | None = None
    hosts: Callable[[Any], tuple[str, ...]]
    clock: Callable[[Any], ClockSlack] = lambda _settings: ClockSlack()
    incremental: Callable[[Any], bool] = lambda _settings: False
    audited: Callable[[Any], bool] = lambda _settings: False
    moves: Callable[[Any], bool] = lambda _settings: True
    webhook: Callable[[str, Any], Webhook] | None = None
    reader: Callable[[str, Any, HttpClient], Reader] | None = None
    pagers: Callable[[str, Any, HttpClient], Mapping[str, Pager]] | None = None
    sink: Callable[[str, Any, HttpClient], Sink] | None = None
    bulk: Callable[[Context, Any, HttpClient], BulkSink] | None = None
    per_store: bool = False
    presence: Callable[[Any], tuple[str, ...]] = lambda _settings: ()
    catalogue: str = "off"
    callback: Callable[[Context, Any, Levels], Callback] | None = None
    register: Register | None = None
    seller_ids: Callable[[str, Any, HttpClient], Awaitable[list[str]]] | None = None
    check: Callable[[Context, Any, HttpClient], Awaitable[list[str]]]
    simulator: Callable[[Mapping[str, Any]], web.Application]
