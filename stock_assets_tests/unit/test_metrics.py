"""What Prometheus is told: true or absent, counters that never fall, and no label that there may be any number of."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from prometheus_client import generate_latest

from stock_assets.domain.sessions import session, sessions_between
from stock_assets.observability.fact import Fact
from stock_assets.observability.held import counted_words, held
from stock_assets.observability.kept import Kept, counters, file_of
from stock_assets.observability.metrics.families import MOST_FACTS, families
from stock_assets.observability.metrics.server import registry
from stock_assets.observability.observation import Equation, Held, Observation, PublisherSeen, RunSeen, late_after_s
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.fakes.observed import keep_observation
from stock_assets_tests.fakes.quick_folder import quick_folder
from stock_assets_tests.pipeline.readable_lake import store_metrics

EVERY_S = 60.0
NOW = session(date(2024, 3, 8)).close_time.timestamp() + 3600
SEEN = Observation(NOW, 2.0, [Fact("service", "kafka", False, "answers")])


@pytest.fixture
def file() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder / "observed" / "facts.db"


def told(file: Path, now: float = NOW) -> dict[tuple[str, tuple[str, ...]], float]:
    """Each sample by its name and the values of its labels."""
    found = {}
    for family in families(file, EVERY_S, now):
        for sample in family.samples:
            found[sample.name, tuple(sample.labels.values())] = sample.value
    return found


def test_all_of_an_observation_is_told_and_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)})
    keep_observation(file_of(settings), date(2024, 3, 1))
    text = generate_latest(registry(settings)).decode()
    for name in (
        "fact_problem",
        "lag_records",
        "table_rows",
        "run_seconds_sum",
        "check_passed",
        "free_space_bytes",
        "service_running",
    ):
        assert f"stock_assets_{name}" in text
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; .ci/run installs it")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr).strip() == "" and done.returncode == 0


def test_nothing_but_its_age_is_told_of_an_old_observation(file: Path) -> None:
    assert told(file) == {("stock_assets_observation_fresh", ()): 0.0}
    Kept(file).keep(SEEN)
    late = late_after_s(EVERY_S, SEEN.seconds)
    assert told(file, NOW + late)["stock_assets_fact_problem", ("service", "kafka")] == 0.0
    for now in (NOW + late + 1, NOW - 3600):  # too old; or the clock was set back since
        assert told(file, now) == {
            ("stock_assets_observation_fresh", ()): 0.0,
            ("stock_assets_observation_age_seconds", ()): now - NOW,
        }


def test_a_file_that_cannot_be_read_leaves_metrics_absent(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("this is no database" * 100)
    assert told(file) == {("stock_assets_observation_fresh", ()): 0.0}


def test_tables_are_told_against_the_newest_session_that_is_over(file: Path) -> None:
    Kept(file).keep(
        replace(
            SEEN, held=[Held("raw/ticks", 3, 9, date(2024, 3, 6), 4, 1000, 0.5), Held("bars/daily_bars", 0, 0, None)]
        )
    )
    seen = told(file)
    assert [seen[f"stock_assets_table_{name}", ("raw/ticks",)] for name in ("sessions", "rows", "files", "bytes")] == [
        3,
        9,
        4,
        1000,
    ]
    assert seen["stock_assets_table_sessions_behind", ("raw/ticks",)] == 2  # Thursday and Friday
    assert ("stock_assets_table_sessions_behind", ("bars/daily_bars",)) not in seen
    assert seen["stock_assets_table_commit_seconds", ("raw/ticks",)] == 0.5


def test_many_facts_are_one_series_for_each_kind(file: Path) -> None:
    many = [Fact("sensor", f"s{number}", number == 7, "off") for number in range(MOST_FACTS + 1)]
    Kept(file).keep(replace(SEEN, facts=many))
    assert told(file)["stock_assets_fact_problem", ("sensor", "")] == 1.0
    assert sum(name == "stock_assets_fact_problem" for name, _ in told(file)) == 1


def test_sessions_are_no_labels(file: Path) -> None:
    days = [
        Fact("service_level", str(day), day.day == 6, "late")
        for day in sessions_between(date(2024, 3, 4), date(2024, 3, 8))
    ]
    Kept(file).keep(replace(SEEN, facts=days))
    assert {labels for name, labels in told(file) if name == "stock_assets_fact_problem"} == {("service_level", "")}
    assert told(file)["stock_assets_fact_problem", ("service_level", "")] == 1.0


def test_runs_are_counted_once_when_they_end(file: Path) -> None:
    kept, going = Kept(file), RunSeen("r1", "drain", "started", NOW - 60, None, "")
    over = replace(going, status="success", ended=NOW - 20.0)
    for run in (going, over, over):
        kept.keep(replace(SEEN, runs=[run]))
    assert told(file)["stock_assets_run_seconds_count", ("drain", "success")] == 1
    assert told(file)["stock_assets_run_seconds_sum", ("drain", "success")] == 40
    assert ("stock_assets_runs_in_progress", ("drain", "started")) not in told(file)


def test_a_publisher_that_starts_again_goes_on_counting(file: Path) -> None:
    kept = Kept(file)
    for acknowledged in (5, 9, 2, 3):
        kept.keep(replace(SEEN, publishers=[PublisherSeen("yahoo-stream", acknowledged=acknowledged)]))
    assert told(file)["stock_assets_publisher_acknowledged_total", ("yahoo-stream",)] == 12


COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 9)), min_size=1, max_size=12)


@examples(deadline=None, max_examples=25)
@given(COUNTS)
def test_no_counter_ever_falls(looks: Iterable[tuple[int, int, int]]) -> None:
    with quick_folder() as folder:
        _count(folder / "facts.db", looks)


def _count(file: Path, looks: Iterable[tuple[int, int, int]]) -> None:
    before: dict[tuple[str, tuple[str, ...]], float] = {}
    for accepted, rejected, sent in looks:
        equation = Equation("t", 0, accepted + rejected, accepted, rejected, 0, "")
        publisher = PublisherSeen("simulator", acknowledged=sent)
        Kept(file).keep(
            replace(SEEN, equations=[equation], publishers=[publisher], duplicates=rejected)
        )  # a restart each time
        now = {(name, labels): value for name, each in counters(file).items() for labels, value in each.items()}
        assert before.keys() <= now.keys() and all(now[key] >= value for key, value in before.items())
        assert now["rows_landed", ("t", "0")] >= accepted and now["offsets_read", ("t", "0")] >= accepted + rejected
        before = now


def test_files_bytes_and_words_are_counted(tmp_path: Path) -> None:
    from stock_assets.domain.tables import DAILY_METRICS

    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)})
    assert held(settings, DAILY_METRICS) == Held(DAILY_METRICS.path, 0, 0, None)
    assert counted_words(settings) == []
    days = sessions_between(date(2024, 1, 2), date(2024, 1, 5))
    store_metrics(settings.lake_root, {("A", day): Decimal(1) for day in days})
    found = held(settings, DAILY_METRICS)
    files = list(Path(settings.lake_root, DAILY_METRICS.path).rglob("*.parquet"))
    assert (found.files, found.bytes) == (len(files), sum(file.stat().st_size for file in files))
    assert found.newest == days[-1]


def test_a_scrape_imports_and_costs_little(tmp_path: Path) -> None:
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)})
    keep_observation(file_of(settings), datetime.now(UTC).date())
    script = (
        "import sys, resource\n"
        "from prometheus_client import generate_latest\n"
        "from stock_assets.observability.metrics.server import registry\n"
        "from stock_assets.settings.platform import Settings\n"
        f"found = registry(Settings({{'STOCK_ASSETS_LOCAL': {str(tmp_path)!r}}}))\n"
        "began = resource.getrusage(resource.RUSAGE_SELF).ru_utime\n"
        "for _ in range(20): assert b'stock_assets_fact_problem' in generate_latest(found)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_utime - began) / 20)\n"
        "heavy = {'dagster', 'pandas', 'pyarrow', 'deltalake', 'kafka', 'apprise', 'duckdb'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 0.2  # seconds of a processor
