"""The state of the simulated account: sites, stores, products, offers with their stock and costs, modules. No I/O."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from streams.systems.retailcrm.simulator.options import GroupOption, KeyOption, OfferOption, Options, StoreOption

FIRST_OFFER, FIRST_PRODUCT, FIRST_GROUP = 20_001, 800_001, 3_001
DIGITS_MAX = 18
QUANTITY_MAX = Decimal(999_999)
NONE = Decimal(0)


class Shelf(msgspec.Struct):
    """What is known of one offer in one store. `cost`: what one costs us, if known."""

    quantity: Decimal = NONE
    cost: Decimal | None = None


class Product(msgspec.Struct, kw_only=True, eq=False):
    """A product, with the offers that are sold of it. `updated` is account time."""

    id: int
    external_id: str
    site: str
    name: str
    group: str | None
    updated: datetime
    offers: list["Offer"] = []

    @property
    def active(self) -> bool:
        """Whether any of its offers is."""
        return any(offer.active for offer in self.offers)


class Offer(msgspec.Struct, kw_only=True, eq=False):
    """A sales proposition of one site. `shelves` by store code: only what was ever written."""

    id: int
    external_id: str | None
    xml_id: str | None
    site: str
    name: str
    article: str | None
    barcode: str | None
    active: bool
    product: Product
    properties: Mapping[str, str]
    prices: dict[str, Decimal]
    shelves: dict[str, Shelf]

    @property
    def quantity(self) -> Decimal:
        """The sum over all stores."""
        return sum((shelf.quantity for shelf in self.shelves.values()), NONE)

    @property
    def cost(self) -> Decimal | None:
        """The highest of all stores."""
        return max((shelf.cost for shelf in self.shelves.values() if shelf.cost is not None), default=None)

    @property
    def label(self) -> str:
        """How tests call it: by the warehouse system's id, else the shop's, else the CRM's."""
        return self.xml_id or self.external_id or str(self.id)


class Group(msgspec.Struct, kw_only=True, frozen=True):
    """A product group."""

    id: int
    option: GroupOption
    site: str
    parent: int | None


class Module(msgspec.Struct, kw_only=True):
    """A registered module. `integrations` and `actions` as they were sent. `freeze` is the CRM's own."""

    code: str
    integration_code: str
    name: str
    client_id: str
    base_url: str
    active: bool = True
    freeze: bool = False
    logo: str | None = None
    account_url: str | None = None
    countries: list[str] = []
    actions: dict[str, str] = {}
    integrations: dict[str, Any] = {}


class Account:
    """One account. Offers are found by each of their ids within a site, and listed newest first.

    Raises `msgspec.ValidationError` for options that contradict each other.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.rules = options.rules
        self.keys: dict[str, KeyOption] = {key.key: key for key in options.api_keys}
        self.sites = {site.code: site for site in options.sites}
        self.stores: dict[str, StoreOption] = {store.code: store for store in options.stores}
        self.modules: dict[str, Module] = {}
        self.offers: dict[int, Offer] = {}
        self.products: dict[tuple[str, str], Product] = {}
        self.groups: dict[tuple[str, str], Group] = {}
        self.zone = _zone(options.zone)
        self._by_external: dict[tuple[str, str], Offer] = {}
        self._by_xml: dict[tuple[str, str], list[Offer]] = {}
        self._listed: dict[frozenset[str], list[Offer]] = {}
        self._offer_ids, self._product_ids, self._group_ids = count(FIRST_OFFER), count(FIRST_PRODUCT), count(FIRST_GROUP)
        if not self.sites or any(set(key.sites or ()) - self.sites.keys() for key in options.api_keys):
            raise msgspec.ValidationError("an account has a site, and a key sees only sites of the account")
        for group in options.groups:
            self._add_group(group)
        self.add(options.offers)

    @property
    def first_site(self) -> str:
        """Where things are when nobody says where."""
        return next(iter(self.sites))

    def now(self) -> datetime:
        """The account's time."""
        return datetime.now(self.zone)

    def add(self, offers: Iterable[OfferOption] | int) -> list[Offer]:
        """New offers; a number makes so many, each on every site of `bulk_sites`."""
        return [self._add(option) for option in (self._bulk(offers) if isinstance(offers, int) else offers)]

    def remove(self, offer: Offer) -> None:
        """The offer is gone, its product with the last of them."""
        del self.offers[offer.id]
        self._by_external.pop((offer.site, offer.external_id or ""), None)
        self._unname(offer)
        offer.product.offers.remove(offer)
        if not offer.product.offers:
            del self.products[offer.site, offer.product.external_id]
        self._listed.clear()

    def rename(self, offer: Offer, xml_id: str) -> None:
        """Another id in the warehouse system."""
        self._unname(offer)
        offer.xml_id = xml_id
        self._by_xml.setdefault((offer.site, xml_id), []).append(offer)

    def matching(self, site: str, *, number: str | None, external_id: str | None, xml_id: str | None) -> list[Offer]:
        """The offers of a site that are meant: by the first id given of CRM, shop and warehouse system."""
        if number is not None:
            offer = self.offers.get(int(number)) if number.isascii() and number.isdigit() and len(number) <= DIGITS_MAX else None
            return [offer] if offer is not None and offer.site == site else []
        if external_id is not None:
            offer = self._by_external.get((site, external_id))
            return [] if offer is None else [offer]
        return self._by_xml.get((site, xml_id or ""), [])

    def named(self, label: str, sites: Iterable[str]) -> list[Offer]:
        """The offers of some sites with this label."""
        found: list[Offer] = []
        for site in sites:
            found += (
                self.matching(site, number=None, external_id=None, xml_id=label)
                or self.matching(site, number=None, external_id=label, xml_id=None)
                or self.matching(site, number=label, external_id=None, xml_id=None)
            )
        return found

    def listed(self, sites: Iterable[str]) -> list[Offer]:
        """All offers of these sites, newest first."""
        wanted = frozenset(sites)
        if wanted not in self._listed:
            self._listed[wanted] = [offer for _, offer in sorted(self.offers.items(), reverse=True) if offer.site in wanted]
        return self._listed[wanted]

    def by_ids(self, ids: Iterable[int]) -> list[Offer]:
        """The offers of these ids, newest first."""
        return _newest(self.offers[number] for number in set(ids) if number in self.offers)

    def by_external_ids(self, sites: Iterable[str], ids: Iterable[str]) -> list[Offer]:
        """The offers with these ids in the shop, newest first."""
        pairs = {(site, external_id) for site in sites for external_id in ids}
        return _newest(self._by_external[pair] for pair in pairs if pair in self._by_external)

    def by_xml_ids(self, sites: Iterable[str], ids: Iterable[str]) -> list[Offer]:
        """The offers with these ids in the warehouse system, newest first."""
        pairs = {(site, xml_id) for site in sites for xml_id in ids}
        return _newest(offer for pair in pairs for offer in self._by_xml.get(pair, ()))

    def put(self, offer: Offer, store: StoreOption, quantity: Decimal | None, cost: Decimal | None) -> None:
        """Write what is given, within what the CRM can show; null keeps what was."""
        shelf = offer.shelves.setdefault(store.code, Shelf())
        if quantity is not None:
            shown = min(max(quantity, NONE), QUANTITY_MAX)
            shelf.quantity = Decimal(int(shown > 0)) if store.inventory_type == "available" else shown
        if cost is not None:
            shelf.cost = cost
        offer.product.updated = self.now()

    def _bulk(self, amount: int) -> Iterable[OfferOption]:
        for site in self.options.bulk_sites or (self.first_site,):
            for number in range(1, amount + 1):
                yield OfferOption(
                    xml_id=f"{self.options.bulk_prefix}{number:05}", external_id=f"shop-{number}", site=site, name=f"Thing {number}"
                )

    def _add(self, option: OfferOption) -> Offer:
        site = option.site or self.first_site
        unknown = {*option.stock, *option.costs} - self.stores.keys()
        if site not in self.sites or unknown:
            raise msgspec.ValidationError(f"offer {option.xml_id}: site {site} or stores {sorted(unknown)} do not exist")
        number = next(self._offer_ids) if option.id is None else option.id
        if number in self.offers or (site, option.external_id or "") in self._by_external:
            raise msgspec.ValidationError(f"offer {option.xml_id}: its id {number} or external id {option.external_id} is taken")
        offer = Offer(
            id=number,
            external_id=option.external_id,
            xml_id=option.xml_id,
            site=site,
            name=option.name or option.xml_id or str(number),
            article=option.article,
            barcode=option.barcode,
            active=option.active,
            product=self._product(option, site, number),
            properties=option.properties,
            prices={} if option.price is None else {"base": option.price},
            shelves={},
        )
        self._index(offer)
        for store in {**option.stock, **option.costs}:
            self.put(offer, self.stores[store], option.stock.get(store), option.costs.get(store))
        return offer

    def _index(self, offer: Offer) -> None:
        self.offers[offer.id] = offer
        offer.product.offers.append(offer)
        if offer.external_id is not None:
            self._by_external[offer.site, offer.external_id] = offer
        if offer.xml_id is not None:
            self._by_xml.setdefault((offer.site, offer.xml_id), []).append(offer)
        self._listed.clear()

    def _unname(self, offer: Offer) -> None:
        if offer.xml_id is not None:
            self._by_xml[offer.site, offer.xml_id].remove(offer)

    def _product(self, option: OfferOption, site: str, number: int) -> Product:
        external_id = option.product or f"p-{number}"
        if option.group is not None and (site, option.group) not in self.groups:
            raise msgspec.ValidationError(f"offer {option.xml_id}: no group {option.group} on site {site}")
        if (site, external_id) not in self.products:
            self.products[site, external_id] = Product(
                id=next(self._product_ids),
                external_id=external_id,
                site=site,
                name=option.name or option.xml_id or str(number),
                group=option.group,
                updated=self.now(),
            )
        return self.products[site, external_id]

    def _add_group(self, option: GroupOption) -> None:
        site = option.site or self.first_site
        parent = None if option.parent is None else self.groups.get((site, option.parent))
        if site not in self.sites or (option.parent is not None and parent is None):
            raise msgspec.ValidationError(f"group {option.external_id}: site {site} or its parent {option.parent} does not exist")
        number = None if parent is None else parent.id
        self.groups[site, option.external_id] = Group(id=next(self._group_ids), option=option, site=site, parent=number)


def _newest(offers: Iterable[Offer]) -> list[Offer]:
    return sorted(offers, key=lambda offer: offer.id, reverse=True)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise msgspec.ValidationError(f"zone: {name} is not one") from error
