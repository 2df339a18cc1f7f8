"""What is in quarantine, and the commands that show, redrive and compact it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from stock_assets.commands.maintenance import compact, vacuum
from stock_assets.commands.quarantine import payload_lines, quarantine
from stock_assets.commands.quarantine import redrive as redrive_command
from stock_assets.commands.quarantine import withdraw as withdraw_command
from stock_assets.defs.maintenance import maintenance_job, maintenance_schedule
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.resources import Lake, Spark
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_table
from stock_assets.raw.quarantine import reason_class, reasons, rejected_record
from stock_assets.raw.redrive import redrive
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import TICKS
from stock_assets_tests.pipeline.raw_lake import DAY, NEXT_DAY, TOPIC_ID, holds, land, tick

GARBAGE = b"\xff\xfe\x00garbage"


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """Two bad records for good, a tombstone, two that today's rules accept, and a gap."""
    root = str(tmp_path / "lake")
    strict = [tick(1, symbol="STRICT"), tick(2, NEXT_DAY, "STRICT")]
    land(root, [tick(0), GARBAGE, None, *strict, b"{bad"], strict=True, gap=2)
    return root


@pytest.fixture
def run(lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command line on this lake, with a Dagster instance of its own."""
    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("STOCK_ASSETS_LOCAL", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "")  # that of the developer's .env does not count
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    app = typer.Typer(pretty_exceptions_enable=False)
    app.add_typer(quarantine, name="quarantine")
    for command in (redrive_command, withdraw_command, compact, vacuum):
        app.command()(command)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return invoke


def test_a_class_is_the_text_before_the_first_colon() -> None:
    assert reason_class("missing field: tick {...}: price") == "missing field"
    assert reason_class("tombstone") == "tombstone"


def test_reasons_are_counted_and_gaps_are_none(lake: str) -> None:
    found = reasons(lake, TICKS)
    assert sum(entry.records for entry in found) == 5
    assert found == sorted(found, key=lambda entry: (-entry.records, entry.reason))
    assert not any(entry.reason.startswith("gap") for entry in found)
    assert all(entry.first_time and entry.last_time and entry.first_time <= entry.last_time for entry in found)
    (refused,) = [entry for entry in found if entry.example_at == (0, 3)]
    assert refused.records == 3 and reason_class(refused.example) == refused.reason


def test_a_day_is_the_exchange_s_when_the_broker_stored_the_record(lake: str) -> None:
    assert sum(entry.records for entry in reasons(lake, TICKS, NEXT_DAY)) == 5  # 02:00 UTC of the day after
    assert reasons(lake, TICKS, DAY) == reasons(lake, TICKS, date(2013, 10, 9)) == []


def test_what_was_redriven_is_in_quarantine_no_more(lake: str) -> None:
    list(redrive(lake, TICKS))
    assert sum(entry.records for entry in reasons(lake, TICKS)) == 3
    (record,) = rejected_record(lake, TICKS, 0, 4)
    assert record.redriven_by is not None and record.redriven_by.startswith("redrive-")
    assert record.redriven_into == NEXT_DAY


def test_a_record_is_shown_with_all_that_is_known(lake: str) -> None:
    (record,) = rejected_record(lake, TICKS, 0, 1)
    assert (record.topic_id, record.partition, record.offset, record.payload) == (TOPIC_ID, 0, 1, GARBAGE)
    assert record.redriven_by is None and record.landing_id and record.reason
    assert rejected_record(lake, TICKS, 0, 0) == rejected_record(lake, TICKS, 0, 6) == []


def test_the_commands_list_show_and_redrive(run: Callable[..., Result], lake: str, tmp_path: Path) -> None:
    listed = run("quarantine", "list")
    assert listed.exit_code == 0 and "ticks: 5 records in quarantine" in listed.output
    assert "bars: nothing is in quarantine" in listed.output
    assert "ticks: nothing is in quarantine of 2013-10-07" in run("quarantine", "list", "--day", "2013-10-07").output
    shown = run("quarantine", "show", "ticks", "0", "1").output
    assert "in quarantine" in shown and "ff fe 00 67 61" in shown and "...garbage" in shown
    text = run("quarantine", "show", "ticks", "0", "3").output
    assert '"symbol":"STRICT"' in text and "2013-10-09 02:00:00 UTC" in text
    done = run("redrive", "--reason", "all").output
    assert "5 tried = 2 accepted + 3 still rejected, 2 sessions" in done and "2013-10-08: 1" in done
    assert holds(lake)
    assert "accepted into 2013-10-07 by redrive-" in run("quarantine", "show", "ticks", "0", "3").output
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        events = instance.fetch_materializations(RAW_KEYS["ticks"], limit=10).records
        assert {event.partition_key for event in events} == {"2013-10-07", "2013-10-08"}


def test_the_command_withdraws_and_undoes(
    run: Callable[..., Result], lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stock_assets.raw.withdrawal.topic_state", lambda broker, topic: None)
    done = run("withdraw", "ticks", "0", "0", "--reason", "a [red]fat[/] finger")
    assert done.exit_code == 0 and "partition 0 offset 0, S0 of 2013-10-07: withdrawn" in done.output
    assert "ticks: 6 records in quarantine" in run("quarantine", "list").output
    shown = run("quarantine", "show", "ticks", "0", "0").output
    assert "withdrawn: a [red]fat[/] finger (" in shown and '"event_id":"0"' in shown
    assert "accepted again" in run("withdraw", "ticks", "0", "0", "--undo").output
    assert holds(lake) and "ticks: 5 records" in run("quarantine", "list").output


def test_without_a_dagster_instance_none_is_made(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "dagster" / "dagster.yaml").unlink()
    assert run("redrive", "--reason", "all").exit_code == 0
    assert list((tmp_path / "dagster").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["redrive", "--reason", "nonsense"], "nothing is in quarantine because of 'nonsense'; there is: "),
        (["quarantine", "show", "ticks", "0", "0"], "no record there was rejected"),
        (["quarantine", "show", "shares", "0", "0"], "'shares' is none of actions, bars, ticks"),
        (["quarantine", "list", "--day", "yesterday"], "'yesterday' is not a day"),
        (["compact", "yesterday"], "'yesterday' is not a day"),
        (["redrive", "--reason", "withdrawn"], "put back one by one: stock-assets withdraw"),
        (["withdraw", "ticks", "0", "0"], "say why the record is withdrawn"),
        (["withdraw", "shares", "0", "0"], "'shares' is none of actions, bars, ticks"),
        (["withdraw", "ticks", "0", "0", "--undo"], "is not withdrawn: its record is accepted"),
    ],
)
def test_mistakes_are_sentences(run: Callable[..., Result], words: list[str], sentence: str) -> None:
    raised = run(*words).exception
    assert isinstance(raised, PermanentError) and sentence in str(raised)


def test_time_travel_is_never_cut_below_a_week(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VACUUM_KEEP_DAYS", "1")
    raised = run("vacuum").exception
    assert isinstance(raised, PermanentError) and "must be 7 or more" in str(raised)


def test_the_commands_compact_and_vacuum(
    run: Callable[..., Result], lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        land(lake, [tick(number)])
    assert "raw/ticks: no session has 8 files to compact" in run("compact").output
    monkeypatch.setenv("COMPACTION_MIN_FILES", "4")
    assert "raw/ticks 2013-10-07: compacted: 4 files -> 1, 4 rows" in run("compact").output
    assert "raw/ticks 2013-10-07: it is compact already" in run("compact", "2013-10-07").output
    assert "raw/ticks without a session: compacted: 1 files -> 1, 6 rows" in run("compact", "none").output
    assert "raw/ticks: 0 files would be deleted" in run("vacuum", "--dry-run").output


@given(st.binary(max_size=60))
def test_any_payload_can_be_shown(payload: bytes) -> None:
    lines = payload_lines(payload)
    assert bool(lines) == bool(payload)
    assert all(character.isprintable() or character == "\t" for line in lines for character in line)


def maintain(lake: str, partition: str | None = None) -> dg.ExecuteInProcessResult:
    job = maintenance_job(session_partitions(date(2013, 1, 2)), Settings({"COMPACTION_MIN_FILES": "4"}))
    return job.execute_in_process(
        partition_key=partition, resources=resources(lake), op_selection=["maintain", "expire_records"]
    )


def resources(lake: str) -> dict[str, Any]:
    """Spark's tables need a server, which nothing here asks for."""
    return {"lake": Lake(root=lake), "spark": Spark(remote="sc://x", small_remote="sc://x")}


def version(lake: str) -> int:
    table = open_table(lake, RAW_TICKS)
    assert table is not None
    return table.version()


def test_a_maintenance_run_takes_what_needs_it_and_its_second_nothing(lake: str) -> None:
    for number in range(3):
        land(lake, [tick(number)])
    before = version(lake)
    assert maintain(lake).success
    assert version(lake) == before + 1  # one session has four files
    assert maintain(lake).success
    assert version(lake) == before + 1
    assert holds(lake)


def test_a_maintenance_run_of_a_partition_takes_that_session_only(lake: str) -> None:
    list(redrive(lake, TICKS))
    before = version(lake)
    assert maintain(lake, "2013-10-08").success
    table = open_table(lake, RAW_TICKS)
    assert table is not None and table.version() == before + 1
    compacted = [uri for uri in table.file_uris() if "compacted-" in uri]
    assert len(compacted) == 1 and "trading_day=2013-10-08" in compacted[0]


def test_the_schedule_asks_for_a_run_of_no_session() -> None:
    settings = Settings({"AUTOMATIC": "false"})
    job = maintenance_job(session_partitions(date(2013, 1, 2)), settings)
    schedule = maintenance_schedule(job, settings)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 2 * * *", "America/New_York")
    asked = schedule.evaluate_tick(dg.build_schedule_context())
    assert asked.run_requests is not None and [request.partition_key for request in asked.run_requests] == [None]
    repository = dg.Definitions(jobs=[job], schedules=[schedule], resources=resources("x"))
    assert repository.get_repository_def().has_job("maintenance")
