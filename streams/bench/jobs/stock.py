"""(b) The stock agent: moves and readings over 50,000 SKUs, two channels. Aim: 10,000 events per second and process."""

import msgspec

from agents.stock.agent import stock_agent
from models import topics
from models.level import Level
from streams.bench import shelves
from streams.bench.desk import PARTITIONS, Desk
from streams.bench.figure import Bar, Figure, Result
from streams.bench.ground import Ground
from streams.bench.jobs.engine import shares
from streams.bench.programs.stock import Setup
from streams.bench.subject import RunFailedError, Subject
from streams.engine import changelog_topic

JOB, SUBJECT, OURS = "stock", "moves and readings", "stockwire"
SKUS, ROUNDS = 50_000, 4
EVENTS_PER_S = 10_000.0

decode_level = msgspec.json.Decoder(Level).decode


def run(ground: Ground) -> Result:
    """Measure ours; there is no other."""
    world = shelves.Shelves(ground.scaled(SKUS), ROUNDS)
    feed = world.feed()
    notes: list[str] = []

    def once(*, profile: bool = False) -> Figure:
        with ground.desk() as desk:
            setup = Setup(bootstrap=ground.bootstrap, group=desk.name("stock"), partitions=PARTITIONS, profile=profile)
            changelog = make_topics(desk, setup.group)
            desk.fill(topics.FACT_STOCK, feed)
            with Subject.program("stock", setup, ground.folder) as subject:
                desk.wait(changelog, len(feed), [subject])
                times = sorted(row.time_s for row in desk.read(changelog))
                check(world, desk)
            if profile:
                notes.extend(shares(subject.words()))
        return figure(times, world, subject)

    found = ground.alternately({OURS: once})
    if ground.profile:
        once(profile=True)
    rates = [figure.rate for figure in found.values() if figure.rate is not None]
    bars = [Bar(job=JOB, what="events per second and process", value=rate, wanted=EVENTS_PER_S, aim=True) for rate in rates]
    return Result(list(found.values()), bars, notes, [name for name in (OURS,) if name not in found])


def make_topics(desk: Desk, group: str) -> str:
    """All that the agent reads and writes; returns the name of its changelog."""
    agent = stock_agent(shelves.CONFIG)
    for name in (*agent.outputs, topics.DEAD):
        desk.topic(name)
    desk.topic(agent.topic, appended=False)  # the facts bring their times
    return desk.topic(changelog_topic(group, agent.table), compacted=True)


def figure(times: list[float], world: shelves.Shelves, subject: Subject) -> Figure:
    """Each fact writes one row, so the appended rows tell the time; the opening readings are not counted."""
    first, last = times[world.skus], times[-1]
    events = len(times) - world.skus
    return Figure(
        job=JOB,
        subject=SUBJECT,
        peer=OURS,
        rate=events / (last - first),
        cpu_ms_per_1000=(subject.cpu_s(last) - subject.cpu_s(first)) * 1e6 / events,
        rss_mb=subject.rss_bytes / 1e6,
        extra={"skus": float(world.skus), "events": float(events)},
    )


def check(world: shelves.Shelves, desk: Desk) -> None:
    """The last word to each channel is the truth, for every SKU. Raises `RunFailedError`."""
    outlet, web = (
        {row.key.decode(): decode_level(row.value) for row in desk.read(topics.level(name))} for name in (shelves.OUTLET, shelves.WEB)
    )
    wrong = sum(sku not in outlet or outlet[sku].level != number for sku, number in world.stock.items())
    wrong += sum(sku not in web or web[sku].total != number for sku, number in world.told.items())
    if wrong:
        raise RunFailedError(f"{wrong} of {2 * world.skus} last levels are wrong")
