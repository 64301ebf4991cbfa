"""What a shop is to us: a channel that is told its stock, and may say what it shows."""

from collections.abc import Mapping

from agents.ports import Pager
from streams.http import HttpClient
from streams.systems.shop.check import check
from streams.systems.shop.poller import ShownPager
from streams.systems.shop.settings import ShopSettings
from streams.systems.shop.simulator import simulator
from streams.systems.shop.sink import ShopSink
from streams.systems.shop.translate import translate
from streams.systems.shop.webhook import ShopWebhook
from streams.systems.spec import Limits, SystemSpec


def _hosts(settings: ShopSettings) -> tuple[str, ...]:
    return tuple(url for url in (settings.webhook_url, settings.api_url) if url is not None)


def _pagers(connection: str, settings: ShopSettings, http: HttpClient) -> Mapping[str, Pager]:
    return {} if settings.api_url is None else {"shown": ShownPager(connection, settings, http)}


SYSTEM = SystemSpec(
    name="shop",
    settings=ShopSettings,
    channel=True,
    limits=Limits(per_second=100),
    limits_for=lambda settings: Limits(per_second=settings.calls_per_s),
    translate=translate,
    hosts=_hosts,
    incremental=lambda settings: settings.mode == "incremental",
    audited=lambda settings: settings.api_url is not None,
    webhook=ShopWebhook,
    pagers=_pagers,
    sink=ShopSink,
    check=check,
    simulator=simulator,
)
