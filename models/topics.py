"""The names of the topics; their partitions and cleanup policies are in `streams/topics.py`."""

FACT_STOCK = "fact.stock.v1"
POLL = "poll.v1"
REVIEW = "review.v1"
AUDIT = "audit.v1"
DEAD = "dead.v1"


def inbound(connection: str) -> str:
    """One element as received: a webhook body, or one element of a list answer."""
    return f"inbound.{connection}.v1"


def hint(connection: str) -> str:
    """What to read at a connection, and why."""
    return f"hint.{connection}.v1"


def level(connection: str) -> str:
    """What a channel should show per SKU; compacted, newest wins."""
    return f"level.{connection}.v1"


def outcome(connection: str) -> str:
    """What became of each level or command, for people."""
    return f"outcome.{connection}.v1"
