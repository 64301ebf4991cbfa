"""How a command says that it has failed."""

from models.errors import StockwireError


class FailedError(StockwireError):
    """The command could not be done, or the answer is "no": exit code 1; the text says what, where and what to do."""
