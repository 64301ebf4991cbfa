"""`/store/inventories`: stock and costs, read and uploaded."""

from typing import Any

from streams.systems.retailcrm.simulator.account import Account, Offer
from streams.systems.retailcrm.simulator.params import Filter, entity, page, site_of
from streams.systems.retailcrm.simulator.protocol import INPUT, INVALID, Answer, Call, Method, RefusedError, number, present
from streams.systems.retailcrm.simulator.upload import OfferRow, uploaded

LIMITS = (20, 50, 100, 250)
TEXT_MAX = 255
EDITING_OFF = "Stock editing is switched off in the settings of the account."
PARTLY = "Offers are loaded with errors"


class Inventories:
    """The methods."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def methods(self) -> list[Method]:
        """What is answered here."""
        return [
            Method("GET", "/store/inventories", "store_read", self.read),
            Method("POST", "/store/inventories/upload", "store_write", self.upload),
        ]

    def read(self, call: Call) -> Answer:
        """One page, newest offer first; per store only with `filter[details]=1`."""
        asked = Filter(call.params)
        rows = self._matching(asked, call)
        details = asked.flag("details")
        asked.ended("catalogs", unknown=self._account.rules.unknown_filter)
        pagination, shown = page(call.params, rows, LIMITS)
        return Answer({"pagination": pagination, "offers": [_row(offer, details=bool(details)) for offer in shown]})

    def upload(self, call: Call) -> Answer:
        """Absolute numbers per offer and store, at most 250 offers; unknown offers are named and hold up nothing."""
        rows = entity(call.params, "offers", list[OfferRow])
        site = site_of(call.params, call.sites)
        rules = self._account.rules
        if not rules.stock_editing:
            raise RefusedError(EDITING_OFF)
        done = uploaded(self._account, (site,), rows, unknown_store=rules.unknown_store)
        payload: dict[str, Any] = {"processedOffersCount": done.processed, "notFoundOffers": done.not_found}
        if done.not_found and rules.partial_status != Answer({}).status:
            return Answer({"success": False, "errorMsg": PARTLY, **payload}, rules.partial_status)
        return Answer(payload)

    def _matching(self, asked: Filter, call: Call) -> list[Offer]:
        """The offers that all filters let through."""
        product, articles, product_articles = asked.text("productExternalId"), asked.texts("offerArticle"), asked.texts("productArticle")
        active, product_active = asked.flag("offerActive"), asked.flag("productActive")
        if product is not None and len(product) > TEXT_MAX:
            raise RefusedError(INPUT, errors={"children[productExternalId]": INVALID})
        rows = self._named(asked, call)
        if product is not None:
            rows = [offer for offer in rows if offer.product.external_id == product]
        if articles is not None:
            rows = [offer for offer in rows if offer.article in articles]
        if product_articles is not None:
            rows = [offer for offer in rows if offer.product.offers[0].article in product_articles]
        if active is not None:
            rows = [offer for offer in rows if offer.active == active]
        if product_active is not None:
            rows = [offer for offer in rows if offer.product.active == product_active]
        return rows

    def _named(self, asked: Filter, call: Call) -> list[Offer]:
        """Those with the ids asked for, looked up and not searched; without ids all of the sites."""
        account, sites = self._account, asked.sites(call.sites)
        ids, external_ids, xml_ids = asked.numbers("ids"), asked.texts("offerExternalId"), asked.texts("offerXmlId")
        found: list[list[Offer]] = []
        if ids is not None:
            found.append([offer for offer in account.by_ids(ids) if offer.site in sites])
        if external_ids is not None:
            found.append(account.by_external_ids(sites, external_ids))
        if xml_ids is not None:
            found.append(account.by_xml_ids(sites, xml_ids))
        if not found:
            return account.listed(sites)
        common = set.intersection(*({offer.id for offer in offers} for offers in found))
        return [offer for offer in found[0] if offer.id in common]


def _row(offer: Offer, *, details: bool) -> dict[str, Any]:
    stores = [
        {"quantity": number(shelf.quantity), **present(purchasePrice=number(shelf.cost)), "store": code}
        for code, shelf in offer.shelves.items()
    ]
    return present(
        id=offer.id,
        externalId=offer.external_id,
        xmlId=offer.xml_id,
        site=offer.site,
        purchasePrice=number(offer.cost),
        quantity=number(offer.quantity),
        stores=stores if details else None,
    )
