"""The simulated shop's own line to its warehouse: it places and cancels its orders in a Thetis, and does not give up."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import aiohttp
import msgspec

from streams.systems.shop.simulator.options import ThetisOption
from streams.systems.shop.simulator.shop import Order

RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0
GOOD = range(200, 300)
UNAUTHORIZED, UNPROCESSABLE = 401, 422


class Orders:
    """Orders on their way. Look-up before create is not needed: the order number is unique in the warehouse."""

    def __init__(self, thetis: ThetisOption) -> None:
        self._thetis = thetis
        self._token = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    @property
    def busy(self) -> int:
        """How many orders are on their way."""
        return len(self._tasks)

    def place(self, order: Order) -> None:
        """Place the order, now or as soon as the warehouse answers."""
        order.state = "placing"
        self._start(self._place(order))

    def cancel(self, order: Order) -> None:
        """Cancel the order in the warehouse too; one that is still being placed is cancelled when it has been."""
        if order.state == "placed":
            order.state = "cancelling"
            self._start(self._cancel(order))

    async def close(self) -> None:
        """Stop where we are."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._session is not None:
            await self._session.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _place(self, order: Order) -> None:
        await asyncio.sleep(self._thetis.delay_s)
        line = {"stockKeepingUnit": order.sku, "numItemsOrdered": int(order.quantity), "sellersReference": "1"}
        shipment = {
            "shipmentNumber": order.order,
            "sellersReference": order.order,
            "sellerId": self._thetis.seller_id,
            "customerNumber": self._thetis.customer_number,
            "shipmentLines": [line],
        }
        status, made = await self._surely("POST", "/shipments", shipment)
        if status == UNPROCESSABLE and made.get("messageCode") == "duplicate_Shipment":
            _, rows = await self._surely("GET", f"/shipments?shipmentNumberMatch={order.order}", None)
            status, made = 200, next(row for row in rows if row["sellersReference"] == order.order)
        if status not in GOOD:
            order.state = "refused"
            return
        order.shipment, order.state = made["id"], "placed"
        if order.cancelled:
            order.state = "cancelling"
            await self._cancel(order)

    async def _cancel(self, order: Order) -> None:
        status, _ = await self._surely("PUT", f"/shipments/{order.shipment}/cancelled", True)  # noqa: FBT003  # the JSON scalar
        order.state = "cancelled" if status in GOOD else "refused"

    async def _surely(self, method: str, path: str, body: Any) -> tuple[int, Any]:  # noqa: ANN401  # any JSON
        """Call until there is an answer that says something about the order itself."""
        wait_s = RETRY_FIRST_S
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
                status, answered = await self._call(method, path, body)
                if status in GOOD or status == UNPROCESSABLE:
                    return status, answered
            await asyncio.sleep(wait_s)
            wait_s = min(RETRY_MAX_S, 2 * wait_s)

    async def _call(self, method: str, path: str, body: Any) -> tuple[int, Any]:  # noqa: ANN401
        if not self._token:
            self._token = await self._new_token()
        headers = {"Authorization": f"Bearer {self._token}", "x-api-key": self._thetis.api_key, "Content-Type": "application/json"}
        data = None if body is None else msgspec.json.encode(body)
        async with self._open().request(method, f"{self._thetis.url}/2{path}", headers=headers, data=data) as response:
            if response.status == UNAUTHORIZED:
                self._token = ""
            return response.status, msgspec.json.decode(await response.read())

    async def _new_token(self) -> str:
        headers = {"Authorization": aiohttp.encode_basic_auth(self._thetis.client_id, self._thetis.client_secret)}
        form = {"grant_type": "client_credentials"}
        async with self._open().post(f"{self._thetis.url}/oauth2/token", data=form, headers=headers, raise_for_status=True) as response:
            return str(msgspec.json.decode(await response.read())["access_token"])

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self._session
