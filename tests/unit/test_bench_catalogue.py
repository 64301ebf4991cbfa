"""When a run of the catalogue job counts, and what is said of it."""

from decimal import Decimal

import msgspec
import pytest

from models.level import Level
from streams.bench import uploads
from streams.bench.figure import Figure
from streams.bench.installation import STORE
from streams.bench.jobs import catalogue
from streams.bench.programs.uploads_bare import row_of
from streams.bench.subject import RunFailedError

OFFERS = 300
COUNT = uploads.Count(calls=2, offers=OFFERS, offers_max=250, statuses={"200": 2})


def shown() -> dict[str, dict[str, Decimal]]:
    levels = [msgspec.json.decode(one.value, type=Level) for one in uploads.feed(OFFERS)]
    return {level.sku: {STORE: level.level} for level in levels}


def figure(peer: str, cpu: float, calls: float = 40) -> Figure:
    return Figure(job="catalogue", subject="10,000 offers", peer=peer, cpu_ms_per_1000=cpu, extra={"calls": calls})


def test_uploads_when_every_offer_shows_its_number_then_the_run_counts() -> None:
    uploads.check(OFFERS, shown(), COUNT, most=2)


def test_uploads_when_an_offer_shows_another_number_then_the_run_does_not_count() -> None:
    with pytest.raises(RunFailedError, match="1 of 300 offers show a wrong number"):
        uploads.check(OFFERS, shown() | {uploads.sku_of(OFFERS): {STORE: Decimal(7_777)}}, COUNT, most=2)


def test_uploads_when_an_offer_shows_nothing_then_the_run_does_not_count() -> None:
    with pytest.raises(RunFailedError, match="1 of 300"):
        uploads.check(OFFERS, shown() | {uploads.sku_of(1): {}}, COUNT, most=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"calls": 3, "statuses": {"200": 3}},
        {"statuses": {"200": 1, "503": 1}},
        {"offers": OFFERS + 1},
        {"offers_max": 251},
    ],
)
def test_uploads_when_calls_are_too_many_or_too_large_or_in_vain_then_the_run_does_not_count(changes: dict[str, object]) -> None:
    with pytest.raises(RunFailedError, match="calls"):
        uploads.check(OFFERS, shown(), msgspec.structs.replace(COUNT, **changes), most=2)


def test_uploads_when_nobody_says_how_many_calls_then_any_number_will_do() -> None:
    uploads.check(OFFERS, shown(), msgspec.structs.replace(COUNT, calls=9, statuses={"200": 9}), most=None)


def test_work_when_offers_do_not_fill_the_last_call_then_it_is_one_all_the_same() -> None:
    assert [catalogue.work(offers).calls for offers in (250, 251, 10_000)] == [1, 2, 40]


def test_bare_row_when_made_then_it_says_the_level_of_its_store() -> None:
    assert row_of(uploads.feed(2)[1].value) == b'{"xmlId":"SKU-00002","stores":[{"code":"main-store","available":15}]}'


def test_figures_when_the_bare_program_ran_too_then_ours_says_how_many_times_as_dear_it_is() -> None:
    ours, bare = catalogue.beside({catalogue.OURS: figure("stockwire", 60.0), catalogue.BARE: figure("bare", 5.0)})

    assert (ours.extra["times_bare"], "times_bare" in bare.extra) == (12.0, False)


def test_figures_when_the_bare_program_has_no_right_run_then_that_is_unknown() -> None:
    (ours,) = catalogue.beside({catalogue.OURS: figure("stockwire", 60.0)})

    assert ours.extra["times_bare"] is None


def test_bars_when_ours_makes_a_call_too_many_then_missed() -> None:
    one = catalogue.work(10_000)

    assert [bar.verdict for calls in (40, 41) for bar in catalogue.calls_of(one, figure("stockwire", 60.0, calls))] == ["ok", "missed"]
    assert catalogue.calls_of(one, None) == []
