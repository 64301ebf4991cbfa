"""What needs a person: the values of `review.v1`, a register per matter (newest wins; a matter that is settled is deleted)."""

from models.message import Message


class SweepStopped(Message, frozen=True):
    """Too many readings of one full list reading were too far off, so the rest of it is not adopted by this partition.

    `held` readings were held back, more than `held_max`. Look at the warehouse; if its numbers are right, accept them
    with `stockwire reconcile --accept`. Key: `sweep/<place>/<sweep>`.
    """

    connection: str
    place: str
    sweep: str
    held: int
    held_max: int
    partition: int
    at_ms: int


class OfferMissing(Message, frozen=True):
    """The channel does not know the SKU: make the offer there, or give it our SKU. Every later number is tried all the same.

    Key: `offer/<connection>/<sku>`; deleted when the channel takes a number of it.
    """

    connection: str
    sku: str
    at_ms: int


class OfferUnnamed(Message, frozen=True):
    """An offer of the channel, called `offer` there, has no SKU of ours, so nothing is told of it: give it one if we are to fill it.

    Key: `unnamed/<connection>/<offer>`; deleted when the offer is read with a SKU.
    """

    connection: str
    offer: str
    at_ms: int


class ChannelClosed(Message, frozen=True):
    """The channel turns every call away, for `reason`: nothing is told there until a person has mended it; a call a minute tries.

    Key: `closed/<connection>`; deleted by the first call that comes through.
    """

    connection: str
    reason: str
    at_ms: int


class CatalogueReported(Message, frozen=True):
    """How the last full-catalogue run of a channel ended, as of `at_ms`: of `offers` said again since `began_ms`, `taken` were taken.

    `left` counts those without an outcome yet; `missing` (unknown to the channel) and `refused` (with the reason) name the first
    of theirs, `missing_count` and `refused_count` count all. Complete when nothing is left, missing or refused.
    Key: `catalogue/<connection>`.
    """

    connection: str
    run: str
    began_ms: int
    at_ms: int
    offers: int
    taken: int
    left: int
    missing_count: int = 0
    refused_count: int = 0
    missing: tuple[str, ...] = ()
    refused: dict[str, str] = {}
