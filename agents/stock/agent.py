"""The stock agent, as the engine runs it."""

from agents.stock.correction import SWEEP
from agents.stock.decide import decide
from models import topics
from models.agent import TableAgent
from models.codec import Decoder
from models.config import StockConfig
from models.facts import StockFact
from models.stock_row import StockRow, SweepRow


def stock_agent(config: StockConfig) -> TableAgent[StockRow]:
    """Table `stock` over `fact.stock.v1`: levels for each channel, hints for each warehouse, reviews for people."""
    levels = tuple(topics.level(name) for name in config.channels)
    hints = tuple(sorted({topics.hint(warehouse.connection) for warehouse in config.warehouses.values()}))
    decode: Decoder[StockFact] = Decoder(StockFact)
    return TableAgent(
        name="stock",
        topic=topics.FACT_STOCK,
        table="stock",
        row_type=StockRow,
        decode=decode,
        decide=decide,
        outputs=(*levels, *hints, topics.REVIEW),
        config=config,
        shared={SWEEP: SweepRow},
    )
