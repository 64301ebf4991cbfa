"""inbound → facts: the table agent of one connection, with the table `items.<connection>` of its item ids."""

from functools import partial

from agents.translate.decide import CLOCK, Translate, decide
from models import topics
from models.agent import TableAgent
from models.config import TranslateConfig
from models.item_row import ClockRow, ItemRow


def _as_received(value: bytes) -> bytes:
    """An element is judged by its system's `translate`, together with its headers."""
    return value


def translate_agent(config: TranslateConfig, translate: Translate) -> TableAgent[ItemRow]:
    """The agent that reads `inbound.<connection>.v1`; `translate` is the one of the connection's system."""
    return TableAgent(
        name=f"translate.{config.connection}",
        topic=topics.inbound(config.connection),
        table=f"items.{config.connection}",
        row_type=ItemRow,
        decode=_as_received,
        decide=partial(decide, translate),
        outputs=(topics.FACT_STOCK, topics.hint(config.connection), topics.REVIEW),
        config=config,
        shared={CLOCK: ClockRow},
    )
