"""What pages compute from rows: cards, breadth, movers, ranges, profile, momentum, marks, maps, scores, freshness."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.dashboard import marks
from stock_assets.dashboard.freshness import freshness, market
from stock_assets.dashboard.market_numbers import NO_SECTOR, Breadth, breadth, cards, movers, of_newest
from stock_assets.dashboard.quality_numbers import (
    Agreement,
    agreements,
    availability_map,
    check_trends,
    expectations_held,
    reasons,
    scores,
)
from stock_assets.dashboard.symbol_numbers import (
    ActionMark,
    action_marks,
    first_shown,
    momentum,
    volume_profile,
)
from stock_assets.domain.availability import AVAILABILITIES
from stock_assets.observability.observation import CheckSeen

DAYS = pd.to_datetime(["2024-03-04", "2024-03-05", "2024-03-06"])
KNOWN = pd.Timestamp("2024-03-07", tz="UTC")


def metric(symbol: str, day: pd.Timestamp, close: float, change: float | None = None, **given: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "trading_day": day, "close": close, "change_percent": change, "volume": 10.0, "sma_50": None,
        "sma_200": None, "high_52_week": None, "low_52_week": None, "high": close, "low": close, **given,
    }  # fmt: skip


STOCKS = pd.DataFrame(
    [{"symbol": "A", "name": "Alpha", "sector": "Energy"}, {"symbol": "B", "name": "unknown", "sector": "unknown"}]
)
NOTHING = pd.DataFrame({"symbol": [], "trading_day": [], "availability": [], "because": []})


def test_a_card_is_of_the_newest_session_its_symbol_has_and_says_when_that_is_old() -> None:
    rows = pd.DataFrame(
        [metric("A", day, close, 1.0) for day, close in zip(DAYS, (1.0, 2.0, 3.0), strict=True)]
        + [metric("B", DAYS[0], 9.0)]
    )
    judged = pd.DataFrame([{"symbol": "A", "trading_day": DAYS[2], "availability": "partial", "because": "not final"}])
    first, second = cards(rows, STOCKS, judged, [])
    assert (first.symbol, first.name, first.sector, first.close, first.closes) == (
        "A",
        "Alpha",
        "Energy",
        3.0,
        [1.0, 2.0, 3.0],
    )
    assert (first.state, first.words) == ("partial", "not final")
    assert (second.name, second.sector, second.change) == ("", NO_SECTOR, None)
    assert (second.state, second.words) == ("stale", "last seen 2024-03-04")
    (withheld, _) = cards(rows, STOCKS, NOTHING, [{"symbol": "A", "trading_day": date(2024, 3, 7)}])
    assert (withheld.state, withheld.words) == ("withheld", "its row of 2024-03-07 is withheld")
    assert cards(rows.iloc[:0], STOCKS, NOTHING, []) == []


def test_breadth_counts_what_is_known_of_the_newest_session() -> None:
    rows = pd.DataFrame(
        [
            metric("A", DAYS[2], 5.0, 2.0, sma_50=4.0, high_52_week=5.0, low_52_week=1.0),
            metric("B", DAYS[2], 5.0, -1.0, sma_50=6.0, high_52_week=9.0, low_52_week=5.0),
            metric("C", DAYS[2], 5.0, 0.0),
            metric("D", DAYS[2], 5.0),
            metric("E", DAYS[1], 5.0, 50.0),
        ]
    )
    assert breadth(of_newest(rows)) == Breadth(4, 1, 1, 1, 0.0, 0.5, None, 1, 1)


def test_movers_are_the_largest_changes_of_the_newest_session() -> None:
    rows = pd.DataFrame(
        [metric(name, DAYS[2], 1.0, change) for name, change in zip("ABCDE", (1.0, -3.0, 5.0, 0.0, -1.0), strict=True)]
        + [metric("Z", DAYS[0], 1.0, 99.0)]
    )
    rose, fell = movers(cards(rows, STOCKS, NOTHING, []), 2)
    assert ([card.symbol for card in rose], [card.symbol for card in fell]) == (["C", "A"], ["B", "E"])


@pytest.mark.parametrize(
    ("wanted", "first"),
    [("Max", "2015-01-01"), ("1M", "2024-02-04"), ("YTD", "2024-01-01"), ("1Y", "2023-03-06"), ("5Y", "2019-03-06")],
)
def test_a_range_ends_with_the_newest_session(wanted: str, first: str) -> None:
    days = pd.Series(pd.date_range("2015-01-01", "2024-03-06"))
    assert days.iloc[first_shown(days, wanted)] == pd.Timestamp(first)
    assert first_shown(days.iloc[:0], wanted) == 0


prices = st.floats(1, 1000).map(lambda price: round(price, 2))


@given(
    st.lists(st.tuples(prices, prices, st.none() | st.integers(0, 10**9)), min_size=1, max_size=40), st.integers(1, 30)
)
def test_a_volume_profile_loses_no_share(sessions: list[tuple[float, float, int | None]], levels: int) -> None:
    rows = pd.DataFrame([{"low": min(a, b), "high": max(a, b), "volume": volume} for a, b, volume in sessions])
    rows["volume"] = rows["volume"].astype("float64")
    found = volume_profile(rows, levels)
    assert sum(level.volume for level in found) == pytest.approx(float(rows["volume"].sum()), rel=1e-9, abs=1e-6)
    assert all(low.high == high.low for low, high in itertools.pairwise(found))


def test_volume_is_spread_over_the_prices_of_its_session() -> None:
    rows = pd.DataFrame({"low": [0.0, 10.0], "high": [10.0, 10.0], "volume": [100.0, 7.0]})
    assert [level.volume for level in volume_profile(rows, 2)] == [50.0, 57.0]
    assert volume_profile(rows.iloc[:0]) == []


def test_momentum_counts_sessions() -> None:
    closes = pd.Series([100.0] * 20 + [110.0] * 5 + [121.0])
    found = {each.label: each.percent for each in momentum(closes)}
    assert found["1 week"] == pytest.approx(10.0)
    assert found["1 month"] == pytest.approx(21.0)
    assert found["3 months"] is found["1 year"] is None


def test_marks_are_the_statements_that_count() -> None:
    def said(day: str, kind: str, value: float, source: str) -> dict[str, Any]:
        return {"ex_date": pd.Timestamp(day), "kind": kind, "value": value, "source": source, "known_at": KNOWN}

    stated = pd.DataFrame(
        [
            said("2024-03-05", "dividend", 0.24, "yahoo"),
            said("2024-03-04", "split", 4.0, "yahoo"),
            said("2024-03-04", "split", 7.0, "other"),
        ]
    )
    wanted = [
        ActionMark(date(2024, 3, 4), "split", "split 4:1"),
        ActionMark(date(2024, 3, 5), "dividend", "dividend 0.24"),
    ]
    assert action_marks(stated, "yahoo") == wanted
    assert action_marks(pd.DataFrame([said("2024-03-04", "split", 0.1, "yahoo")]), "")[0].text == "split 1:10"
    assert action_marks(stated.iloc[:0], "yahoo") == []


def verdicts() -> pd.DataFrame:
    rows = [
        ("A", 0, "available"),
        ("A", 1, "available"),
        ("A", 2, "empty"),
        ("B", 0, "missing"),
        ("B", 2, "degraded"),
        ("C", 2, "partial"),
    ]
    return pd.DataFrame(
        [
            {
                "symbol": s,
                "trading_day": DAYS[d],
                "availability": v,
                "because": f"{s} {v}",
                "inputs": "statements=1 session=over",
            }
            for s, d, v in rows
        ]
    )


def test_the_map_shows_the_symbols_with_most_faults_first() -> None:
    found = availability_map(verdicts(), 2, 2)
    assert (found.symbols, found.days) == (["B", "C"], ["2024-03-05", "2024-03-06"])
    degraded, partial = AVAILABILITIES.index("degraded"), AVAILABILITIES.index("partial")
    assert found.cells == [[None, degraded], [None, partial]]
    assert found.because[0] == ["not judged", "degraded: B degraded"]
    assert availability_map(verdicts().iloc[:0], 2, 2).symbols == []


def test_scores_come_from_the_same_evidence_as_the_tables_hold() -> None:
    bars = pd.DataFrame(
        [
            {"symbol": "A", "trading_day": DAYS[0], "trade_count": float("nan"), "final": False},
            {"symbol": "B", "trading_day": DAYS[2], "trade_count": None, "final": True},
        ]
    )
    compared = pd.DataFrame([{"symbol": "A", "trading_day": DAYS[1], "verdict": "disagree"}])
    found = scores(verdicts(), compared, bars, [{"symbol": "B", "trading_day": DAYS[2].date()}])
    assert {symbol: each.value for symbol, each in found.items()} == {"A": 25.0, "B": 25.0, "C": 100.0}
    assert list(found) == ["A", "B", "C"]
    assert (found["A"].worst_day, found["A"].reason) == (DAYS[1], "0% of its comparisons agreed")


def test_reasons_and_agreements_are_counted() -> None:
    rejected = pd.DataFrame([{"stage": "ticks", "rejected_because": text} for text in ("a: 1", "a: 2", "b")])
    assert reasons(rejected) == [("ticks", "a", 2), ("ticks", "b", 1)]
    compared = pd.DataFrame(
        [
            {"first_source": "x", "second_source": "y", "verdict": each}
            for each in ("agreed", "agreed", "disagree", "missing")
        ]
    )
    assert agreements(compared) == [Agreement("x", "y", 2, 1, 0, 1)]


def test_expectations_are_told_as_the_share_that_holds() -> None:
    rows = pd.DataFrame(
        [
            {"checked_table": table, "trading_day": DAYS[day], "passed": passed}
            for table, day, passed in (("b", 0, True), ("a", 1, True), ("a", 1, False), ("a", 0, True))
        ]
    )
    assert expectations_held(rows) == [
        ("a", ["2024-03-04", "2024-03-05"], [100.0, 50.0]),
        ("b", ["2024-03-04"], [100.0]),
    ]


def test_a_trend_is_the_newest_evaluations_and_failed_checks_come_first() -> None:
    def seen(name: str, at: float, passed: bool) -> CheckSeen:
        return CheckSeen("a", name, at, passed, "warn", f"{at}")

    found = check_trends([seen("good", 1.0, False), seen("good", 2.0, True), seen("bad", 3.0, False)], shown=2)
    assert [(each.newest.name, each.trend, each.passed, each.evaluations) for each in found] == [
        ("bad", "✕", 0, 1),
        ("good", "✕●", 1, 2),
    ]


NOW = datetime(2024, 3, 6, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("newest", "now", "state", "behind"),
    [
        (date(2024, 3, 6), NOW, "current", 0),
        (date(2024, 3, 5), NOW, "stale", 1),
        (date(2024, 3, 5), NOW - timedelta(hours=2), "current", 0),  # the session goes on
        (date(2024, 3, 5), datetime(2024, 3, 6, 21, 14, tzinfo=UTC), "current", 0),  # closing prints still come
        (date(2024, 3, 1), datetime(2024, 3, 3, 12, tzinfo=UTC), "current", 0),  # a weekend
        (None, NOW, "empty", 0),
    ],
)
def test_data_is_stale_when_a_session_that_is_over_is_newer(
    newest: date | None, now: datetime, state: str, behind: int
) -> None:
    found = freshness(newest, None, now)
    assert (found.state, found.behind) == (state, behind)


def test_the_age_is_told() -> None:
    assert freshness(date(2024, 3, 5), NOW - timedelta(minutes=3), NOW).text == (
        "newest session Tue 2024-03-05, 1 session behind the exchange, written 3 min ago"
    )


@pytest.mark.parametrize(
    ("now", "trades", "text"),
    [
        (datetime(2024, 3, 6, 15, tzinfo=UTC), True, "market open until 16:00 New York"),
        (datetime(2024, 11, 29, 16, tzinfo=UTC), True, "market open until 13:00 New York"),  # a half day
        (datetime(2024, 3, 6, 12, tzinfo=UTC), False, "market closed, opens today 09:30 New York"),
        (datetime(2024, 3, 8, 22, tzinfo=UTC), False, "market closed, opens Mon Mar 11 09:30 New York"),
        (datetime(2024, 3, 29, 15, tzinfo=UTC), False, "market closed, opens Mon Apr 1 09:30 New York"),  # Good Friday
    ],
)
def test_the_market_s_state_follows_the_calendar(now: datetime, trades: bool, text: str) -> None:
    assert (market(now).open, market(now).text) == (trades, text)


@given(st.text())
def test_no_text_becomes_html(text: str) -> None:
    drawn = (
        marks.table(["head"], [[text], [marks.Mark("stale", text)]], text)
        + marks.tile(text, text, text)
        + marks.badge("x", text)
    )
    without = (
        marks.table(["head"], [["-x"], [marks.Mark("stale", "x")]], "x")
        + marks.tile("x", "x", "x")
        + marks.badge("x", "x")
    )
    assert drawn.count("<") - drawn.count("<small") * 2 == without.count("<") - without.count("<small") * 2
    assert "<img" not in marks.table(["<img src=x>"], [["<img src=x onerror=y>"]], "<img>")


def test_figures_and_their_heads_stand_to_the_right() -> None:
    drawn = marks.table(["Name", "Share"], [["3 of 4", "1,000.5 %"], ["x", "–"]], "t")
    assert drawn.count("sa-number") == 3 and '<th scope="col">Name</th>' in drawn
