"""Stock and costs written into the account: one code path for the upload method and for the answers of callbacks. No I/O."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.systems.retailcrm.simulator.account import NONE, Account, Offer
from streams.systems.retailcrm.simulator.protocol import ENTITY, INVALID, RefusedError, present


class StoreRow(msgspec.Struct, frozen=True, rename="camel"):
    """One store of a row, in the words of the upload (`code`, `available`) or of the reading (`store`, `quantity`)."""

    code: str | int | None = None
    store: str | int | None = None
    available: Decimal | None = None
    quantity: Decimal | None = None
    purchase_price: Decimal | None = None


class Ids(msgspec.Struct, frozen=True, rename="camel"):
    """The ids of a row; one is enough. With several, the CRM's own counts, then the shop's."""

    id: str | int | None = None
    external_id: str | int | None = None
    xml_id: str | int | None = None

    def echo(self) -> dict[str, str | int]:
        """The ids as they were given."""
        return present(id=self.id, externalId=self.external_id, xmlId=self.xml_id)


class OfferRow(Ids, frozen=True, rename="camel"):
    """One row of an upload. What is absent or null keeps what was. A `site` leaves out the other ones."""

    site: str | None = None
    stores: list[StoreRow] = []


class Uploaded(NamedTuple):
    """How many rows were found, and those that were not."""

    processed: int
    not_found: list[dict[str, str | int]]


def found(account: Account, site: str, row: Ids) -> list[Offer]:
    """The offers of a site that a row means."""
    return account.matching(site, number=_text(row.id), external_id=_text(row.external_id), xml_id=_text(row.xml_id))


def checked_size(name: str, rows: int, most: int) -> None:
    """Refuse a portion that is too large."""
    if rows > most:
        raise RefusedError(ENTITY, errors={name: f"This collection should contain {most} elements or less."})


def checked_ids(name: str, index: int, row: Ids) -> Iterator[tuple[str, str]]:
    """What is wrong with the ids of a row, by path."""
    if not row.echo():
        yield f"{name}[{index}]", "One of id, externalId, xmlId should be given."


def uploaded(account: Account, sites: Iterable[str], rows: list[OfferRow], *, unknown_store: str) -> Uploaded:
    """All rows or, with a `RefusedError` that names the wrong ones by index, none. Of two for one store the last counts."""
    checked_size("offers", len(rows), account.rules.upload_rows_max)
    errors = dict(wrong for index, row in enumerate(rows) for wrong in _wrong(account, index, row, unknown_store))
    if errors:
        raise RefusedError(ENTITY, errors=errors)
    not_found = [row.echo() for row in rows if not _write(account, sites, row)]
    return Uploaded(len(rows) - len(not_found), not_found)


def _write(account: Account, sites: Iterable[str], row: OfferRow) -> bool:
    """Write one row, leaving out stores that do not exist; false when no offer is meant."""
    offers = [offer for site in sites if row.site in {None, site} for offer in found(account, site, row)]
    for offer in offers:
        for given in row.stores:
            store = account.stores.get(_code(given))
            if store is not None:
                account.put(offer, store, _quantity(given), given.purchase_price)
    return bool(offers)


def _wrong(account: Account, index: int, row: OfferRow, unknown_store: str) -> Iterator[tuple[str, str]]:
    yield from checked_ids("offers", index, row)
    for at, given in enumerate(row.stores):
        place = f"offers[{index}].stores[{at}]"
        if unknown_store == "refuse" and _code(given) not in account.stores:
            yield f"{place}.code", INVALID
        available = _quantity(given)
        if available is not None and (not available.is_finite() or (available < NONE and account.rules.negative == "refuse")):
            yield f"{place}.available", INVALID
        if given.purchase_price is not None and not given.purchase_price.is_finite():
            yield f"{place}.purchasePrice", INVALID


def _code(given: StoreRow) -> str:
    return _text(given.code if given.store is None else given.store) or ""


def _quantity(given: StoreRow) -> Decimal | None:
    return given.quantity if given.available is None else given.available


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)
