"""What may be committed of a batch, and where keys go."""

from aiokafka import ConsumerRecord
from faust.types import TP

from streams.engine.channel import Batch
from streams.engine.effects import Places, hash_of


def batch(first: int, count: int) -> Batch:
    records = [ConsumerRecord("t", 0, first + number, 0, 0, b"k", b"v", None, 1, 1, ()) for number in range(count)]
    return Batch(TP("t", 0), records)


def test_committable_when_nothing_is_finished_then_none() -> None:
    assert batch(10, 3).committable is None


def test_committable_when_a_later_record_is_finished_then_still_none() -> None:
    three = batch(10, 3)
    three.finish(1)

    assert three.committable is None
    assert three.unfinished == 2


def test_committable_when_the_gap_closes_then_up_to_the_first_unfinished() -> None:
    three = batch(10, 3)
    three.finish(1)
    three.finish(0)

    assert three.committable == 12


def test_committable_when_all_is_finished_then_behind_the_last() -> None:
    three = batch(10, 3)
    three.finish_all()

    assert three.committable == 13
    assert three.unfinished == 0
    assert not three.records


def test_records_when_the_last_one_is_finished_then_they_are_gone() -> None:
    three = batch(10, 3)
    for index in (1, 2, 0):
        assert three.records
        three.finish(index)

    assert (three.committable, three.records) == (13, ())


def test_hash_of_then_as_javas_client() -> None:
    # From Apache Kafka's own tests of Utils.murmur2, taken positive.
    hashes = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}

    for key, value in hashes.items():
        assert hash_of(key) == value & 0x7FFFFFFF


def test_places_when_there_are_too_many_then_they_are_found_anew() -> None:
    places = Places(1000, most=2)

    keys = ("21", "foobar", "abc", "21")
    assert [places[key] for key in keys] == [hash_of(key.encode()) % 1000 for key in keys]
    assert len(places) == 2
