"""Reconciliation and availability as Dagster materializes them, and the map of the command line. Without Spark."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from deltalake import DeltaTable
from rich.console import Console
from typer.testing import CliRunner

from spark.jobs import StageReport
from stock_assets.cli import app
from stock_assets.commands.availability import judged, show_availability
from stock_assets.definitions import build_definitions
from stock_assets.defs.built_assets import AVAILABILITY_KEY, DAILY_METRICS_KEY, RECONCILIATION_KEY, built_assets
from stock_assets.defs.jobs import build_config
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.quality_assets import quality_assets
from stock_assets.defs.resources import Lake, Spark
from stock_assets.domain.quality_tables import AVAILABILITY, RECONCILIATION
from stock_assets.domain.sessions import sessions_between
from stock_assets.quality.judging import Judging
from stock_assets.quality.state import stale_stages
from stock_assets.settings.platform import Settings
from stock_assets_tests.pipeline.daily_rows import daily, store_daily

DAYS = sessions_between(date(2013, 10, 7), date(2013, 10, 11))
FIRST_SESSION = "2013-01-02"
KEYS = [RECONCILIATION_KEY, AVAILABILITY_KEY]


@pytest.fixture
def lake(tmp_path: Path) -> str:
    root = str(tmp_path / "lake")
    bars = [daily(day, source) for day in DAYS for source in ("yahoo", "alpha_vantage")]
    bars += [daily(day, source, symbol="F") for day in DAYS[:3] for source in ("yahoo", "alpha_vantage")]
    apart = daily(DAYS[1], "alpha_vantage", 102.0, 900)
    store_daily(root, [apart if row["trading_day"] == DAYS[1] and same(row, apart) else row for row in bars])
    return root


def same(row: dict[str, Any], other: dict[str, Any]) -> bool:
    return (row["symbol"], row["source"]) == (other["symbol"], other["source"])


def materialize(lake: str, instance: dg.DagsterInstance, **given: Any) -> dg.ExecuteInProcessResult:
    settings = Settings({"LAKE_ROOT": lake, "FIRST_SESSION": FIRST_SESSION})
    assets = quality_assets(session_partitions(date.fromisoformat(FIRST_SESSION)), settings)
    result = dg.materialize(assets, instance=instance, resources={"lake": Lake(root=lake)}, **given)
    assert result.success
    return result


def build(lake: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """As the staleness sensor asks for it."""
    return materialize(lake, instance, partition_key=str(DAYS[-1]), run_config=config_of(KEYS))


def config_of(keys: Sequence[dg.AssetKey]) -> dict[str, Any]:
    """The part of a build's configuration that is about these assets."""
    ops = build_config(DAYS[0], DAYS[-1])["ops"]
    return {"ops": {key.to_python_identifier(): ops[key.to_python_identifier()] for key in keys}}


def rows(lake: str, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DeltaTable(f"{lake}/{path}").to_pyarrow_table().to_pylist()
    return found


def test_a_build_reconciles_and_judges_its_sessions_and_a_second_one_writes_nothing(lake: str) -> None:
    judging = Judging.of(Settings({}))
    assert stale_stages(lake, "", judging)[AVAILABILITY.path] == DAYS
    instance = dg.DagsterInstance.ephemeral()
    result = build(lake, instance)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == ("agreement", False, dg.AssetCheckSeverity.WARN)
    for part in ("IBM 2013-10-08", "100.0000 yahoo", "102.0000 alpha_vantage", "+196.1 bps", "900", "-10.0 %"):
        assert part in (check.description or ""), part
    for key in KEYS:
        events = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=100).records
        assert {event.partition_key for event in events} == set(map(str, DAYS))
    (newest,) = instance.fetch_materializations(AVAILABILITY_KEY, limit=1).records
    assert newest.asset_materialization is not None
    metadata = newest.asset_materialization.metadata
    counted = {name: metadata[name].value for name in ("available", "degraded", "missing", "corrected")}
    assert counted == {"available": 7, "degraded": 1, "missing": 2, "corrected": 0}
    assert "| missing |" in str(metadata["preview"].value)

    verdicts = {(row["symbol"], row["trading_day"]): row["verdict"] for row in rows(lake, RECONCILIATION.path)}
    assert len(verdicts) == 8 and {cell for cell, verdict in verdicts.items() if verdict != "agreed"} == {
        ("IBM", DAYS[1])
    }
    stale = stale_stages(lake, "", judging)
    assert (stale[RECONCILIATION.path], stale[AVAILABILITY.path]) == ([], [])
    versions = [DeltaTable(f"{lake}/{table.path}").version() for table in (RECONCILIATION, AVAILABILITY)]
    build(lake, instance)
    materialize(lake, instance, partition_key=str(DAYS[1]))
    assert [DeltaTable(f"{lake}/{table.path}").version() for table in (RECONCILIATION, AVAILABILITY)] == versions


def test_a_backfill_of_a_range_is_one_run_and_one_commit(lake: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    tags = {"dagster/asset_partition_range_start": str(DAYS[0]), "dagster/asset_partition_range_end": str(DAYS[2])}
    materialize(lake, instance, tags=tags)
    assert {row["trading_day"] for row in rows(lake, AVAILABILITY.path)} == set(DAYS[:3])
    before = DeltaTable(f"{lake}/{AVAILABILITY.path}").version()
    materialize(lake, instance, partition_key=str(DAYS[4]))
    assert {row["trading_day"] for row in rows(lake, AVAILABILITY.path)} == {*DAYS[:3], DAYS[4]}
    assert DeltaTable(f"{lake}/{AVAILABILITY.path}").version() == before + 1


def test_a_correction_is_reconciled_and_judged_again(lake: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    build(lake, instance)
    store_daily(lake, [daily(day, source, revision=2) for day in DAYS for source in ("yahoo", "alpha_vantage")])
    result = build(lake, instance)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed and check.description == "5 agreed"
    found = {(row["symbol"], row["trading_day"]): row["availability"] for row in rows(lake, AVAILABILITY.path)}
    assert found == {("IBM", day): "available" for day in DAYS}  # nothing of F is in the lake any more
    before = len(instance.fetch_materializations(RECONCILIATION_KEY, limit=100).records)
    store_daily(lake, [daily(day, source, revision=3) for day in DAYS for source in ("yahoo", "alpha_vantage")])
    build(lake, instance)  # the same values: nothing to tell but of the run's own partition
    assert len(instance.fetch_materializations(RECONCILIATION_KEY, limit=100).records) == before + 1


def test_a_session_that_nothing_is_there_of_is_judged_but_not_shown_as_materialized(lake: str) -> None:
    store_daily(lake, [daily(day, "yahoo") for day in (DAYS[0], DAYS[4])])
    instance = dg.DagsterInstance.ephemeral()
    build(lake, instance)
    found = {row["trading_day"]: row["availability"] for row in rows(lake, AVAILABILITY.path)}
    assert found == {DAYS[0]: "available", **dict.fromkeys(DAYS[1:4], "missing"), DAYS[4]: "available"}
    events = instance.fetch_materializations(AVAILABILITY_KEY, limit=100).records
    assert {event.partition_key for event in events} == {str(DAYS[0]), str(DAYS[4])}
    assert stale_stages(lake, "", Judging.of(Settings({})))[AVAILABILITY.path] == []


def test_the_checks_of_a_build_hold(lake: str) -> None:
    defs = build_definitions(Settings({"LAKE_ROOT": lake, "FIRST_SESSION": FIRST_SESSION}))
    job = dg.define_asset_job("judge", selection=dg.AssetSelection.assets(*KEYS))
    given = {name: getattr(defs, name) for name in ("assets", "asset_checks", "resources", "executor")}
    result = (
        dg.Definitions(jobs=[job], **given)
        .resolve_job_def("judge")
        .execute_in_process(
            run_config=config_of(KEYS), partition_key=str(DAYS[-1]), instance=dg.DagsterInstance.ephemeral()
        )
    )
    checks = {(e.asset_key.path[-1], e.check_name): e.passed for e in result.get_asset_check_evaluations()}
    assert checks == {
        ("reconciliation", "agreement"): False,
        ("reconciliation", "up_to_date"): True,
        ("availability", "up_to_date"): True,
    }


@pytest.mark.parametrize(("required", "left_out"), [("true", {("IBM", DAYS[1])}), ("false", set())])
def test_metrics_are_told_what_to_leave_out_and_are_up_to_date_then(
    lake: str, monkeypatch: pytest.MonkeyPatch, required: str, left_out: set[tuple[str, date]]
) -> None:
    asked = []

    def build_daily_metrics(*given: Any) -> StageReport:
        asked.append(given)
        return StageReport({}, [], 0.0)

    monkeypatch.setattr("spark.jobs.build_daily_metrics", build_daily_metrics)
    monkeypatch.setattr(Spark, "session", lambda *_: None)
    build(lake, dg.DagsterInstance.ephemeral())
    settings = Settings({"LAKE_ROOT": lake, "FIRST_SESSION": FIRST_SESSION, "REQUIRE_AGREEMENT": required})
    result = dg.materialize(
        [
            asset
            for asset in built_assets(session_partitions(date.fromisoformat(FIRST_SESSION)), settings)
            if DAILY_METRICS_KEY in asset.keys
        ],
        instance=dg.DagsterInstance.ephemeral(),
        resources={"lake": Lake(root=lake), "spark": Spark(remote="", small_remote="")},
        partition_key=str(DAYS[-1]),
        run_config=config_of([DAILY_METRICS_KEY]),
    )
    assert result.success
    assert [set(given[5]) for given in asked] == [left_out]
    assert stale_stages(lake, "", Judging.of(settings))["metrics/daily_metrics"] == []
    # The other way round, the session in question is stale.
    other = Judging.of(Settings({"REQUIRE_AGREEMENT": "false" if required == "true" else "true"}))
    assert stale_stages(lake, "", other)["metrics/daily_metrics"] == [DAYS[1]]


def test_what_is_judged_by_is_read_when_it_is_used(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Definitions live for weeks in the code server; what changed since counts at once, in sensors as in runs."""
    monkeypatch.setenv("LAKE_ROOT", lake)
    for name in ("REQUIRE_AGREEMENT", "RECONCILE", "BAR_SOURCES", "UNIVERSE"):
        monkeypatch.setenv(name, "")
    loaded = Settings.load(FIRST_SESSION=FIRST_SESSION)
    defs = build_definitions(loaded)
    instance = dg.DagsterInstance.ephemeral()
    (sensor,) = [each for each in defs.sensors or [] if each.name == "staleness_sensor"]

    def cursor() -> str:
        context = dg.build_sensor_context(instance, resources={"lake": Lake(root=lake)})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stock_assets.defs.sensors.stale_sessions", lambda *_: [])
            return str(sensor.evaluate_tick(context).cursor)

    before = cursor()
    assert not Judging.of(loaded).require_agreement and before == cursor()
    monkeypatch.setenv("REQUIRE_AGREEMENT", "true")
    assert Judging.of(loaded).require_agreement and before != cursor()
    assert not Judging.of(Settings({"LAKE_ROOT": lake})).require_agreement  # given values stay
    assert loaded.now().dagster.first_session == date.fromisoformat(FIRST_SESSION)


def test_metrics_wait_for_the_reconciliation_only_where_agreement_is_required() -> None:
    for text, expected in (("false", False), ("true", True)):
        defs = build_definitions(Settings({"REQUIRE_AGREEMENT": text, "FIRST_SESSION": FIRST_SESSION}))
        parents = defs.resolve_asset_graph().get(DAILY_METRICS_KEY).parent_keys
        assert (RECONCILIATION_KEY in parents) is expected


# ------------------------------------------------------------------------------------------------- the map


def test_the_command_draws_symbols_down_and_sessions_across(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_ROOT", lake)
    for name in ("UNIVERSE", "BAR_SOURCES", "RECONCILE"):
        monkeypatch.setenv(name, "")
    done = CliRunner().invoke(app, ["availability", "--day", "2013-10-11", "--sessions", "5"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line.rstrip() for line in lines[:5]] == [
        "    2013",
        "    Oct",
        "    07 08 09 10 11",
        "F   +  +  +  X  X",
        "IBM +  !  +  +  +",
    ]
    assert "\x1b" not in done.output
    assert " +  available 7" in lines[6] and " !  degraded 1" in lines[6] and " X  missing 2" in lines[6]
    assert lines[7].startswith("2013-10-08 IBM degraded: close 100.0000 yahoo, 102.0000 alpha_vantage")
    assert [line.split(":")[0] for line in lines[8:]] == ["2013-10-10 F missing", "2013-10-11 F missing"]
    newest = CliRunner().invoke(app, ["availability", "--sessions", "5"])
    assert newest.output == done.output  # without a day, the newest that has bars


def test_the_map_folds_where_the_line_ends_and_has_colours_in_a_terminal(lake: str) -> None:
    found = judged(Settings({"LAKE_ROOT": lake}), DAYS[-1], 5)
    console = Console(width=14, force_terminal=True, color_system="standard", record=True, file=io.StringIO())
    show_availability(console, found)
    text = console.export_text(clear=False).splitlines()
    assert [line.rstrip() for line in text if line.startswith("IBM")] == ["IBM +  !  +", "IBM +  +"]
    assert "\x1b[30;42m" in console.export_text(styles=True)


def test_a_day_without_a_session_is_refused(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_ROOT", lake)
    done = CliRunner().invoke(app, ["availability", "--day", "2013-10-12"])
    assert done.exit_code == 1 and "not a trading session" in str(done.exception)


def test_what_the_command_says_is_what_a_build_stores(lake: str) -> None:
    build(lake, dg.DagsterInstance.ephemeral())
    live = judged(Settings({"LAKE_ROOT": lake}), DAYS[-1], 5)
    assert sorted(map(repr, live)) == sorted(map(repr, rows(lake, AVAILABILITY.path)))
