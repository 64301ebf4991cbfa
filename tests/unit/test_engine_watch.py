"""How long a partition has stood still."""

from faust.types import TP

from streams.engine.watch import Standstill

ONE, TWO = TP("t", 1), TP("t", 2)


def test_standstill_when_records_wait_and_nothing_moves_then_time_counts() -> None:
    standstill = Standstill()

    assert standstill.seconds(0, {ONE: 5}, {ONE: 9}) == 0
    assert standstill.seconds(40, {ONE: 5}, {ONE: 12}) == 40


def test_standstill_when_it_moves_or_nothing_waits_then_it_begins_anew() -> None:
    standstill = Standstill()
    assert standstill.seconds(0, {ONE: 5, TWO: 5}, {ONE: 9, TWO: 9}) == 0

    assert standstill.seconds(40, {ONE: 6, TWO: 9}, {ONE: 9, TWO: 9}) == 0
    assert standstill.seconds(50, {ONE: 6, TWO: 9}, {ONE: 9, TWO: 10}) == 10


def test_standstill_when_the_end_is_unknown_then_zero() -> None:
    standstill = Standstill()
    assert standstill.seconds(0, {ONE: 5}, {ONE: 9}) == 0

    assert standstill.seconds(40, {ONE: 5}, {}) == 0
