"""Product groups, products with their offers, and properties: read only."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from streams.systems.retailcrm.simulator.account import Account, Group, Offer, Product
from streams.systems.retailcrm.simulator.options import PropertyOption
from streams.systems.retailcrm.simulator.params import Filter, page
from streams.systems.retailcrm.simulator.protocol import INPUT, INVALID, Answer, Call, Method, RefusedError, number, php, present

LIMITS = (20, 50, 100, 250)
Test = Callable[[Product], bool]
MOMENT = "%Y-%m-%d %H:%M:%S"


class Catalogue:
    """The methods."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def methods(self) -> list[Method]:
        """What is answered here."""
        return [
            Method("GET", "/store/product-groups", "store_read", self.groups),
            Method("GET", "/store/products", "store_read", self.products),
            Method("GET", "/store/products/properties", "store_read", self.properties),
        ]

    def groups(self, call: Call) -> Answer:
        """One page of groups; roots have no `parentId`."""
        asked = Filter(call.params)
        sites, ids, active, parent = asked.sites(call.sites), asked.numbers("ids"), asked.flag("active"), asked.numbers("parentGroupId")
        self._ended(asked, "catalogs", "minLevel", "maxLevel", "loadFromYml")
        rows = [
            group
            for group in self._account.groups.values()
            if group.site in sites
            and (ids is None or group.id in ids)
            and (active is None or group.option.active == active)
            and (parent is None or group.parent in parent)
        ]
        pagination, shown = page(call.params, rows, LIMITS)
        return Answer({"pagination": pagination, "productGroup": [_group(group) for group in shown]})

    def products(self, call: Call) -> Answer:
        """One page of products by growing id, each with its offers."""
        asked = Filter(call.params)
        rows = self._products(asked, call)
        self._ended(asked, "catalogs")
        pagination, shown = page(call.params, rows, LIMITS)
        return Answer({"pagination": pagination, "products": [self._product(product) for product in shown]})

    def properties(self, call: Call) -> Answer:
        """One page of properties."""
        asked = Filter(call.params)
        sites, name, code = asked.sites(call.sites), asked.text("name"), asked.text("code")
        visible, variative = asked.flag("visible"), asked.flag("variative")
        self._ended(asked, "catalogs", "groups")
        rows = [
            option
            for option in self._account.options.properties
            if (option.sites is None or set(option.sites) & set(sites))
            and name in {None, option.name}
            and code in {None, option.code}
            and visible in {None, option.visible}
            and variative in {None, option.variative}
        ]
        pagination, shown = page(call.params, rows, LIMITS)
        return Answer({"pagination": pagination, "properties": [_property(option, sites) for option in shown]})

    def _ended(self, asked: Filter, *also: str) -> None:
        asked.ended(*also, unknown=self._account.rules.unknown_filter)

    def _products(self, asked: Filter, call: Call) -> list[Product]:
        """What all filters let through."""
        sites = asked.sites(call.sites)
        rows = [product for product in self._account.products.values() if product.site in sites]
        for test in (*self._of_product(asked), *_of_offers(asked)):
            rows = rows if test is None else [product for product in rows if test(product)]
        return rows

    def _of_product(self, asked: Filter) -> Iterator[Test | None]:
        """What is asked about products themselves."""
        ids, since, external_id = asked.numbers("ids"), asked.numbers("sinceId"), asked.text("externalId")
        group, active, name, moment = asked.text("groupExternalId"), asked.flag("active"), asked.text("name"), self._moment(asked)
        yield None if ids is None else lambda product: product.id in ids
        yield None if since is None else lambda product: product.id > max(since)
        yield None if external_id is None else lambda product: product.external_id == external_id
        yield None if group is None else lambda product: product.group == group
        yield None if active is None else lambda product: product.active == active
        yield None if name is None else lambda product: name.casefold() in product.name.casefold()
        yield None if moment is None else lambda product: product.updated > moment

    def _moment(self, asked: Filter) -> datetime | None:
        """`sinceUpdatedAt`, in account time."""
        text = asked.text("sinceUpdatedAt")
        try:
            return None if text is None else datetime.strptime(text, MOMENT).replace(tzinfo=self._account.zone)
        except ValueError as error:
            raise RefusedError(INPUT, errors={"children[sinceUpdatedAt]": INVALID}) from error

    def _product(self, product: Product) -> dict[str, Any]:
        group = self._account.groups.get((product.site, product.group or ""))
        prices = [offer.prices["base"] for offer in product.offers if "base" in offer.prices]
        return present(
            minPrice=number(min(prices, default=None)),
            maxPrice=number(max(prices, default=None)),
            catalogId=list(self._account.sites).index(product.site) + 1,
            id=product.id,
            article=product.offers[0].article,
            type="product",
            name=product.name,
            groups=[] if group is None else [{"id": group.id, "externalId": group.option.external_id}],
            externalId=product.external_id,
            active=product.active,
            quantity=number(sum((offer.quantity for offer in product.offers), Decimal(0))),
            markable=False,
            updatedAt=product.updated.strftime(MOMENT),
            offers=[self._offer(offer) for offer in product.offers],
        )

    def _offer(self, offer: Offer) -> dict[str, Any]:
        currency = self._account.options.currency
        return present(
            name=offer.name,
            price=number(offer.prices.get("base")),
            images=[],
            id=offer.id,
            externalId=offer.external_id,
            xmlId=offer.xml_id,
            article=offer.article,
            barcode=offer.barcode,
            prices=[
                {"priceType": code, "price": number(price), "ordering": 991, "currency": currency} for code, price in offer.prices.items()
            ],
            purchasePrice=number(offer.cost),
            vatRate="none",
            properties=php(dict(offer.properties), empty_maps=self._account.rules.empty_maps),
            quantity=number(offer.quantity),
            active=offer.active,
            site=offer.site,
            unit={"code": "pc", "name": "Piece", "sym": "pcs"},
        )


def _of_offers(asked: Filter) -> Iterator[Test | None]:
    """What is asked about offers: one of a product's is enough."""
    ids, external_id, xml_id = asked.numbers("offerIds"), asked.text("offerExternalId"), asked.text("offerXmlId")
    yield None if ids is None else lambda product: any(offer.id in ids for offer in product.offers)
    yield None if external_id is None else lambda product: any(offer.external_id == external_id for offer in product.offers)
    yield None if xml_id is None else lambda product: any(offer.xml_id == xml_id for offer in product.offers)


def _group(group: Group) -> dict[str, Any]:
    option = group.option
    return present(
        parentId=group.parent, site=group.site, id=group.id, name=option.name, externalId=option.external_id, active=option.active
    )


def _property(option: PropertyOption, sites: tuple[str, ...]) -> dict[str, Any]:
    shown = [site for site in sites if option.sites is None or site in option.sites]
    return {
        "sites": shown,
        "groups": [],
        "code": option.code,
        "name": option.name,
        "isNumeric": option.numeric,
        "visible": option.visible,
        "variative": option.variative,
    }
