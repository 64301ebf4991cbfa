"""(g) A whole catalogue to a CRM, 250 offers a call, beside a bare program that makes the same calls.

Both call as often as they can, for at the vendor's pace everybody would be as slow; then a portion may leave before it is full,
since a row waits for others only for a moment. The role as a user runs it keeps to that pace, 7 calls a second (of the vendor's 10,
a tenth is spare and a part is for readings), and makes as few calls as there can be.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from models import topics
from streams.bench import uploads
from streams.bench.desk import Desk, Feed
from streams.bench.figure import Bar, Figure, Result, ratio
from streams.bench.ground import Ground
from streams.bench.installation import CRM, Installation
from streams.bench.jobs.engine import shares
from streams.bench.subject import RunFailedError, Subject
from streams.engine import changelog_topic
from streams.topics import group

JOB, OURS, BARE, PACED = "catalogue", "stockwire", "bare", "at 10/s"
SMALL, LARGE = 10_000, 100_000
PARTITIONS = 8
RSS_MB = 400.0
MANY_PER_S, VENDORS_PER_S = 100_000, 10
TABLE = f"sent.{CRM}"
DONE_WITHIN_S, LOOK_EVERY_S = 180.0, 0.05
NOWHERE = "http://127.0.0.1:9"


class Work(NamedTuple):
    """So many levels, and what the figures of it are called."""

    offers: int
    subject: str
    feed: list[Feed]

    @property
    def calls(self) -> int:
        """As few as there can be."""
        return -(-self.offers // uploads.ROWS_MAX)


def run(ground: Ground) -> Result:
    """Measure ours, the bare program, and the role at the vendor's pace, each with both catalogues."""
    figures: list[Figure] = []
    bars: list[Bar] = []
    uncounted: list[str] = []
    small, large = (work(ground.scaled(offers)) for offers in (SMALL, LARGE))
    for one in (small, large):
        found = _measured(ground, one)
        figures += beside(found)
        bars += calls_of(one, found.get(PACED))
        uncounted += [f"{name}, {one.subject}" for name in (OURS, BARE, PACED) if name not in found]
    bars += [_resident(figure) for figure in figures if figure.peer != BARE and figure.subject == large.subject]
    notes = profile(ground, large) if ground.profile else []
    return Result(figures, bars, notes, uncounted)


def work(offers: int) -> Work:
    """A catalogue of `offers`."""
    return Work(offers, f"{offers:,} offers", uploads.feed(offers))


def beside(found: Mapping[str, Figure]) -> list[Figure]:
    """The figures; ours also says what it costs as a multiple of the bare program, which writes no row, outcome or fact."""
    floor = found[BARE].cpu_ms_per_1000 if BARE in found else None
    return [
        msgspec.structs.replace(figure, extra={**figure.extra, "times_bare": ratio(figure.cpu_ms_per_1000, floor)})
        if name == OURS
        else figure
        for name, figure in found.items()
    ]


def calls_of(one: Work, paced: Figure | None) -> list[Bar]:
    """As few calls as there can be."""
    if paced is None:
        return []
    return [Bar(job=JOB, what=f"calls for {one.subject}", value=paced.extra["calls"] or 0.0, wanted=float(one.calls), at_least=False)]


def profile(ground: Ground, one: Work) -> list[str]:
    """One more run, which says where our time goes."""
    notes: list[str] = []
    _ours(ground, one, notes)
    return notes


def _measured(ground: Ground, one: Work) -> dict[str, Figure]:
    """At the vendor's pace one run is enough: it is the vendor who says how long it takes."""
    peers: dict[str, Callable[[], Figure]] = {OURS: lambda: _ours(ground, one), BARE: lambda: _bare(ground, one)}
    return ground.alternately(peers) | msgspec.structs.replace(ground, runs=1).alternately({PACED: lambda: _paced(ground, one)})


def _ours(ground: Ground, one: Work, notes: list[str] | None = None) -> Figure:
    """Done when the last row of what was sent is written, which is after its call and its outcome."""
    with ground.desk(PARTITIONS) as desk, uploads.Account(ground.folder, one.offers, per_second=MANY_PER_S) as account:
        setup = _setup(desk, one, account, profile=notes is not None)
        changelog = desk.topic(changelog_topic(setup.group, TABLE), compacted=True)
        for name in (topics.FACT_STOCK, topics.outcome(CRM), topics.REVIEW, topics.DEAD):
            desk.topic(name)
        with Subject.program("uploads", setup, ground.folder) as subject:
            desk.wait(changelog, one.offers, [subject], within_s=DONE_WITHIN_S)
            done_s = _check_ours(desk, one, changelog)
            moment = _moments(subject)[0]
        if notes is not None:
            notes += shares(subject.words())
        return _figure(OURS, one, _checked(one, account), subject, Span(moment.ready_s, done_s))


def _bare(ground: Ground, one: Work) -> Figure:
    """Done when the last call is committed."""
    with ground.desk(PARTITIONS) as desk, uploads.Account(ground.folder, one.offers, per_second=MANY_PER_S) as account:
        setup = _setup(desk, one, account)
        with Subject.program("uploads_bare", setup, ground.folder) as subject:
            end = time.monotonic() + DONE_WITHIN_S
            while "done_s" not in subject.words() or len(_moments(subject)) < 2:  # noqa: PLR2004  # ready and done
                subject.check()
                if time.monotonic() > end:
                    raise RunFailedError(f"not all of {one.subject} were uploaded within {DONE_WITHIN_S:.0f} s")
                time.sleep(LOOK_EVERY_S)
            ready, done = _moments(subject)
        return _figure(BARE, one, _checked(one, account), subject, Span(ready.ready_s, done.done_s))


def _paced(ground: Ground, one: Work) -> Figure:
    """The role from a configuration file, against an account that refuses what the vendor would refuse."""
    with ground.desk(PARTITIONS) as desk, uploads.Account(ground.folder, one.offers, per_second=VENDORS_PER_S) as account:
        installed = Installation(desk, ground.folder, warehouse_url=NOWHERE, crm_url=account.url)
        desk.fill(topics.level(CRM), one.feed)
        with installed.start("sender") as subject:
            began_s = time.time()
            changelog = changelog_topic(group("sender"), TABLE)
            desk.wait(changelog, one.offers, [subject], within_s=DONE_WITHIN_S)
            done_s = _check_ours(desk, one, changelog)
        return _figure(PACED, one, _checked(one, account, most=one.calls), subject, Span(began_s, done_s))


class Span(NamedTuple):
    """From being ready to the end of the work, Unix times."""

    ready_s: float
    done_s: float


def _setup(desk: Desk, one: Work, account: uploads.Account, *, profile: bool = False) -> uploads.Setup:
    source = desk.topic(topics.level(CRM))
    desk.fill(source, one.feed)
    return uploads.Setup(
        bootstrap=desk.bootstrap,
        group=desk.name("uploads"),
        partitions=PARTITIONS,
        source=source,
        url=account.url,
        offers=one.offers,
        profile=profile,
    )


def _check_ours(desk: Desk, one: Work, changelog: str) -> float:
    """The time of the last row. Each offer has a row, an outcome and a fact, and a person is told nothing. Raises `RunFailedError`."""
    said = {name: desk.count(name) for name in (changelog, topics.outcome(CRM), topics.FACT_STOCK, topics.REVIEW, topics.DEAD)}
    if list(said.values()) != [one.offers] * 3 + [0, 0]:
        raise RunFailedError(f"expected a row, an outcome and a fact per offer and nothing else, got {said}")
    return max(row.time_s for row in desk.read(changelog))


def _moments(subject: Subject) -> list[uploads.Moment]:
    lines = [line for line in subject.words().splitlines() if line.startswith('{"ready_s"')]
    return [msgspec.json.decode(line, type=uploads.Moment) for line in lines]


def _checked(one: Work, account: uploads.Account, *, most: int | None = None) -> uploads.Count:
    count = account.count()
    uploads.check(one.offers, account.shown(), count, most=most)
    return count


def _figure(peer: str, one: Work, count: uploads.Count, subject: Subject, span: Span) -> Figure:
    return Figure(
        job=JOB,
        subject=one.subject,
        peer=peer,
        rate=one.offers / (span.done_s - span.ready_s),
        cpu_ms_per_1000=(subject.cpu_s(span.done_s) - subject.cpu_s(span.ready_s)) * 1e6 / one.offers,
        rss_mb=subject.rss_bytes / 1e6,
        extra={"calls": float(count.calls), "offers": float(one.offers)},
    )


def _resident(figure: Figure) -> Bar:
    what = f"MB resident at most, {figure.subject}, {figure.peer}"
    return Bar(job=JOB, what=what, value=figure.rss_mb or 0.0, wanted=RSS_MB, at_least=False)
