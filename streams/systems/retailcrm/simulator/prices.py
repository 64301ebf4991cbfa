"""`/store/prices/upload`: sale prices. Costs are not among them."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from streams.systems.retailcrm.simulator.account import Account
from streams.systems.retailcrm.simulator.params import entity, site_of
from streams.systems.retailcrm.simulator.protocol import ENTITY, INVALID, Answer, Call, Method, RefusedError
from streams.systems.retailcrm.simulator.upload import Ids, checked_ids, checked_size, found


class PriceRow(msgspec.Struct, frozen=True, rename="camel"):
    """A price of one type, or that there is none any more."""

    code: str
    price: Decimal | None = None
    remove: bool = False


class PricesRow(Ids, frozen=True, rename="camel"):
    """One row: the site is within it."""

    site: str | None = None
    prices: list[PriceRow] = []


class Prices:
    """The method."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def methods(self) -> list[Method]:
        """What is answered here."""
        return [Method("POST", "/store/prices/upload", "store_write", self.upload)]

    def upload(self, call: Call) -> Answer:
        """Set or remove prices; all rows or none."""
        rows = entity(call.params, "prices", list[PricesRow])
        checked_size("prices", len(rows), self._account.rules.upload_rows_max)
        errors = dict(wrong for index, row in enumerate(rows) for wrong in self._wrong(index, row))
        if errors:
            raise RefusedError(ENTITY, errors=errors)
        sites = [site_of(call.params if row.site is None else {"site": row.site}, call.sites) for row in rows]
        missed = [row.echo() for row, site in zip(rows, sites, strict=True) if not self._write(row, site)]
        as_text = [{name: str(value) for name, value in ids.items()} for ids in missed]
        return Answer({"processedOffersCount": len(rows) - len(missed), "notFoundOffers": as_text})

    def _wrong(self, index: int, row: PricesRow) -> Iterator[tuple[str, str]]:
        yield from checked_ids("prices", index, row)
        for at, price in enumerate(row.prices):
            if price.code not in self._account.options.price_types:
                yield f"prices[{index}].prices[{at}].code", INVALID
            if not price.remove and (price.price is None or not price.price.is_finite()):
                yield f"prices[{index}].prices[{at}].price", INVALID

    def _write(self, row: PricesRow, site: str) -> bool:
        offers = found(self._account, site, row)
        for offer in offers:
            for price in row.prices:
                if price.remove or price.price is None:
                    offer.prices.pop(price.code, None)
                else:
                    offer.prices[price.code] = price.price
        return bool(offers)
