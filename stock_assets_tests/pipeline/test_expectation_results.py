"""What Great Expectations found, kept per session: each expectation, the rows that break it, the newest check last."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa

from stock_assets.domain.quality_tables import EXPECTATIONS
from stock_assets.domain.tables import DAILY_BARS
from stock_assets.lake.tables import open_table
from stock_assets.quality.results import compact_results, record_results
from stock_assets.quality.suites import checked_columns
from stock_assets.quality.validate import Breach, Verdict, validate
from stock_assets_tests.pipeline.daily_rows import WEEK, Row, daily

NOW = datetime(2024, 1, 2, tzinfo=UTC)


def frame(rows: list[Row]) -> pa.Table:
    schema = pa.schema([field.with_nullable(True) for field in DAILY_BARS.arrow_schema()])
    return pa.Table.from_pylist(rows, schema=schema).select(checked_columns(DAILY_BARS))


def stored(lake: str) -> list[Row]:
    handle = open_table(lake, EXPECTATIONS)
    assert handle is not None
    rows: list[Row] = handle.to_pyarrow_table().to_pylist()
    return rows


def recorded(lake: str, rows: list[Row], days: list[date]) -> dict[date, dict[str, tuple[int, int | None, bool]]]:
    """Per session and expectation: rows, those that break it, and whether it holds."""
    checked = frame(rows)
    record_results(lake, DAILY_BARS, days, checked, validate(DAILY_BARS, checked), NOW)
    found: dict[date, dict[str, tuple[int, int | None, bool]]] = {day: {} for day in days}
    for row in stored(lake):
        assert (row["checked_table"], row["checked_at"]) == (DAILY_BARS.path, NOW)
        found[row["trading_day"]][row["expectation"]] = (row["rows"], row["unexpected_rows"], row["passed"])
    return found


def test_each_expectation_has_a_row_per_session_and_a_breach_is_its_own_session_s(lake: str) -> None:
    days = WEEK[:3]
    good = [daily(day, source) for day in days for source in ("yahoo", "alpha_vantage")]
    bad = {**daily(days[1], "other"), "low": Decimal(999999)}
    found = recorded(lake, [*good, bad], days)
    names = set(validate(DAILY_BARS, frame(good)).expectations)
    assert len(names) > 10 and all(of_day.keys() == names for of_day in found.values())
    broken = {(day, name): kept for day, of_day in found.items() for name, kept in of_day.items() if not kept[2]}
    assert broken and {day for day, _ in broken} == {days[1]}
    assert all("low" in name and kept == (3, 1, False) for (_, name), kept in broken.items())
    assert {kept for name, kept in found[days[0]].items()} == {(2, 0, True)}


def test_what_is_wrong_with_the_table_as_a_whole_is_wrong_in_each_session(lake: str) -> None:
    days = WEEK[:2]
    checked = frame([daily(day, "yahoo") for day in days])
    verdict = Verdict(2, ("columns", "nulls"), [Breach("columns", False, None, [], {})])
    record_results(lake, DAILY_BARS, days, checked, verdict, NOW)
    kept = [(row["expectation"], row["unexpected_rows"], row["passed"]) for row in stored(lake)]
    assert kept == [("columns", None, False), ("nulls", 0, True)] * 2


def test_compaction_keeps_each_row(lake: str) -> None:
    compact_results(lake)  # of no table
    for _ in range(3):
        recorded(lake, [daily(WEEK[0], "yahoo")], WEEK[:1])
    before = sorted(map(str, stored(lake)))
    compact_results(lake)
    handle = open_table(lake, EXPECTATIONS)
    assert handle is not None and handle.get_add_actions().num_rows == 1
    assert sorted(map(str, stored(lake))) == before
