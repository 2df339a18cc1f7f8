"""Availability from tables on a folder: what each symbol and session is, and because of what. Without Spark."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from rich.console import Console

from stock_assets.commands.verify import show_withheld
from stock_assets.defs.state_checks import find_withheld
from stock_assets.domain.messages import Bar, encode, instant
from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import DAILY_BARS, RAW_ACTIONS, RAW_BARS
from stock_assets.domain.universe import Listing, Universe
from stock_assets.lake.session_rows import replace_rows
from stock_assets.quality.availability import former_table, judge_sessions
from stock_assets.quality.judging import Judging
from stock_assets.quality.reconciliation import reconcile
from stock_assets.raw.losses import LOST
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import BARS
from stock_assets_tests.pipeline.daily_rows import JUDGING, LATER, WEEK, Row, daily, store_daily
from stock_assets_tests.pipeline.raw_lake import DAY, NEXT_DAY, tick
from stock_assets_tests.pipeline.raw_lake import land as land_records
from stock_assets_tests.pipeline.raw_rows import action, at, bar, land


def judged(
    lake: str, days: list[date] | None = None, judging: Judging = JUDGING, now: datetime = LATER
) -> dict[tuple[str, date], tuple[str, str]]:
    days = days or [DAY]
    reconciled = reconcile(lake, days, judging)
    rows = judge_sessions(lake, days, judging, reconciled, now)
    found = {(row["symbol"], row["trading_day"]): (row["availability"], row["because"]) for row in rows}
    assert len(found) == len(rows)
    return found


def test_vendors_that_disagree_degrade_the_cell_and_no_other(lake: str) -> None:
    bars = [daily(DAY, "yahoo"), daily(DAY, "alpha_vantage", 101.0), daily(DAY, "yahoo", symbol="F")]
    store_daily(lake, bars)
    found = judged(lake)
    assert found["IBM", DAY][0] == "degraded" and "+99.0 bps" in found["IBM", DAY][1]
    assert found["F", DAY][0] == "available"


def test_a_withheld_bar_degrades_its_cell_whether_or_not_another_source_stands_in(lake: str) -> None:
    withheld = daily(DAY, "yahoo", withheld_because="high 99.000000 is below open 100.000000")
    store_daily(lake, [withheld, daily(DAY, "yahoo", symbol="F")])
    broken = ("degraded", "yahoo is withheld: high 99.000000 is below open 100.000000")
    assert judged(lake) == {("IBM", DAY): broken, ("F", DAY): ("available", "1 final bar, the first choice is yahoo")}
    store_daily(lake, [withheld, daily(DAY, "alpha_vantage", 101.0)])
    assert judged(lake)["IBM", DAY] == broken


def test_verify_and_the_check_name_what_is_withheld(lake: str) -> None:
    def said() -> str:
        console = Console(record=True, width=60, file=io.StringIO())
        show_withheld(Settings({"LAKE_ROOT": lake}), console, date.min, date.max)
        return console.export_text()

    assert said() == "Withheld: nothing\n" and find_withheld(lake, DAILY_BARS, [DAY]).passed
    store_daily(lake, [daily(DAY, "yahoo", symbol="ZZZ", withheld_because="high 1 is below [close] 2")])
    text = f"ZZZ {DAY} yahoo: high 1 is below [close] 2"
    assert said() == f"bars/daily_bars {text}\nWithheld: 1 for breaking a critical rule\n"
    seen = find_withheld(lake, DAILY_BARS, [NEXT_DAY])  # whichever session was built last
    assert (seen.passed, seen.text) == (False, text)
    assert seen.details == [
        {"trading_day": DAY, "symbol": "ZZZ", "source": "yahoo", "withheld_because": "high 1 is below [close] 2"}
    ]


def test_a_correction_that_breaks_a_rule_is_told_and_corrects_nothing(lake: str) -> None:
    store_daily(lake, [daily(DAY, "yahoo", 10.0)])
    good, bad = bar(DAY, 10.0), bar(DAY, 11.0, high=10.9, known_at=at(DAY, "21:00"))
    land(lake, RAW_BARS, [good, bad])
    text = "what yahoo said on 2013-10-08 01:00 UTC does not count: high 10.900000 is below low 11.000000"
    condition, because = judged(lake)["IBM", DAY]
    assert condition == "degraded" and because.startswith(text) and "changed" not in because
    land(lake, RAW_BARS, [bar(DAY, 11.0, known_at=at(DAY, "22:00"))])
    condition, because = judged(lake)["IBM", DAY]
    assert condition == "corrected" and "close 10.0000 to 11.0000 on 2013-10-08 02:00 UTC" in because


def test_the_bar_that_metrics_use_decides_whether_the_cell_is_final(lake: str) -> None:
    store_daily(lake, [daily(DAY, "yahoo", final=False), daily(DAY, "simulator_ticks")])
    assert judged(lake)["IBM", DAY] == ("partial", "the bar of yahoo is not final")


def test_a_symbol_of_earlier_sessions_is_missed_and_one_of_later_ones_is_not_expected(lake: str) -> None:
    simulated = daily(WEEK[0], "simulator_ticks", symbol="SIM0")
    store_daily(lake, [daily(WEEK[0], "yahoo"), simulated, daily(WEEK[2], "yahoo", symbol="NEW")])
    found = judged(lake, WEEK[:3])
    # nothing is told of a symbol that is simulated
    assert {cell: availability for cell, (availability, _) in found.items()} == {
        ("IBM", WEEK[0]): "available",
        ("IBM", WEEK[1]): "missing",  # also where the whole session is
        ("IBM", WEEK[2]): "missing",
        ("NEW", WEEK[2]): "available",
    }


def test_a_session_that_goes_on_misses_nothing_yet(lake: str) -> None:
    store_daily(lake, [daily(WEEK[0], "yahoo")])
    hours = session(DAY := WEEK[1])
    for moment, availability in (
        (hours.open_time - timedelta(seconds=1), "empty"),
        (hours.open_time, "partial"),
        (hours.close_time + timedelta(minutes=14), "partial"),
        (hours.close_time + timedelta(minutes=15), "missing"),
    ):
        assert judged(lake, [DAY], now=moment)["IBM", DAY][0] == availability, moment


def test_the_universe_says_what_is_expected(lake: str) -> None:
    listings = (
        Listing("IBM"),
        Listing("FB", active_to=DAY, renamed_to="META"),
        Listing("META", active_from=NEXT_DAY),
        Listing("OLD", active_to=DAY),
    )
    judging = Judging(("yahoo",), universe=Universe(listings))
    store_daily(lake, [daily(day, "yahoo", symbol="META") for day in (DAY, NEXT_DAY)])
    found = judged(lake, [DAY, NEXT_DAY], judging)
    assert {cell: availability for cell, (availability, _) in found.items()} == {
        ("IBM", DAY): "missing",
        ("IBM", NEXT_DAY): "missing",
        ("FB", DAY): "empty",  # the vendor gives it as META
        ("FB", NEXT_DAY): "empty",
        ("META", DAY): "available",
        ("META", NEXT_DAY): "available",
        ("OLD", DAY): "missing",
        ("OLD", NEXT_DAY): "empty",
    }
    assert found["FB", DAY][1] == "its records are under its later name META"


def test_ticks_without_a_bar_are_partial_and_rejected_ones_are_told(lake: str) -> None:
    universe = Universe.of_symbols(["S1", "S2", "S3"])
    broken = tick(5, symbol="S2").replace(b'"price":', b'"price":-')
    land_records(lake, [tick(1, symbol="S1"), tick(2, symbol="S1"), broken, b"{not json"])
    found = judged(lake, judging=Judging((), universe=universe))
    assert found == {
        ("S1", DAY): ("partial", "2 records accepted, but no bar is built of them"),
        ("S2", DAY): ("missing", "nothing was accepted; 1 record in quarantine"),
        ("S3", DAY): ("missing", "nothing was accepted nor rejected"),
    }
    store_daily(lake, [daily(DAY, "simulator_ticks", symbol=symbol) for symbol in ("S1", "S2")])
    assert [judged(lake)[symbol, DAY] for symbol in ("S1", "S2")] == [
        ("available", "1 final bar, the first choice is simulator_ticks"),
        ("degraded", "1 record in quarantine"),
    ]


def test_a_rejected_bar_that_the_vendor_stated_well_later_counts_no_more(lake: str) -> None:
    bad = vendor_bar().replace(b'"close":100.0', b'"close":-1.0')
    store_daily(lake, [daily(DAY, "yahoo")])
    land_records(lake, [bad], topic=BARS)
    assert judged(lake)["IBM", DAY] == ("degraded", "1 record in quarantine")
    land_records(lake, [b"{}", vendor_bar()], topic=BARS)
    assert judged(lake)["IBM", DAY][0] == "available"


def test_lost_offsets_degrade_the_symbols_of_their_partition_around_them(lake: str) -> None:
    symbols = ("S1", "S2")
    store_daily(lake, [daily(day, "simulator_ticks", symbol=symbol) for day in WEEK[:3] for symbol in symbols])
    land_records(lake, [tick(1, WEEK[0], "S1"), tick(2, WEEK[1], "S1")], gap=7)
    land_records(lake, [tick(3, WEEK[2], "S1")])
    land_records(lake, [tick(4, day, "S2") for day in WEEK[:3]], partition=1)
    assert {availability for availability, _ in judged(lake, WEEK[:3]).values()} == {"available"}  # marks are no loss

    path = f"{lake}/raw/ticks"
    DeltaTable(path).update(updates={"rejected_because": f"'{LOST}: gone'"}, predicate="offset_span = 7")
    found = judged(lake, WEEK[:3])
    degraded = {cell for cell, (availability, _) in found.items() if availability == "degraded"}
    assert degraded == {("S1", WEEK[1]), ("S1", WEEK[2])}
    assert found["S1", WEEK[1]][1] == "7 records lost before landing"


@pytest.mark.parametrize(
    ("later", "availability"),
    [
        ({}, "available"),  # the same again
        ({"close": 101.0, "high": 101.0}, "corrected"),
        ({"volume": 1001}, "available"),  # rounding
        ({"volume": 1100}, "corrected"),
        ({"close": 101.0, "high": 101.0, "source": "alpha_vantage"}, "available"),  # another vendor's word
        ({"close": 101.0, "interval": "1m"}, "available"),
        ({"close": 50.0, "open": 50.0, "high": 50.0, "low": 50.0, "volume": 2000,
          "price_basis": "split_adjusted"}, "available"),  # adjusted for the split since
        ({"close": 100.0, "price_basis": "split_adjusted"}, "corrected"),
    ],
)  # fmt: skip
def test_a_final_bar_that_its_vendor_changed_is_corrected(lake: str, later: Row, availability: str) -> None:
    store_daily(lake, [daily(DAY, "yahoo")])
    moved = bar(DAY, 90.0, final=False, known_at=at(DAY, "15:00"))
    again = bar(DAY, 100.0, known_at=at(WEEK[4], "20:00")) | later
    land(lake, RAW_BARS, [moved, bar(DAY, 100.0), again])
    land(lake, RAW_ACTIONS, [action(WEEK[3], "split", 2.0)])
    found = judged(lake)["IBM", DAY]
    assert found[0] == availability, found
    if later == {"close": 101.0}:
        assert found[1] == "yahoo changed close 100.0000 to 101.0000 on 2013-10-12 00:00 UTC"


def vendor_bar(**given: Any) -> bytes:
    prices: Iterable[str] = ("open", "high", "low", "close")
    return encode(
        Bar(
            symbol="IBM",
            interval="1d",
            trading_day=DAY,
            start_time=instant(session(DAY).open_time),
            **dict.fromkeys(prices, 100.0),
            volume=1000,
            currency="USD",
            price_basis="as_traded",
            final=True,
            source="yahoo",
            known_at=instant(session(DAY).post_close_time),
            **given,
        )
    )


def test_a_lake_with_the_table_under_its_former_name_is_told_once_what_became_of_it(lake: str) -> None:
    assert former_table(lake) is None
    write_deltalake(f"{lake}/quality/condition", pa.table({"condition": ["available"]}))
    told = former_table(lake)
    assert told is not None and "quality/condition is called quality/availability now and is built anew" in told
    store_daily(lake, [daily(WEEK[0], "yahoo")])
    replace_rows(lake, AVAILABILITY, judge_sessions(lake, WEEK[:1], JUDGING, [], LATER), WEEK[:1])
    assert former_table(lake) is None
