"""Rules that changed while the data did not, as Dagster materializes the stage. Without Spark."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from spark.jobs import StageReport
from stock_assets.defs.built_assets import DAILY_METRICS_KEY
from stock_assets.defs.resources import Spark
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.stages import STAGES
from stock_assets.domain.tables import DAILY_BARS
from stock_assets_tests.pipeline.daily_rows import daily, store_daily
from stock_assets_tests.pipeline.one_stage import build_stage

DAYS = sessions_between(date(2013, 10, 7), date(2013, 10, 11))


def test_metrics_of_other_rules_are_computed_anew_though_no_bar_changed(
    lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced = []

    def build_daily_metrics(*given: Any) -> StageReport:
        forced.append(given[3:5])
        return StageReport({}, [], 0.0)

    monkeypatch.setattr("spark.jobs.build_daily_metrics", build_daily_metrics)
    monkeypatch.setattr(Spark, "session", lambda *_: None)

    def build_metrics() -> None:
        build_stage(lake, DAILY_METRICS_KEY, DAYS[0], DAYS[-1])

    store_daily(lake, [daily(day, "yahoo") for day in DAYS])
    build_metrics()
    store_daily(lake, [daily(day, "yahoo", revision=2 if day == DAYS[2] else 1) for day in DAYS])
    build_metrics()
    monkeypatch.setitem(STAGES, DAILY_BARS.path, replace(STAGES[DAILY_BARS.path], rules=2))
    build_metrics()
    build_metrics()
    everything = (DAYS[0], DAYS[-1])
    assert forced == [everything, (None, None), everything, (None, None)]
