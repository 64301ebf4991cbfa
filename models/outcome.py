"""What became of a level or command at its remote system: the value of `outcome.<connection>.v1`, for people."""

from models.message import Message


class Exchange(Message, frozen=True, forbid_unknown_fields=False):
    """The last HTTP exchange, redacted: no secret, bodies cut to 2,000 characters. `status` None: no answer."""

    method: str
    url: str
    status: int | None
    request: str = ""
    response: str = ""
    took_ms: int = 0


class Outcome(Message, frozen=True, tag=False):
    """What all outcomes say. `attempts` counts HTTP calls made for it."""

    connection: str
    sku: str | None = None
    sequence: int | None = None
    attempts: int = 1
    exchange: Exchange | None = None


class Done(Outcome, frozen=True, tag=True):
    """The remote has taken it."""


class Refused(Outcome, frozen=True, tag=True):
    """The remote understood and refused it; `reason` says what a person can do. `missing`: it does not know the SKU."""

    reason: str = ""
    missing: bool = False


class Superseded(Outcome, frozen=True, tag=True):
    """A newer level overtook it before it was sent; nothing is missing."""


AnyOutcome = Done | Refused | Superseded
