"""A CRM account as a real server: the documented API below `/api`, its calls to the warehouse system, and `/admin/`.

The options are the members of `options.Options`; `/admin/` speaks JSON both ways, and answers 400 to what makes no sense.

- `GET truth?site=`, `GET costs?site=`: by offer (its `xmlId`) and store code. `GET stock`: every offer of every site, with all ids.
- `GET calls`: `{"counts": {endpoint: {"calls", "offers", "offers_max", "statuses"}}, "calls": [{"endpoint", "path", "query", "form",
  "offers", "at_ms", "status"}]}`, oldest first, `status` 0 for a broken connection; `?only=counts` without the calls, of which the
  option `calls_kept` (0: none) says how many are kept. `DELETE calls`.
- `POST offers` `{"offers": [OfferOption] | number}`: ids by name. `POST offer` `{"offer", "site", "rename", "active", "gone"}`.
- `POST edit` `{"offer", "store", "quantity", "cost", "site"}`: somebody writes another number.
- `POST stores` `StoreOption`: made or overwritten. `DELETE stores?code=`. `POST keys` `{"api_keys": [KeyOption]}`: these and no others.
- `GET modules`: by code. `POST module` `{"module", "active", "freeze", "tell"}`: answers `{"call": record | null}`, the activity callback.
- `POST call-point` `{"module", "action", "offers", "site", "at_once", "callback"}`: answers `{"calls": [record]}`; 409 with `error` when
  the CRM would not call. A record: `module, action, url, form, at_ms, took_ms, status, body, error, held, applied`, the last
  `[rows found, rows not found]` or null.
- `GET callbacks`, `DELETE callbacks`: all records. `POST callbacks/apply`: write the answers held by `callback.hold`.
- `POST rules`: change the given members of `Rules`, keep the others; answers all. `POST faults` `Fault`, `DELETE faults`.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from aiohttp import web

from streams.systems.retailcrm.simulator.account import Account
from streams.systems.retailcrm.simulator.admin import Admin
from streams.systems.retailcrm.simulator.callbacks import Callbacks
from streams.systems.retailcrm.simulator.catalogue import Catalogue
from streams.systems.retailcrm.simulator.faults import Faults
from streams.systems.retailcrm.simulator.gate import Gate, Handler
from streams.systems.retailcrm.simulator.inventories import Inventories
from streams.systems.retailcrm.simulator.modules import Modules
from streams.systems.retailcrm.simulator.options import Options
from streams.systems.retailcrm.simulator.prices import Prices
from streams.systems.retailcrm.simulator.reference import Reference

REQUEST_MAX_BYTES = 16 * 1024 * 1024
RESOURCES = (Inventories, Prices, Reference, Catalogue, Modules)


def simulator(options: Mapping[str, Any]) -> web.Application:
    """One simulated account; `options` are the members of `Options`. The API is at `/api/v5`.

    Raises `msgspec.ValidationError` for an option that is not one.
    """
    start = msgspec.convert(options, Options)
    account, faults = Account(start), Faults(start.seed)
    gate, callbacks = Gate(account, start.calls_kept, faults), Callbacks(account)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await gate.guard(request, handler)
        except msgspec.DecodeError as error:
            return web.json_response({"error": str(error)}, status=400)

    async def closed_at_the_end(_app: web.Application) -> AsyncIterator[None]:
        yield
        await callbacks.close()

    app = web.Application(middlewares=[guard], client_max_size=REQUEST_MAX_BYTES)
    for resource in RESOURCES:
        for method in resource(account).methods():
            app.router.add_route(method.verb, method.base + method.path, gate.handler(method))
    app.router.add_routes(Admin(account, gate, faults, callbacks).routes())
    app.cleanup_ctx.append(closed_at_the_end)
    return app
