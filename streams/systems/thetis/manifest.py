"""What Thetis is to us: a warehouse that sends moves and answers with readings."""

from streams.systems.spec import Limits, SystemSpec
from streams.systems.thetis.check import check, seller_ids
from streams.systems.thetis.poller import StockPager
from streams.systems.thetis.reader import ItemReader
from streams.systems.thetis.settings import ThetisSettings
from streams.systems.thetis.simulator import simulator
from streams.systems.thetis.translate import translate, translate_without_moves
from streams.systems.thetis.webhook import ThetisWebhook

SYSTEM = SystemSpec(
    name="thetis",
    settings=ThetisSettings,
    warehouse=True,
    limits=Limits(per_second=50, per_day=100_000),
    translate=translate,
    translate_for=lambda settings: translate if settings.moves_subscribed else translate_without_moves,
    moves=lambda settings: settings.moves_subscribed,
    hosts=lambda settings: (settings.api_url, settings.auth_url),
    clock=lambda settings: settings.clock,
    webhook=ThetisWebhook,
    reader=ItemReader,
    pagers=lambda connection, settings, http: {"stock": StockPager(connection, settings, http)},
    seller_ids=seller_ids,
    check=check,
    simulator=simulator,
)
