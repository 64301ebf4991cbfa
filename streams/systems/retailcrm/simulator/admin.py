"""`/admin/`: change the account by hand, make calls to the warehouse system, misbehave, and read the truth."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from models.codec import encode
from streams.systems.retailcrm.simulator.account import Account, Module, Offer
from streams.systems.retailcrm.simulator.callbacks import Callbacks, NotCalledError
from streams.systems.retailcrm.simulator.faults import Faults
from streams.systems.retailcrm.simulator.gate import Gate
from streams.systems.retailcrm.simulator.modules import INVENTORIES
from streams.systems.retailcrm.simulator.options import CallbackRules, Fault, KeyOption, OfferOption, Rules, StoreOption
from streams.systems.retailcrm.simulator.protocol import number, present

CONFLICT = 409


class NewOffers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Offers to make: listed, or so many."""

    offers: list[OfferOption] | int


class OfferChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of an offer (by any of its ids; `site` null: on all): another `xml_id` (`rename`), inactive, or `gone`."""

    offer: str
    site: str | None = None
    rename: str | None = None
    active: bool | None = None
    gone: bool = False


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody writes another number or cost by hand. `site` null: on all."""

    offer: str
    store: str
    quantity: Decimal | None = None
    cost: Decimal | None = None
    site: str | None = None


class ModuleChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody switches a module on or off, or its bill is unpaid. `tell`: it hears of it."""

    module: str
    active: bool | None = None
    freeze: bool | None = None
    tell: bool = True


class CallPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody does what starts a callback, `at_once` times at the same time.

    `offers` are ids of any kind (one that nobody has is sent as `xmlId`), or rows as they shall be sent; null: none are named.
    `module` null: the only one. `callback` are changes to `rules.callback` for this time.
    """

    module: str | None = None
    action: str = INVENTORIES
    offers: list[str | dict[str, Any]] | None = None
    site: str | None = None
    at_once: int = 1
    callback: dict[str, Any] = {}


class Admin:
    """The handlers below `/admin`."""

    def __init__(self, account: Account, gate: Gate, faults: Faults, callbacks: Callbacks) -> None:
        self._account = account
        self._gate = gate
        self._faults = faults
        self._callbacks = callbacks

    def routes(self) -> list[web.RouteDef]:
        """Method and path of every lever."""
        return [
            web.get("/admin/truth", self.truth),
            web.get("/admin/costs", self.costs),
            web.get("/admin/stock", self.stock),
            web.post("/admin/offers", self.new_offers),
            web.post("/admin/offer", self.change_offer),
            web.post("/admin/edit", self.edit),
            web.post("/admin/stores", self.put_store),
            web.delete("/admin/stores", self.remove_store),
            web.post("/admin/keys", self.put_keys),
            web.get("/admin/modules", self.modules),
            web.post("/admin/module", self.change_module),
            web.post("/admin/call-point", self.call_point),
            web.get("/admin/callbacks", self.callbacks),
            web.delete("/admin/callbacks", self.forget_callbacks),
            web.post("/admin/callbacks/apply", self.apply_callbacks),
            web.post("/admin/rules", self.rules),
            web.post("/admin/faults", self.fault),
            web.delete("/admin/faults", self.no_faults),
            web.get("/admin/calls", self.calls),
            web.delete("/admin/calls", self.forget_calls),
        ]

    async def truth(self, request: web.Request) -> web.Response:
        """What is shown on `?site=` (the first), by offer and store. An offer is named by `xmlId`, or another id where it has none."""
        return _answer(
            {
                offer.label: {code: number(shelf.quantity) for code, shelf in offer.shelves.items()}
                for offer in self._account.listed((self._site(request),))
            }
        )

    async def costs(self, request: web.Request) -> web.Response:
        """The cost prices that are known, likewise."""
        return _answer(
            {
                offer.label: {code: number(shelf.cost) for code, shelf in offer.shelves.items() if shelf.cost is not None}
                for offer in self._account.listed((self._site(request),))
            }
        )

    async def stock(self, _request: web.Request) -> web.Response:
        """Every offer of every site, newest first, with all its ids."""
        return _answer([_shown(offer) for offer in self._account.listed(self._account.sites)])

    async def new_offers(self, request: web.Request) -> web.Response:
        """Make offers; answers their CRM ids, by name."""
        new = msgspec.json.decode(await request.read(), type=NewOffers)
        return _answer({offer.label: offer.id for offer in self._account.add(new.offers)})

    async def change_offer(self, request: web.Request) -> web.Response:
        """Change or remove an offer; answers the CRM ids of those meant."""
        change = msgspec.json.decode(await request.read(), type=OfferChange)
        offers = self._named(change.offer, change.site)
        for offer in offers:
            offer.active = offer.active if change.active is None else change.active
            if change.rename is not None:
                self._account.rename(offer, change.rename)
            if change.gone:
                self._account.remove(offer)
        return _answer({"ids": [offer.id for offer in offers]})

    async def edit(self, request: web.Request) -> web.Response:
        """Write what is given."""
        edit = msgspec.json.decode(await request.read(), type=Edit)
        if edit.store not in self._account.stores:
            raise msgspec.ValidationError(f"no store {edit.store}")
        offers = self._named(edit.offer, edit.site)
        for offer in offers:
            self._account.put(offer, self._account.stores[edit.store], edit.quantity, edit.cost)
        return _answer([_shown(offer) for offer in offers])

    async def put_store(self, request: web.Request) -> web.Response:
        """Make a store, or write another over it."""
        store = msgspec.json.decode(await request.read(), type=StoreOption)
        self._account.stores[store.code] = store
        return _answer({})

    async def remove_store(self, request: web.Request) -> web.Response:
        """The store of this `?code=` is no more; what was in it is there again when it is made again."""
        if self._account.stores.pop(request.query.get("code", ""), None) is None:
            raise msgspec.ValidationError(f"no store {request.query.get('code')}")
        return _answer({})

    async def put_keys(self, request: web.Request) -> web.Response:
        """These keys, and no others, open the account from now on."""
        keys = msgspec.json.decode(await request.read(), type=dict[str, list[KeyOption]]).get("api_keys", [])
        self._account.keys = {key.key: key for key in keys}
        return _answer({})

    async def modules(self, _request: web.Request) -> web.Response:
        """All registered modules, also with what the API does not tell, by code."""
        return _answer(self._account.modules)

    async def change_module(self, request: web.Request) -> web.Response:
        """Switch it, tell it, and answer that call (null: it did not want to know)."""
        change = msgspec.json.decode(await request.read(), type=ModuleChange)
        module = self._module(change.module)
        module.active = module.active if change.active is None else change.active
        module.freeze = module.freeze if change.freeze is None else change.freeze
        return _answer({"call": await self._callbacks.activity(module) if change.tell else None})

    async def call_point(self, request: web.Request) -> web.Response:
        """Call the warehouse system; answers the calls made. 409 when the CRM would make none."""
        point = msgspec.json.decode(await request.read(), type=CallPoint)
        rules = msgspec.convert({**msgspec.to_builtins(self._account.rules.callback), **point.callback}, CallbackRules)
        offers = None if point.offers is None else [row for one in point.offers for row in self._rows(one, point.site)]
        try:
            records = await self._callbacks.ask(self._module(point.module), point.action, offers, point.at_once, rules)
        except NotCalledError as error:
            return _answer({"calls": [], "error": str(error)}, CONFLICT)
        return _answer({"calls": records})

    async def callbacks(self, _request: web.Request) -> web.Response:
        """The calls made, oldest first."""
        return _answer(list(self._callbacks.records))

    async def forget_callbacks(self, _request: web.Request) -> web.Response:
        """Count from here."""
        self._callbacks.records.clear()
        return _answer({})

    async def apply_callbacks(self, _request: web.Request) -> web.Response:
        """Write the answers that were held back."""
        return _answer({"calls": self._callbacks.apply_held()})

    async def rules(self, request: web.Request) -> web.Response:
        """Change the given rules, keep the others; answers all."""
        changes = msgspec.json.decode(await request.read(), type=dict[str, Any])
        old = msgspec.to_builtins(self._account.rules)
        if "callback" in changes:
            changes = {**changes, "callback": {**old["callback"], **changes["callback"]}}
        self._account.rules = msgspec.convert({**old, **changes}, Rules)
        return _answer(self._account.rules)

    async def fault(self, request: web.Request) -> web.Response:
        """Add one fault."""
        self._faults.waiting.append(msgspec.json.decode(await request.read(), type=Fault))
        return _answer({})

    async def no_faults(self, _request: web.Request) -> web.Response:
        """Behave again."""
        self._faults.waiting.clear()
        return _answer({})

    async def calls(self, request: web.Request) -> web.Response:
        """How often each endpoint was called, and the calls themselves, unless `?only=counts`."""
        counts = {"counts": self._gate.counts}
        return _answer(counts if request.query.get("only") == "counts" else {**counts, "calls": list(self._gate.calls)})

    async def forget_calls(self, _request: web.Request) -> web.Response:
        """Count from here."""
        self._gate.forget_calls()
        return _answer({})

    def _site(self, request: web.Request) -> str:
        site = request.query.get("site", self._account.first_site)
        if site not in self._account.sites:
            raise msgspec.ValidationError(f"no site {site}")
        return site

    def _named(self, label: str, site: str | None) -> list[Offer]:
        offers = self._account.named(label, self._sites(site))
        if not offers:
            raise msgspec.ValidationError(f"no offer {label}")
        return list(offers)

    def _sites(self, site: str | None) -> Iterable[str]:
        return self._account.sites if site is None else (site,)

    def _module(self, code: str | None) -> Module:
        modules = list(self._account.modules.values()) if code is None else [self._account.modules.get(code)]
        if len(modules) != 1 or modules[0] is None:
            raise msgspec.ValidationError(f"no module {code}" if code else f"{len(modules)} modules: say which")
        return modules[0]

    def _rows(self, one: str | dict[str, Any], site: str | None) -> list[dict[str, Any]]:
        if isinstance(one, dict):
            return [one]
        offers = self._account.named(one, self._sites(site))
        return [present(id=offer.id, externalId=offer.external_id, xmlId=offer.xml_id, site=offer.site) for offer in offers] or [
            {"xmlId": one}
        ]


def _shown(offer: Offer) -> dict[str, Any]:
    stores = {code: {"quantity": number(shelf.quantity), "cost": number(shelf.cost)} for code, shelf in offer.shelves.items()}
    ids = {"id": offer.id, "external_id": offer.external_id, "xml_id": offer.xml_id}
    return {**ids, "site": offer.site, "active": offer.active, "stores": stores}


def _answer(value: Any, status: int = 200) -> web.Response:  # noqa: ANN401  # any JSON
    return web.Response(body=encode(value), status=status, content_type="application/json")
