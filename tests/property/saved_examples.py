"""Runs that found something once, as plain data: right on the rules as they are, wrong with the mistake named in `kills`."""

from dataclasses import dataclass
from typing import Final

from tests.property.play import Setup
from tests.property.world import Step


@dataclass(frozen=True)
class Example:
    """`kills` names the mutants that it kills, each with the promise that it does not keep."""

    name: str
    setup: Setup
    steps: tuple[Step, ...]
    kills: dict[str, str]


EXAMPLES: Final = (
    Example(
        "goods come in, a reading in the same source second has them, then the webhook",
        Setup(),
        (("pass", 1), ("foreign", 0, 1, 0), ("read", 0), ("moved", 0, 0, 0, 0)),
        {"unclear positives": "S4"},
    ),
    Example(
        "goods come in, a reading of the very millisecond has them, then the webhook",
        Setup(clock=2),
        (("pass", 1), ("foreign", 0, 1, 0), ("read", 0), ("moved", 0, 0, 0, 0)),
        {"unclear positives": "S4", "touching is later": "S4"},
    ),
    Example(
        "goods go out in the very millisecond of the reading that has them, then the webhook",
        Setup(clock=2),
        (("pass", 1), ("foreign", 0, -1, 0), ("read", 0), ("moved", 0, 0, 0, 0)),
        {"touching is later": "S1", "never ask": "S1"},
    ),
    Example(
        "a reading under way has 10, goods go out, the next reading has 9, then the first one ends",
        Setup(),
        (
            ("start", 0),
            ("figure", 0, 0),
            ("pass", 10),
            ("foreign", 0, -1, 0),
            ("moved", 0, 0, 0, 0),
            ("pass", 20),
            ("read", 0),
            ("end", 0),
            ("counted", 0),
        ),
        {"older reading": "S3"},
    ),
    Example(
        "three sales, room for two of them, and the reading that began before the last comes late",
        Setup(orders=False, cap=2, clock=2),
        (
            ("sell", 0, 0, 1),
            ("pass", 1),
            ("sell", 0, 0, 1),
            ("sell", 0, 0, 1),
            ("start", 0),
            ("figure", 0, 0),
            ("pass", 2_000),
        ),
        {"fold without guard": "S3"},
    ),
    Example(
        "room for one: the forgotten move is not in the reading that began before it",
        Setup(cap=1, clock=2),
        (
            ("pass", 5),
            ("start", 0),
            ("figure", 0, 0),
            ("pass", 5),
            ("foreign", 0, -1, 0),
            ("moved", 0, 0, 0, 0),
            ("pass", 5),
            ("foreign", 0, -2, 0),
            ("moved", 0, 0, 0, 0),
            ("end", 0),
            ("counted", 0),
        ),
        {"fold without guard": "S3"},
    ),
    Example(
        "an order is reserved at once, its move is not here yet",
        Setup(),
        (("pass", 5), ("sell", 0, 0, 1), ("advance", 0, 5)),
        {"close at answer": "S4"},
    ),
    Example(
        "an order is reserved in the millisecond of the reading before it",
        Setup(clock=2),
        (("sell", 0, 0, 1), ("advance", 0, 5)),
        {"close at answer": "S4", "close at tie": "S4"},
    ),
    Example(
        "one order is reserved and cancelled, its move comes after the next order is placed",
        Setup(clock=1),
        (
            ("sell", 0, 1, 1),
            ("cancel", 0, 1),
            ("pass", 13),
            ("sell", 0, 1, 1),
            ("advance", 1, 3),
            ("lost", 0),
        ),
        {"no dead units": "S4"},
    ),
    Example(
        "an order with a cover is cancelled, then another is placed",
        Setup(),
        (
            ("pass", 20),
            ("sell", 0, 0, 1),
            ("advance", 0, 3),
            ("moved", 0, 0, 0, 0),
            ("cancel", 0, 1),
            ("hear", 0),
            ("sell", 0, 0, 1),
            ("advance", 1, 1),
        ),
        {"no dead units": "S4"},
    ),
    Example(
        "the order side repeats an order that is closed",
        Setup(clock=2),
        (
            ("sell", 0, 0, 2),
            ("advance", 0, 5),
            ("pass", 1),
            ("read", 0),
            ("repeated", 0),
        ),
        {"no tombstones": "S2"},
    ),
    Example(
        "staff ship under the shop's id, then the shop sells",
        Setup(),
        (("staff_ship", 0, 1, 1), ("moved", 0, 0, 0, 0), ("sell", 0, 1, 1), ("advance", 0, 1)),
        {"covers not fixed": "S4"},
    ),
    Example(
        "the worker dies after a buffer was changed, and reads the log again",
        Setup(),
        (("buffer", 0, 0), ("crash", 0, 2)),
        {"no at guard": "S6"},
    ),
    Example(
        "a webhook of the shop's own sale is lost",
        Setup(),
        (("pass", 20), ("sell", 0, 0, 1), ("advance", 0, 5), ("lost", 0), ("crash", 2, 2)),
        {},
    ),
    Example(
        "goods come in just after the reading that does not have them, in the same source second",
        Setup(),
        (("foreign", 0, 1, 0),),
        {"no resolution": "S3", "never ask": "S1"},
    ),
    Example(
        "goods go out after a reading in the same source second; its webhook is stamped with the second's beginning",
        Setup(),
        (("pass", 5), ("read", 0), ("pass", 1), ("foreign", 0, -1, 0), ("moved", 0, 0, 0, 0)),
        {"no resolution": "S3"},
    ),
    Example(
        "seller mode: the webhook of the shop's own sale comes twice",
        Setup(orders=False),
        (("pass", 20), ("sell", 1, 0, 1), ("advance", 0, 1), ("moved", 0, 0, 0, 0), ("pass", 20), ("read", 0), ("again", 0, 0, 0, 0)),
        {"own moves twice": "S4"},
    ),
    Example(
        "seller mode: a cancellation is in a reading before its webhook comes",
        Setup(orders=False),
        (
            ("pass", 20),
            ("sell", 1, 0, 1),
            ("advance", 0, 1),
            ("moved", 0, 0, 0, 0),
            ("pass", 20),
            ("read", 0),
            ("cancel", 0, 1),
            ("free", 0, 0),
            ("pass", 20),
            ("read", 0),
        ),
        {"no hold": "S4"},
    ),
    Example(
        "audit: goods went out unheard before somebody typed a number into the shop",
        Setup(orders=False, audited=True),
        (
            ("told", 1),
            ("pass", 20),
            ("foreign", 0, -1, 0),
            ("lost", 0),
            ("edit", 2),
            ("pass", 20),
            ("shown",),
            ("pass", 400),
            ("shown",),
        ),
        {"audit without reading": "audit"},
    ),
    Example(
        "audit: the shop has not taken the number that it was told last",
        Setup(orders=False, audited=True),
        (
            ("told", 1),
            ("pass", 20),
            ("foreign", 0, 1, 0),
            ("moved", 0, 0, 0, 0),
            ("pass", 20),
            ("read", 0),
            ("shown",),
            ("pass", 400),
            ("shown",),
            ("pass", 20),
            ("read", 0),
            ("read", 1),
        ),
        {"audit untaken": "audit"},
    ),
    Example(
        "audit: somebody types a number into the shop",
        Setup(orders=False, audited=True),
        (("edit", 2), ("pass", 20), ("shown",)),
        {},
    ),
)
