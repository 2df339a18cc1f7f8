"""Whatever is published, built, broken off, tried again or re-executed, in any order: no row that breaks a critical rule
reaches the warehouse, and every other one does.

Assets, checks, staleness, reads and Dagster's own re-executions are the real ones. The stages that Spark builds are the plain
Python of ``python_stages``; ``test_withheld`` and ``test_rules`` hold Spark's to the same rules. The warehouse is a dictionary.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from stock_assets.definitions import build_definitions
from stock_assets.defs.jobs import build_config, build_tags
from stock_assets.defs.resources import Spark, Warehouse
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, RAW_BARS
from stock_assets.lake.tables import read_sessions, read_withheld
from stock_assets.quality import validate
from stock_assets.quality.judging import Judging
from stock_assets.quality.state import stale_stages
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.load import LoadReport
from stock_assets_tests.pipeline.python_stages import Faults, PythonStages
from stock_assets_tests.pipeline.raw_rows import Row, bar, land

DAYS = sessions_between(date(2013, 10, 7), date(2013, 10, 9))
SOURCES = ("yahoo", "alpha_vantage")
SYMBOLS = ("F", "ZZZ")
FIRST_SESSION = "2013-01-02"
LAKE = "TEST_OF_GATES_LAKE"
PLACE = f"{tempfile.gettempdir()}/gates-{os.getpid()}"
"""The same for all examples: Dagster keeps the definitions that it has found once."""
FAULTS = (
    *(f"{when} {table}" for table in ("bars/daily_bars", "metrics/daily_metrics") for when in ("before", "after")),
    "before the load",
    "after the load",
    "in a check",
)
Cell = tuple[str, date]


class NoSpark(Spark):
    def session(self, rows: int) -> Any:
        return None


class NoWarehouse(Warehouse):
    @contextmanager
    def connect(self, tag: dict[str, Any] | None = None) -> Iterator[Any]:
        yield None


def build_job() -> dg.JobDefinition:
    """The job as the code server has it, for Dagster to find again when it re-executes a run."""
    given = Settings({"LAKE_ROOT": os.environ[LAKE], "FIRST_SESSION": FIRST_SESSION, "BAR_SOURCES": ",".join(SOURCES)})
    defs = build_definitions(given, spark=NoSpark(remote="", small_remote=""), warehouse=NoWarehouse())
    return defs.resolve_job_def("build")


class Gates(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.lake = PLACE
        self.patch = pytest.MonkeyPatch()
        self.faults, self.warehouse = Faults(), dict[Cell, Row]()
        self.instance = dg.DagsterInstance.ephemeral()
        self.said: dict[tuple[str, date, str], list[tuple[Decimal, bool]]] = defaultdict(list)
        self.clock = datetime.fromisoformat("2013-10-10T12:00:00+00:00")
        self.last: dg.DagsterRun | None = None
        self._put_in_place()

    def _put_in_place(self) -> None:
        self.patch.setenv(LAKE, self.lake)
        stages = PythonStages(self.faults)
        for name in ("build_minute_bars", "build_daily_bars", "build_daily_metrics"):
            self.patch.setattr(f"spark.jobs.{name}", getattr(stages, name))
        self.patch.setattr("stock_assets.warehouse.set_up.set_up", lambda *_: None)
        self.patch.setattr("stock_assets.warehouse.load.load_sessions", self._load)
        self.patch.setattr("stock_assets.warehouse.verify.differences", lambda *_, **__: [])
        self.patch.setattr("stock_assets.warehouse.verify.read_sessions_of_warehouse", self._of_warehouse)
        judge = validate.validate

        def validated(*given: Any) -> validate.Verdict:
            self.faults.at("in a check")
            return judge(*given)

        self.patch.setattr(validate, "validate", validated)

    def _load(self, _: Any, rows: pa.Table, table: Any, days: list[date], origin: Any) -> LoadReport:
        self.faults.at("before the load")
        for cell in [cell for cell in self.warehouse if cell[1] in days]:
            del self.warehouse[cell]
        self.warehouse.update({(row["symbol"], row["trading_day"]): row for row in rows.to_pylist()})
        self.faults.at("after the load")
        return LoadReport(rows.num_rows, rows.num_rows, 0, 0, 0)

    def _of_warehouse(self, _: Any, table: Any, first: date, last: date) -> pa.Table:
        rows = [row for cell, row in self.warehouse.items() if first <= cell[1] <= last]
        return pa.Table.from_pylist(rows, schema=DAILY_METRICS.arrow_schema())

    @initialize()
    def a_good_history(self) -> None:
        for day in DAYS:
            self.publish("F", day, "yahoo", 100, True)

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        day=st.sampled_from(DAYS),
        source=st.sampled_from(SOURCES),
        price=st.integers(90, 110),
        good=st.booleans(),
    )
    def publish(self, symbol: str, day: date, source: str, price: int, good: bool) -> None:
        """A vendor's bar, or its correction; a bad one has a high half a basis point below its close."""
        self.clock += timedelta(minutes=1)
        high = price if good else price * 0.99995
        stated = bar(day, float(price), high=high, symbol=symbol, source=source, known_at=self.clock)
        land(self.lake, RAW_BARS, [stated])
        self.said[symbol, day, source].append((Decimal(price), good))

    @rule(
        first=st.sampled_from(DAYS),
        sessions=st.integers(1, 3),
        fault=st.sampled_from(["", *FAULTS]),
        asked=st.booleans(),
    )
    def build(self, first: date, sessions: int, fault: str, asked: bool) -> None:
        """A range as the sensor asks for it, or a partition as the UI does."""
        last = DAYS[min(len(DAYS) - 1, DAYS.index(first) + sessions - 1)]
        tags = {"dagster/partition": str(last)}
        if asked:
            self._run(fault, tags=tags)
        else:
            self._run(fault, tags=tags | build_tags(first, last), run_config=build_config(first, last))

    @precondition(lambda self: self.last is not None)
    @rule(fault=st.sampled_from(["", *FAULTS]))
    def execute_all_again(self, fault: str) -> None:
        self._again(fault, dg.ReexecutionOptions(self._last.run_id))

    @precondition(lambda self: self.last is not None and self.last.is_failure_or_canceled)
    @rule(fault=st.sampled_from(["", *FAULTS]))
    def execute_from_failure(self, fault: str) -> None:
        self._again(fault, dg.ReexecutionOptions.from_failure(self._last.run_id, self.instance))

    @precondition(lambda self: self.last is not None and self.last.is_failure_or_canceled)
    @rule(fault=st.sampled_from(["", *FAULTS]))
    def execute_from_asset_failure(self, fault: str) -> None:
        """Of the assets that Dagster chooses for that."""
        snapshot = self.instance.get_execution_plan_snapshot(str(self._last.execution_plan_snapshot_id))
        keys, _ = self.instance.run_domain.get_keys_to_reexecute(self._last.run_id, snapshot)
        if keys:
            self._again(fault, dg.ReexecutionOptions(self._last.run_id), asset_selection=sorted(keys, key=str))

    @property
    def _last(self) -> dg.DagsterRun:
        assert self.last is not None
        return self.last

    def _again(self, fault: str, options: dg.ReexecutionOptions, **given: Any) -> None:
        tags = {
            name: value
            for name, value in self._last.tags.items()
            if name in ("dagster/partition", *build_tags(*DAYS[:2]))
        }
        self._run(fault, tags=tags, run_config=self._last.run_config, reexecution_options=options, **given)

    def _run(self, fault: str, **given: Any) -> None:
        self.faults.place = fault
        with dg.execute_job(dg.reconstructable(build_job), self.instance, **given) as result:
            self.last = self.instance.get_run_by_id(result.run_id)
            assert result.success or fault, [event.message for event in result.all_events if event.is_failure]
        self._nothing_bad_is_seen()

    def _nothing_bad_is_seen(self) -> None:
        for (symbol, day), row in self.warehouse.items():
            told = {price for source in SOURCES for price, good in self.said[symbol, day, source] if good}
            assert row["close"] in told and row["high"] >= row["close"], row
        for table in (DAILY_BARS, DAILY_METRICS):
            rows = read_sessions(self.lake, table, ["high", "close"]).to_pylist()
            assert all(row["high"] >= row["close"] for row in rows)

    def teardown(self) -> None:
        try:
            if self.said:
                self._settle()
        finally:
            self.patch.undo()
            self.instance.dispose()
            shutil.rmtree(self.lake, ignore_errors=True)

    def _settle(self) -> None:
        """One build of all sessions, and everything that is right is in the warehouse, and nothing is left to do."""
        tags = {"dagster/partition": str(DAYS[-1])} | build_tags(DAYS[0], DAYS[-1])
        self._run("", tags=tags, run_config=build_config(DAYS[0], DAYS[-1]))
        right = {key: [price for price, good in told if good] for key, told in self.said.items()}
        expected: dict[Cell, Decimal] = {}
        for symbol, day, source in sorted(right, key=lambda key: SOURCES.index(key[2]), reverse=True):
            if right[symbol, day, source]:
                expected[symbol, day] = right[symbol, day, source][-1]
        assert {cell: row["close"] for cell, row in self.warehouse.items()} == expected
        withheld = {
            (r["symbol"], r["trading_day"], r["source"]) for r in read_withheld(self.lake, DAILY_BARS).to_pylist()
        }
        assert withheld == {key for key, told in right.items() if self.said[key] and not told}
        given = Settings({"LAKE_ROOT": self.lake, "BAR_SOURCES": ",".join(SOURCES)})
        stale = stale_stages(self.lake, given.snowflake.target, Judging.of(given))
        assert not any(stale.values()), stale
        checks = self.instance.all_logs(self._last.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        results = [entry.dagster_event.asset_check_evaluation_data for entry in checks if entry.dagster_event]
        (told,) = [
            each for each in results if each.check_name == "withheld" and each.asset_key.path[-1] == "daily_bars"
        ]
        assert told.passed == (not withheld) and told.severity == dg.AssetCheckSeverity.WARN
        lines = str(told.metadata["details"].value).splitlines() if withheld else []
        assert all(any(symbol in line and str(day) in line for line in lines) for symbol, day, _ in withheld)


TestGates = Gates.TestCase
TestGates.settings = settings(max_examples=3, stateful_step_count=7, deadline=None)


@pytest.mark.soak
def test_many_orders() -> None:
    run_state_machine_as_test(Gates, settings=settings(max_examples=40, stateful_step_count=9, deadline=None))
