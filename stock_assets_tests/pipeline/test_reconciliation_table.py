"""Reconciliation from daily bars on a folder: verdicts with their numbers, replaced only where they differ."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from deltalake import DeltaTable

from stock_assets.domain.quality_tables import RECONCILIATION
from stock_assets.domain.reconciliation import Tolerance
from stock_assets.domain.sessions import sessions_between
from stock_assets.lake.session_rows import COMPACT_AFTER_FILES, replace_rows
from stock_assets.quality.reconciliation import compared, difference, disagreeing, reconcile
from stock_assets_tests.pipeline.daily_rows import JUDGING, WEEK, daily, store_daily
from stock_assets_tests.pipeline.raw_lake import DAY, NEXT_DAY


def version(lake: str, path: str) -> int:
    return DeltaTable(f"{lake}/{path}").version()


def test_each_cell_of_two_vendors_is_one_row_with_the_numbers_of_both(lake: str) -> None:
    rows = [
        daily(DAY, "yahoo"),
        daily(DAY, "alpha_vantage", 100.01, 1020),
        daily(DAY, "yahoo", 50.0, 2000, symbol="F"),
        daily(DAY, "alpha_vantage", 51.0, 1000, symbol="F"),
        daily(DAY, "yahoo", symbol="ONE"),
        daily(DAY, "simulator_ticks", symbol="OTHER"),
        daily(NEXT_DAY, "alpha_vantage"),
    ]
    store_daily(lake, rows)
    found = {(row["symbol"], row["trading_day"]): row for row in reconcile(lake, [DAY, NEXT_DAY], JUDGING)}
    verdicts = {cell: (row["verdict"], row["missing_source"]) for cell, row in found.items()}
    assert verdicts == {
        ("IBM", DAY): ("agreed", None),
        ("F", DAY): ("disagree", None),
        ("ONE", DAY): ("missing", "alpha_vantage"),
        ("IBM", NEXT_DAY): ("missing", "yahoo"),
    }
    assert difference(found["F", DAY]) == (
        "close 50.0000 yahoo, 51.0000 alpha_vantage (+196.1 bps), volume 2,000 yahoo, 1,000 alpha_vantage (-50.0 %)"
    )


def test_bars_built_from_minutes_are_a_pair_with_a_vendor_s_own(lake: str) -> None:
    bars = [daily(DAY, "yahoo"), daily(DAY, "yahoo_minutes", volume=800, no_auction=True)]
    (row,) = compared(bars, [("yahoo", "yahoo_minutes")], Tolerance())
    assert (row["verdict"], row["volume_percent"], row["volume_tolerance_percent"]) == ("agreed", -20, 30)


def test_a_session_is_replaced_in_one_commit_and_none_when_nothing_differs(lake: str) -> None:
    store_daily(lake, [daily(day, source) for day in WEEK for source in ("yahoo", "alpha_vantage")])
    rows = reconcile(lake, WEEK, JUDGING)
    assert replace_rows(lake, RECONCILIATION, rows, WEEK) == WEEK
    first = version(lake, RECONCILIATION.path)
    assert replace_rows(lake, RECONCILIATION, rows, WEEK) == []
    assert version(lake, RECONCILIATION.path) == first

    touched = [WEEK[1], WEEK[3]]
    apart = [row | {"verdict": "disagree"} if row["trading_day"] in touched else row for row in rows]
    assert replace_rows(lake, RECONCILIATION, apart, WEEK) == touched
    assert version(lake, RECONCILIATION.path) == first + 1
    assert stored(lake, RECONCILIATION.path) == sorted(map(repr, apart))
    assert disagreeing(lake) == {("IBM", day) for day in touched}

    # A session without rows any more is emptied; those that were not asked for stay.
    assert replace_rows(lake, RECONCILIATION, [], [WEEK[0]]) == [WEEK[0]]
    assert stored(lake, RECONCILIATION.path) == sorted(repr(row) for row in apart if row["trading_day"] != WEEK[0])


def test_no_rows_make_no_table(lake: str) -> None:
    assert replace_rows(lake, RECONCILIATION, [], WEEK) == []
    assert not Path(lake, RECONCILIATION.path).exists()
    assert disagreeing(lake) == frozenset()


def test_a_table_written_session_by_session_stays_in_few_files(lake: str) -> None:
    days = sessions_between(date(2013, 1, 2), date(2013, 12, 31))[: COMPACT_AFTER_FILES + 3]
    rows = compared([daily(day, "yahoo") for day in days], [("yahoo", "alpha_vantage")], Tolerance())
    for row in rows:
        replace_rows(lake, RECONCILIATION, [row], [row["trading_day"]])
    assert DeltaTable(f"{lake}/{RECONCILIATION.path}").get_add_actions().num_rows < 10
    assert stored(lake, RECONCILIATION.path) == sorted(map(repr, rows))


def stored(lake: str, path: str) -> list[str]:
    return sorted(map(repr, DeltaTable(f"{lake}/{path}").to_pyarrow_table().to_pylist()))
