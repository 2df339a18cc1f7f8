"""`stock-assets doctor` and `status` on the platform as users run it: well, and with drains that fail."""

import re
import subprocess
import sys
import time

import pytest
from kafka.admin import KafkaAdminClient

from stock_assets.domain.messages import Bar, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import DAILY_BARS
from stock_assets.lake.tables import read_sessions
from stock_assets.landing.pace import longest_delay_s
from stock_assets.local.services import Services
from stock_assets.observability.facts import facts
from stock_assets.observability.orchestration import opened
from stock_assets.settings.platform import Settings
from stock_assets.topic.oldest import oldest_stored_at
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import TICKS, create_topics
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.landing_records import DAY, tick
from stock_assets_tests.services.platform.running import RUNS_S, Platform

VENDOR_BAR = Bar(
    symbol="IBM", interval="1d", trading_day=DAY, start_time=instant(session(DAY).open_time),
    open=100.0, high=101.0, low=99.0, close=100.5, volume=1000, currency="USD", price_basis="as_traded", final=True,
    source="yahoo", known_at=instant(session(DAY).close_time),
)  # fmt: skip


@pytest.fixture(scope="module")
def settings(platform: Platform) -> Settings:
    """The settings of a platform in which everything that was published is landed and built."""
    publish(platform.settings.broker, [tick(number) for number in range(50)])
    wait_for(lambda: not problems(platform.settings) and done(platform.settings), RUNS_S, 3)
    return platform.settings


def problems(settings: Settings) -> list[str]:
    return [f"{fact.name} {fact.about}: {fact.sentence}" for fact in facts(settings) if fact.problem]


def sources_of_daily_bars(settings: Settings) -> list[str]:
    found: list[str] = read_sessions(settings.lake_root, DAILY_BARS, ["source"])["source"].to_pylist()
    return found


def done(settings: Settings) -> bool:
    """Whether the ticks are landed, and every session is built of them."""
    found = facts(settings)
    with opened(settings) as instance:
        assert instance is not None
        built = {record.dagster_run.job_name for record in instance.get_run_records()} >= {"drain", "build"}
    return built and not any(fact.value for fact in found if fact.name in ("records_waiting", "stale_sessions"))


def run(command: str) -> tuple[int, str]:
    """Exit status and what was printed; without a trace."""
    ended = subprocess.run(
        [sys.executable, "-m", "stock_assets.cli", *command.split()],
        capture_output=True, text=True, check=False, cwd=PROJECT, timeout=300,
    )  # fmt: skip
    assert not ended.stderr, ended.stderr
    return ended.returncode, ended.stdout


@pytest.mark.timeout(3600)
def test_healthy_then_with_a_failing_drain_then_adopted(settings: Settings) -> None:
    for command in ("doctor", "status"):
        status, told = run(command)
        print(told)
        assert status == 0 and "WRONG" not in told, told
        assert re.search(r"^ok +dagster-daemon|^ok +daemon heartbeat age dagster-daemon", told, re.MULTILINE), told
        assert "everything is landed" in told and "failed runs" in told

    admin = KafkaAdminClient(**settings.broker.kafka_python())
    admin.delete_topics([TICKS.name])
    wait_for(lambda: TICKS.name not in admin.list_topics())
    admin.close()
    create_topics(settings.broker, 1)
    publish(settings.broker, [tick(number) for number in range(7)])
    wait_for(lambda: any("failed_runs drain ticks" in each for each in problems(settings)), RUNS_S, 3)

    for command in ("doctor", "status"):
        status, told = run(command)
        print(told)
        wrong = [line for line in told.splitlines() if line.startswith("WRONG")]
        assert status == 1 and {line.split("stock-market")[0].strip() for line in wrong} == {
            "WRONG oldest record waiting ticks", "WRONG failed runs drain ticks"
        }  # fmt: skip
        assert all("was deleted and created again" in line for line in wrong)
        lines = told.splitlines()
        cures = [lines[lines.index(line) + 1].strip() for line in wrong]
        assert cures[0] == "`stock-assets adopt-topic ticks`"
        assert re.fullmatch(
            rf"`stock-assets adopt-topic ticks`, then see http://127.0.0.1:{settings.local.dagster_port}/runs/[0-9a-f-]+",
            cures[1],
        )

    # What comes through another topic is landed and built meanwhile.
    publish(settings.broker, [VENDOR_BAR])
    wait_for(lambda: VENDOR_BAR.source in sources_of_daily_bars(settings), RUNS_S, 3)
    assert any("failed_runs drain ticks" in each for each in problems(settings))

    assert run("adopt-topic ticks")[0] == 0
    wait_for(lambda: not problems(settings), RUNS_S, 3)
    status, told = run("doctor")
    assert status == 0, told


def test_a_failed_run_s_headline_is_the_sentence(settings: Settings) -> None:
    """Comes after the test above, whose drain failed."""
    with opened(settings) as instance:
        assert instance is not None
        import dagster as dg

        (record, *_) = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        (failed, *_) = instance.all_logs(record.dagster_run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        assert failed.dagster_event is not None
        data = failed.dagster_event.step_failure_data.user_failure_data
        assert data is not None and "was deleted and created again" in str(data.description)


def test_records_that_nobody_lands_are_a_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from stock_assets.observability import topics

    services = Services(settings)
    services.stop(["dagster-daemon"])
    try:
        began = time.time()
        publish(settings.broker, [tick(100 + number) for number in range(3)])
        since = oldest_stored_at(settings.broker, TICKS, {0: first_waiting(settings)})
        assert since is not None and began - 5 <= since.timestamp() <= time.time() + 5
        assert [each.total for each, _ in topics.waiting_since(settings).values()] == [0, 0, 3]
        monkeypatch.setattr(topics, "SLACK_S", -longest_delay_s(settings, "ticks"))
        wrong = problems(settings)
        assert any("3 records wait, the oldest for" in each for each in wrong), wrong
        assert any(each.startswith("daemon_heartbeat_age dagster-daemon: stopped") for each in wrong)
    finally:
        services.up()


def first_waiting(settings: Settings) -> int:
    from stock_assets.landing.waiting import waiting

    return waiting(settings.lake_root, settings.broker)["ticks"].first[0]


def test_a_topic_that_keeps_its_records_own_times_tells_no_wait(settings: Settings) -> None:
    from stock_assets_tests.services.landing_records import create, send

    admin = KafkaAdminClient(**settings.broker.kafka_python())
    topic = create(admin, "own-times", partitions=2, message_timestamp_type="CreateTime")
    admin.close()
    send(settings.broker, topic, [tick(1)], partition=0)
    assert oldest_stored_at(settings.broker, topic, {0: 0, 1: 0}) is None
