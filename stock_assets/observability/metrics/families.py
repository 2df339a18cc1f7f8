"""what the collector keeps -> the metrics of Prometheus.

Belongs here: which metrics there are, their names, units and labels. No label has a symbol, a run or a session: what there may be
any number of is counted, not named.
Does not belong here: looking (``collector``), keeping (``kept``), answering (``server``).

Everything is read from the file that the collector writes, so that a scrape asks no service and costs next to nothing. When the
newest observation is too old, all metrics that come from it are absent, and two say so: stale numbers would look like fresh ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.domain.sessions import (
    CLOSING_PRINT_GRACE,
    EXCHANGE_ZONE,
    session,
    session_on_or_before,
    sessions_between,
)
from stock_assets.observability import kept
from stock_assets.observability.fact import Fact
from stock_assets.observability.observation import Equation, Held, Observation, late_after_s

PREFIX = "stock_assets_"
MOST_FACTS = 300
"""Facts that have a series of their own; of more, each kind has one."""
OF_A_DAY = frozenset({"service_level"})
"""Facts whose subjects are sessions."""
VALUES = {
    "records_waiting": ("lag_records", "Records of a topic's partition that wait to be landed.", ("topic", "partition")),
    "oldest_record_waiting": ("oldest_record_waiting_seconds", "For how long the oldest record of a topic waits.", ("stage",)),
    "stale_sessions": ("stale_sessions", "Sessions that a stage must build again.", ("stage",)),
    "withheld_rows": ("withheld_rows", "Rows that break a critical rule and are kept from readers.", ("table",)),
    "daemon_heartbeat_age": ("daemon_heartbeat_age_seconds", "Age of the oldest heartbeat of Dagster's daemon when it was looked at.", ()),
    "queued_run_age": ("queued_run_age_seconds", "For how long the oldest queued run has been queued.", ()),
    "failed_runs": ("failed_runs_in_a_row", "Failed runs of a purpose since its last success.", ("purpose",)),
    "free_space": ("free_space_bytes", "Room that is left.", ("place",)),
    "free_memory": ("free_memory_bytes", "Memory that programs could still get.", ()),
}  # fmt: skip
"""The facts whose value is a metric: its name, help and labels."""
PUBLISHED = {
    "fetched": "Records that a publisher got from its vendor.",
    "acknowledged": "Messages of a publisher that the broker took.",
    "refused": "Records that a publisher could not take.",
    "reconnects": "Connections that a publisher opened again.",
}


def families(file: Path, every_s: float, now: float) -> Iterator[Metric]:
    """All metrics of now.

    Args:
        file: what the collector keeps.
        every_s: how often it looks.
        now: seconds since 1970.
    """
    try:
        seen = kept.newest(file)
    except ServiceUnavailable:
        seen = None
    age = None if seen is None else now - seen.at
    # an observation of the future is of a clock that was set back since: nobody knows its age
    fresh = age is not None and seen is not None and -1.0 <= age <= late_after_s(every_s, seen.seconds)
    yield gauge(
        "observation_fresh",
        "Whether the collector's newest look is recent enough to be told; else nothing else is.",
        fresh,
    )
    if age is not None:
        yield gauge("observation_age_seconds", "Age of the collector's newest look.", age)
    if not fresh or seen is None:
        return
    yield gauge("observation_seconds", "How long the collector's newest look took.", seen.seconds)
    yield from _facts(seen.facts)
    yield from _tables(seen, datetime.fromtimestamp(now, UTC))
    yield from _services(seen)
    try:
        yield from _counted(file)
        yield from _runs(file)
    except ServiceUnavailable:
        return


def gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return GaugeMetricFamily(PREFIX + name, about, value=float(value))


def _facts(facts: Iterable[Fact]) -> Iterator[Metric]:
    problems: dict[tuple[str, str], bool] = {}
    for fact in facts:
        key = fact.name, "" if fact.name in OF_A_DAY else fact.about
        problems[key] = problems.get(key, False) or fact.problem
    if len(problems) > MOST_FACTS:
        together: dict[tuple[str, str], bool] = {}
        for (name, _), problem in problems.items():
            together[name, ""] = together.get((name, ""), False) or problem
        problems = together
    family = GaugeMetricFamily(
        f"{PREFIX}fact_problem",
        "Whether somebody must act on a fact of `stock-assets doctor`.",
        labels=["name", "subject"],
    )
    for (name, about), problem in sorted(problems.items()):
        family.add_metric([name, about], float(problem))
    yield family
    for name, (metric, help_text, labels) in VALUES.items():
        family = GaugeMetricFamily(PREFIX + metric, help_text, labels=labels)
        valued = [(fact.about, fact.value) for fact in facts if fact.name == name and fact.value is not None]
        for about, value in valued[:MOST_FACTS]:
            family.add_metric(about.rsplit("/", 1) if len(labels) == 2 else [about][: len(labels)], value)
        if valued:
            yield family


def _tables(seen: Observation, now: datetime) -> Iterator[Metric]:
    last = _last_over(now)

    def of_each(name: str, about: str, value: Callable[[Held], float | None]) -> Iterator[Metric]:
        family = GaugeMetricFamily(PREFIX + name, about, labels=["table"])
        for held in seen.held:
            number = value(held)
            if number is not None:
                family.add_metric([held.stage], number)
        if family.samples:
            yield family

    yield from of_each("table_rows", "Rows that readers of a table see.", lambda held: held.rows)
    yield from of_each("table_sessions", "Sessions of which a table has rows.", lambda held: held.sessions)
    yield from of_each("table_files", "Files of a table's newest version.", lambda held: held.files)
    yield from of_each("table_bytes", "Bytes of these files.", lambda held: held.bytes)
    yield from of_each(
        "table_commit_seconds",
        "How long a table's newest commit took, where its engine says so.",
        lambda held: held.commit_s,
    )
    yield from of_each(
        "table_sessions_behind",
        "Sessions that are over and newer than a table's newest.",
        lambda held: None if held.newest is None else len(sessions_between(held.newest + timedelta(days=1), last)),
    )
    family = GaugeMetricFamily(
        f"{PREFIX}symbol_sessions", "Symbols' sessions by their availability.", labels=["availability"]
    )
    for word, count in sorted(seen.availability.items()):
        family.add_metric([word], count)
    yield family
    family = GaugeMetricFamily(
        f"{PREFIX}completeness_holds",
        "Whether every offset of a topic's partition is landed exactly once.",
        labels=["topic", "partition"],
    )
    for each in _newest_topics(seen):
        family.add_metric([each.topic, str(each.partition)], float(not each.wrong))
    yield family


def _newest_topics(seen: Observation) -> list[Equation]:
    """An equation per topic and partition: of a topic that was created again there are several, and the worst counts."""
    found: dict[tuple[str, int], Equation] = {}
    for each in seen.equations:
        key = each.topic, each.partition
        if key not in found or each.wrong:
            found[key] = each
    return list(found.values())


def _last_over(now: datetime) -> date:
    day = session_on_or_before(now.astimezone(EXCHANGE_ZONE).date())
    return session_on_or_before(day - timedelta(days=1)) if now < session(day).close_time + CLOSING_PRINT_GRACE else day


def _services(seen: Observation) -> Iterator[Metric]:
    if seen.services:
        running = GaugeMetricFamily(f"{PREFIX}service_running", "Whether an embedded service runs.", labels=["service"])
        memory = GaugeMetricFamily(
            f"{PREFIX}service_memory_bytes", "Memory that a service's processes hold.", labels=["service"]
        )
        for each in seen.services:
            running.add_metric([each.name], float(each.state == "running"))
            if each.memory is not None:
                memory.add_metric([each.name], each.memory)
        yield from (running, memory)
    if seen.publishers:
        left = GaugeMetricFamily(
            f"{PREFIX}publisher_requests_left", "Requests that a vendor still grants today.", labels=["publisher"]
        )
        for publisher in seen.publishers:
            if publisher.requests_left is not None:
                left.add_metric([publisher.name], publisher.requests_left)
        if left.samples:
            yield left


def _counted(file: Path) -> Iterator[Metric]:
    """Counters: the collector keeps them, and they never fall."""
    counted = kept.counters(file)
    abouts = {
        "offsets_read": "Offsets of a topic's partition that were landed, rejected or gaps.",
        "rows_landed": "Records of a topic's partition that were accepted.",
        "rows_rejected": "Records of a topic's partition that went to quarantine.",
        "duplicates": "Ticks that bars dropped because they came before.",
        **{f"publisher_{name}": about for name, about in PUBLISHED.items()},
    }
    for name, about in abouts.items():
        values = counted.get(name, {})
        if not values:
            continue
        labels = ["topic", "partition"] if name in ("offsets_read", "rows_landed", "rows_rejected") else ["publisher"]
        family = CounterMetricFamily(PREFIX + name, about, labels=[] if name == "duplicates" else labels)
        for key, value in sorted(values.items()):
            family.add_metric([] if name == "duplicates" else list(key), value)
        yield family
    for subject in ("run", "step"):
        seconds, ended = counted.get(f"{subject}_seconds", {}), counted.get(f"{subject}s", {})
        labels = ["dagster_job", "status"] if subject == "run" else ["step"]
        about = f"{subject.title()}s that ended, and the seconds they took."
        summary = SummaryMetricFamily(f"{PREFIX}{subject}_seconds", about, labels=labels)
        for key, value in sorted(seconds.items()):
            summary.add_metric(list(key), count_value=int(ended.get(key, 0)), sum_value=value)
        if seconds:
            yield summary


def _runs(file: Path) -> Iterator[Metric]:
    going = Counter((run.job, run.status) for run in kept.runs(file) if run.ended is None)
    family = GaugeMetricFamily(
        f"{PREFIX}runs_in_progress", "Runs that have not ended.", labels=["dagster_job", "status"]
    )
    for key, count in sorted(going.items()):
        family.add_metric(list(key), count)
    if going:
        yield family
    newest = {(check.asset, check.name): check.passed for check in kept.checks(file)}
    family = GaugeMetricFamily(
        f"{PREFIX}check_passed", "Whether the newest evaluation of an asset check passed.", labels=["asset", "check"]
    )
    for (asset, check), passed in sorted(newest.items()):
        family.add_metric([asset, check], float(passed))
    if newest:
        yield family
