"""webhooks ─▶ receiver: who may come in, and where what they bring belongs. Pure: no clock, no Kafka, no sockets."""

import hashlib
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec
import structlog

from models.agent import Dead
from models.errors import PoisonError
from models.inbound import Inbound
from models.topics import DEAD, inbound
from streams.dead import dead_headers
from streams.encoded import encoded
from streams.receiver.depth import nests_deeper
from streams.receiver.limits import ReceiverLimits
from streams.receiver.request import Request
from streams.systems.spec import Callback, Hook, Taken, Webhook

log = structlog.get_logger(__name__)

HOOKS = "/hooks/"
STORED, ANSWERED, NOT_FOUND, UNAUTHORISED, MALFORMED, METHOD, TOO_LARGE, BUG = 204, 200, 404, 401, 400, 405, 413, 500
OUR_FAULT = "this cannot be answered; the fault is ours"


class Letter(msgspec.Struct, frozen=True):
    """One record to be written."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    time_ms: int


class Admission(msgspec.Struct, frozen=True):
    """The answer: `status` and JSON `body`, with a `letter` only after that is stored, and all in `also` with it.

    `outcome` and `connection` (if known) are for metrics.
    """

    status: int
    outcome: str
    connection: str = ""
    letter: Letter | None = None
    also: tuple[Letter, ...] = ()
    body: bytes = b""


class Door:
    """Admits deliveries of `webhooks`, by connection name."""

    def __init__(self, webhooks: Mapping[str, Webhook], limits: ReceiverLimits) -> None:
        self._webhooks = dict(webhooks)
        self._limits = limits
        # An unknown name costs as much time as a wrong secret, and is answered alike: names cannot be guessed.
        self._decoy = next(iter(self._webhooks.values()), None)
        self._callbacks = {name: one for name, one in self._webhooks.items() if isinstance(one, Callback)}

    def refusal(self, connection: str, reason: str) -> bytes:
        """What a genuine caller reads of a refusal; nothing where it only sends."""
        callback = self._callbacks.get(connection)
        return b"" if callback is None else callback.refusal(reason)

    def admit(self, delivery: Request, now_s: float) -> Admission:
        """Decide about one delivery."""
        path = delivery.path.partition("?")[0]
        if not path.startswith(HOOKS):
            return Admission(NOT_FOUND, "not_found")
        if delivery.method != "POST":
            return Admission(METHOD, "method")
        name, _, secret = path.removeprefix(HOOKS).rstrip("/").partition("/")
        webhook = self._webhooks.get(name, self._decoy)
        if webhook is None:
            return Admission(UNAUTHORISED, "unauthorised")
        known = name in self._webhooks
        hook = Hook(unquote(secret), delivery.headers, delivery.body, now_s)
        # Connection names are ours; whatever else stands in the path may be a secret and is not logged.
        return self._identified(name if known else "", webhook, hook, delivery.size)

    def _identified(self, name: str, webhook: Webhook, hook: Hook, size: int) -> Admission:
        problem = _problem(webhook, hook)
        if size > self._limits.body_max_bytes:
            # A signature cannot be told from a part of the body: only who takes anything, by its secret, is let in.
            if not name or problem is not None or not webhook.parks:
                return Admission(TOO_LARGE, "too_large", name)
            reason = f"body of {size} bytes is above the limit of {self._limits.body_max_bytes}; the first {len(hook.body)} are kept"
            return _park(name, hook, Dead(error="PoisonError", reason=reason), outcome="too_large_parked")
        if problem is not None or not name:
            log.warning("delivery_unauthorised", connection=name, reason=problem or "no such connection")
            return Admission(UNAUTHORISED, "unauthorised", name)
        return self._genuine(name, webhook, hook)

    def _genuine(self, name: str, webhook: Webhook, hook: Hook) -> Admission:
        try:
            self._check_depth(hook.body)
            taken = webhook.take(hook)
            self._check_depth(taken.body or b"")  # of a form, whose escapes hid it
            return _taken(name, hook, taken)
        except PoisonError as error:
            return self._unusable(name, webhook, hook, error)
        except Exception as error:  # a bug of ours must not hold up a queue that waits for our 2xx
            log.exception("delivery_not_understood", connection=name)
            return self._unusable(name, webhook, hook, error)

    def _unusable(self, name: str, webhook: Webhook, hook: Hook, error: Exception) -> Admission:
        if webhook.parks:
            return _park(name, hook, Dead(error=type(error).__name__, reason=str(error)))
        if isinstance(error, PoisonError):
            log.warning("delivery_malformed", connection=name, reason=str(error))
            return Admission(MALFORMED, "malformed", name, body=self.refusal(name, str(error)))
        return Admission(BUG, "bug", name, body=self.refusal(name, OUR_FAULT))

    def _check_depth(self, body: bytes) -> None:
        if nests_deeper(body, self._limits.depth_max):
            raise PoisonError(f"nests deeper than {self._limits.depth_max}")


def trace_of(connection: str, delivery: str) -> str:
    """The trace id of a delivery, 32 hex digits: the same for each repetition."""
    return hashlib.blake2b(f"{connection}/{delivery}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _headers(connection: str, delivery: str, now_ms: int) -> dict[str, bytes]:
    headers = Inbound(kind="webhook", received_ms=now_ms, delivery=delivery).headers()
    headers["connection"] = connection.encode()
    headers["trace"] = trace_of(connection, delivery).encode()
    return headers


def _problem(webhook: Webhook, hook: Hook) -> str | None:
    try:
        return webhook.verify(hook)
    except Exception:  # whoever makes the check fail does not come in
        log.exception("delivery_not_verified")
        return "the check itself failed"


def _taken(name: str, hook: Hook, taken: Taken) -> Admission:
    if taken.dead is not None:
        return _park(name, hook, taken.dead, taken)
    now_ms = int(hook.now_s * 1000)
    headers = _headers(name, taken.delivery, now_ms)
    body = hook.body if taken.body is None else taken.body
    letter = Letter(inbound(name), taken.key.encode(), body, list(headers.items()), now_ms)
    if not taken.emits and not taken.answer:
        return Admission(STORED, "stored", name, letter)
    also = tuple(Letter(emit.topic, emit.key.encode(), *encoded(emit, headers), now_ms) for emit in taken.emits)
    return Admission(ANSWERED if taken.answer else STORED, "answered", name, letter, also, taken.answer)


def _park(name: str, hook: Hook, dead: Dead, taken: Taken | None = None, *, outcome: str = "parked") -> Admission:
    """Into `dead.v1`, as it came, or what is stored in its place.

    Of the request's headers only its content type is kept: others may hold secrets.
    """
    if taken is None:
        taken = Taken(name, hashlib.sha256(hook.body).hexdigest()[:32])
    now_ms = int(hook.now_s * 1000)
    headers = _headers(name, taken.delivery, now_ms)
    headers["content_type"] = hook.headers.get("content-type", "").encode("utf-8", "surrogateescape")
    headers = dead_headers(headers, dead, agent=f"receiver.{name}")
    log.warning("delivery_parked", connection=name, reason=dead.reason)
    body = hook.body if taken.body is None else taken.body
    return Admission(STORED, outcome, name, Letter(DEAD, taken.key.encode(), body, list(headers.items()), now_ms))
