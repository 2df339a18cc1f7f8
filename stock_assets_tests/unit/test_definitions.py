"""The asset graph, and what loading it may cost."""

import ast
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from stock_assets.definitions import build_definitions
from stock_assets.defs.built_assets import BUILT_KEYS
from stock_assets.defs.finding_assets import FOUND_KEYS
from stock_assets.defs.marts import LOADED_KEYS
from stock_assets.defs.partitions import session_partitions, within
from stock_assets.domain.stages import STAGES
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT

GRAPH = {
    "sources/history": set(),
    "kafka/realtime": set(),
    "kafka/batch": {"sources/history"},
    "kafka/actions": {"sources/history"},
    "raw/ticks": {"kafka/realtime"},
    "raw/bars": {"kafka/batch"},
    "raw/actions": {"kafka/actions"},
    "live/intraday_windows": {"raw/ticks"},
    "raw/quarantine": {"raw/ticks", "raw/bars", "raw/actions"},
    "bars/minute_bars": {"raw/ticks", "raw/bars", "raw/actions"},
    "bars/daily_bars": {"bars/minute_bars", "raw/ticks", "raw/bars", "raw/actions"},
    "quality/reconciliation": {"bars/daily_bars"},
    "quality/availability": {"quality/reconciliation", "bars/daily_bars", "raw/ticks", "raw/bars", "raw/actions"},
    "live/patterns": {"metrics/daily_metrics"},
    "live/anomalies": {"bars/minute_bars", "raw/actions"},
    "metrics/daily_metrics": {"bars/daily_bars", "raw/actions"},
    "warehouse/daily_stock_metrics": {"metrics/daily_metrics"},
    "warehouse/stock_actions": {"raw/actions"},
    "warehouse/stock_availability": {"quality/availability"},
    "warehouse/stock_hourly_bars": {"bars/minute_bars"},
    "warehouse/trading_calendar": set(),
    "warehouse/stocks": {"reference/stocks"},
    "reference/stocks": set(),
    "warehouse/session_completion": {"quality/availability"},
    "warehouse/load_audit": {"warehouse/daily_stock_metrics"},
    "warehouse/stock_daily_adjusted": {
        "warehouse/daily_stock_metrics",
        "warehouse/stock_actions",
        "warehouse/stocks",
    },
}
"""Down to what marts read; the models and what each reads are dbt's."""


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_definitions(Settings({"FIRST_SESSION": "2013-01-02", "STOCK_ASSETS_LOCAL": "/nowhere"}))


def test_the_graph_is_the_design_s(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        node.key.to_user_string(): {parent.to_user_string() for parent in node.parent_keys}
        for node in graph.asset_nodes
    }
    models = {name: above for name, above in parents.items() if name.startswith("marts/")}
    served = {name: above for name, above in parents.items() if name.startswith("serving/")}
    assert parents == GRAPH | models | served
    assert served["serving/daily_prices"] == {
        "warehouse/daily_stock_metrics",
        "warehouse/stocks",
        "warehouse/stock_actions",
    }
    assert served["serving/symbol_performance"] == {"marts/mart_symbol_performance"}
    read = {each for above in [*models.values(), *GRAPH.values()] for each in above}
    assert read >= {name for name in GRAPH if name.startswith("warehouse/")}


def test_a_stage_s_rules_reach_what_the_graph_says_depends_on_it() -> None:
    reads = {name: set(stage.reads) for name, stage in STAGES.items()}
    assert reads == {name: GRAPH[name] & STAGES.keys() for name in GRAPH if name in STAGES}
    assert reads.keys() == {"/".join(key.path) for key in (*BUILT_KEYS, *FOUND_KEYS)}


def test_every_asset_says_what_it_is(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        assert spec.description and spec.owners and spec.kinds and spec.group_name, spec.key
        partitioned = (
            spec.key.path[0] not in ("kafka", "marts", "reference", "serving") and spec.key.path[-1] != "quarantine"
        )
        partitioned = partitioned and spec.key not in LOADED_KEYS
        assert (spec.partitions_def is not None) == partitioned
        if spec.key.path[0] not in ("kafka", "sources") and partitioned:
            assert "dagster/column_schema" in spec.metadata, spec.key


def test_every_asset_leads_to_its_source_and_has_a_layer(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        assert spec.tags["layer"] in ("source", "bronze", "silver", "gold"), spec.key
        if spec.key.path[-1] != "quarantine":  # no function makes it: it is a part of what drains store
            (reference, *_) = spec.metadata["dagster/code_references"].code_references
            assert Path(reference.file_path).is_relative_to(PROJECT / "stock_assets"), spec.key


def test_topics_are_observed_and_never_wait_to_be_materialized(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    topics = {key for key in graph.get_all_asset_keys() if key.path[0] == "kafka"}
    assert topics and topics == set(graph.observable_asset_keys)


def test_every_check_is_partitioned_and_bad_bars_are_stopped(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    checks = {
        (node.key.asset_key.to_user_string(), node.key.name): node for node in map(graph.get, graph.asset_check_keys)
    }
    partitioned = {key for key, node in checks.items() if node.partitions_def is not None}
    assert partitioned == {key for key in checks if not key[0].startswith("marts/")}
    blocking = {key for key, node in checks.items() if node.blocking and key in partitioned}
    quality = {(asset, "quality") for asset in ("bars/minute_bars", "bars/daily_bars", "metrics/daily_metrics")}
    completeness = {(f"raw/{stage}", "completeness") for stage in ("ticks", "bars", "actions")}
    assert blocking == quality | completeness


def test_definitions_load_without_service_network_secret_or_slow_import() -> None:
    script = (
        "import socket, sys\n"
        "def refuse(*_): raise OSError('definitions must not connect')\n"
        "socket.socket.connect = refuse\n"
        "import stock_assets.definitions\n"
        "slow = {'pandas', 'pyspark', 'great_expectations', 'snowflake.connector', 'deltalake', 'kafka', 'confluent_kafka', "
        "'dagster_snowflake', 'dagster_pyspark', 'yfinance', 'exchange_calendars', 'talib', 'openlineage'}\n"
        "sys.exit(', '.join(slow & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 0, done.stderr


def test_partitions_are_sessions() -> None:
    partitions = session_partitions(date(2013, 1, 2))
    keys = partitions.get_partition_keys(current_time=datetime(2013, 12, 2, 12, tzinfo=ZoneInfo("America/New_York")))
    assert "2013-11-29" in keys  # a half day
    assert keys[-1] == "2013-12-02"  # today's is there before the bell
    assert not partitions.has_partition_key("2013-11-28")  # Thanksgiving
    assert not partitions.has_partition_key("2013-11-30")
    assert within(partitions, [date(2013, 11, 28), date(2013, 11, 29), date(1999, 1, 4)]) == [date(2013, 11, 29)]


def test_arrows_point_one_way() -> None:
    # a process of its own: the linter switches the loggers off that others of this one listen to
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stdout


def python_files() -> list[Path]:
    folders = ("stock_assets", "spark", "benchmarks", "stock_assets_tests")
    return [file for folder in folders for file in sorted((PROJECT / folder).rglob("*.py"))]


def test_files_stay_readable() -> None:
    too_long = {str(file): count for file in python_files() if (count := len(file.read_text().splitlines())) > 300}
    assert not too_long


def test_modules_say_what_belongs_in_them_and_init_files_stay_empty() -> None:
    for file in python_files():
        if file.name == "__init__.py" and file.parent != PROJECT / "stock_assets":  # that one hands out `read`
            assert file.read_text() == "", file
        else:
            assert ast.get_docstring(ast.parse(file.read_text())), file


ENVIRONMENT = {
    "stock_assets/settings/platform.py": "reads all settings from it",
    "stock_assets/settings/process.py": "libraries read keys and NO_PROXY nowhere else",
    "stock_assets/local/with_store_keys.py": "becomes another program, which finds keys in it",
    "stock_assets/local/container.py": "becomes another program, which finds keys and folders in it",
    "stock_assets/local/spark_container.py": "becomes another program, which finds folders in it; Spark tells a pod by it what to be",
    "stock_assets/landing/shares.py": "hands it to processes that were forked from one with another",
    "stock_assets/commands/demo.py": "Dagster reads DAGSTER_HOME nowhere else",
    "stock_assets/quality/validate.py": "Great Expectations reads nowhere else that it must not phone home",
    "stock_assets/dashboard/server.py": "Arrow reads nowhere else from where it takes memory",
    "benchmarks/live_windows.py": "sets what the measured driver finds",
    "benchmarks/main_job.py": "sets what the measured process finds",
    "benchmarks/own_services.py": "sets what the measured process finds",
}
"""Who may touch the environment, and why."""


def test_only_these_files_touch_the_environment() -> None:
    touching = {
        str(file.relative_to(PROJECT))
        for file in python_files()
        if "stock_assets_tests" not in str(file)
        and any(touches_environment(node) for node in ast.walk(ast.parse(file.read_text())))
    }
    assert touching == ENVIRONMENT.keys()


def touches_environment(node: ast.AST) -> bool:
    """``os.environ`` or ``os.getenv``, under whichever name."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(each.name in ("environ", "getenv", "putenv") for each in node.names)
    return isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "putenv")
