"""How long to wait before the same read again; shared by the agents that read."""

from models.errors import OperatorError, StockwireError, TransientError

FIRST_S, LONGEST_S, CLOSED_S = 0.5, 60.0, 60.0


def pause_s(error: StockwireError, *, tries: int, chance: float) -> float:
    """Seconds after the `tries`-th failure (from 1). Full jitter: `chance` (0 to 1) spreads the callers.

    The remote's own wish is never undercut; a connection that lets us in no more is asked once a minute.
    """
    if isinstance(error, OperatorError):
        return CLOSED_S * (0.5 + chance / 2)
    wish_s = error.retry_after_s if isinstance(error, TransientError) else None
    return max(chance * min(LONGEST_S, FIRST_S * 2.0 ** min(tries - 1, 10)), wish_s or 0.0)
