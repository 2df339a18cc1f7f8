"""Telling Dagster of what was done outside of a run, while its records are away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from stock_assets.defs import reports
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import TICKS

DAY = date(2013, 2, 28)
SETTINGS = Settings({"FIRST_SESSION": "2013-01-02"})
LANDED: Any = SimpleNamespace(sessions={DAY: 7}, landing_id="redrive-1", version=3)


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's records, which are away when they are opened first."""
    opened = iter(range(2))
    with dg.DagsterInstance.ephemeral() as records:

        def open_records(_: str) -> Any:
            if next(opened, 1) == 0:
                raise ServiceUnavailable("Dagster's records cannot be opened")
            return nullcontext(records)

        monkeypatch.setattr(reports, "instance_home", lambda _: Path("home"))
        monkeypatch.setattr(dg.DagsterInstance, "from_config", open_records)
        yield records


def test_a_redrive_goes_on_while_dagster_takes_no_report(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    assert reports.report_redriven(SETTINGS, TICKS, LANDED) == 0
    assert "redrive-1: Dagster's records cannot be opened" in caplog.text
    assert reports.report_redriven(SETTINGS, TICKS, LANDED) == 1
    assert instance.get_materialized_partitions(RAW_KEYS["ticks"]) == {str(DAY)}


def test_what_dagster_did_not_take_goes_out_with_the_next_report(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    landing = reports.LandingReports(SETTINGS)
    landing.add(TICKS, LANDED)
    turns = iter([False, True])  # one while they are away, and the last
    landing._done.wait = lambda _: next(turns)  # type: ignore[method-assign,assignment,misc]
    landing._send_until_done()
    assert "goes out with the next" in caplog.text
    assert instance.get_materialized_partitions(RAW_KEYS["ticks"]) == {str(DAY)}
