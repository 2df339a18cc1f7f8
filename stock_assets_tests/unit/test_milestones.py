"""When a session counts as judged and as complete, for the first time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.service_level import Milestones
from stock_assets.domain.sessions import session
from stock_assets.lake.milestones import read_milestones, record_complete, record_judged
from stock_assets.lake.tables import append_rows

DAY, NEXT = date(2024, 11, 27), date(2024, 11, 29)
CLOSE = session(DAY).close_time
LATER = CLOSE + timedelta(minutes=10)


def judge(lake: str, day: date, **words: str) -> None:
    rows = [
        {"year": day.year, "trading_day": day, "symbol": symbol, "availability": word, "because": "", "inputs": ""}
        for symbol, word in words.items()
    ]
    append_rows(lake, AVAILABILITY, rows)


def complete_at(lake: str) -> datetime | None:
    return read_milestones(lake).get(DAY, Milestones()).complete_at


@pytest.mark.parametrize(
    ("word", "complete"), [("available", True), ("corrected", True), ("empty", True), ("partial", False)]
)
def test_a_session_is_complete_when_nothing_is_missing(tmp_path: Path, word: str, complete: bool) -> None:
    lake = str(tmp_path)
    record_judged(lake, [DAY], CLOSE)
    judge(lake, DAY, A="available", B=word)
    record_complete(lake, {DAY}, LATER)
    assert complete_at(lake) == (LATER if complete else None)
    record_complete(lake, {DAY}, LATER + timedelta(days=1))
    assert complete_at(lake) == (LATER if complete else None)  # the first time counts


def test_not_before_the_warehouse_holds_it_the_close_and_the_judgement(tmp_path: Path) -> None:
    lake = str(tmp_path)
    judge(lake, DAY, A="available")
    record_complete(lake, {DAY}, LATER)
    assert complete_at(lake) is None  # nobody judged it
    record_judged(lake, [DAY], CLOSE - timedelta(hours=1))
    record_complete(lake, {NEXT}, LATER)
    record_complete(lake, {DAY}, CLOSE - timedelta(seconds=1))
    assert complete_at(lake) is None
    record_complete(lake, {DAY}, CLOSE)
    assert complete_at(lake) == CLOSE
    record_judged(lake, [DAY], LATER)
    assert read_milestones(lake)[DAY].judged_at == CLOSE - timedelta(hours=1)
