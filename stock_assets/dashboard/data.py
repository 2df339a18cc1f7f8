"""the lake, and what the collector keeps -> rows for pages, read once per version of their table.

Belongs here: which columns and sessions each page reads, and remembering them for as long as their tables do not change, for all
visitors together.
Does not belong here: reading itself (``reading``), computing with rows (the pages' ``*_numbers``).

Frames are shared: nobody changes one that was got here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from stock_assets.dashboard.memory import Memory
from stock_assets.domain.catalog import QUARANTINE
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.finding_tables import ANOMALIES, PATTERNS
from stock_assets.domain.quality_tables import AVAILABILITY, EXPECTATIONS, RECONCILIATION
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.stocks import STOCK_STATEMENTS
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, RAW_ACTIONS, RAW_BARS, RAW_TICKS
from stock_assets.lake.tables import committed_at, read_withheld, table_version
from stock_assets.reading.adjusted import Adjusted
from stock_assets.reading.base_rates import BaseRate
from stock_assets.reading.base_rates import base_rates as counted_rates
from stock_assets.reading.frames import read
from stock_assets.reading.sql import answer_of
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    import pandas as pd

LOOK_S = 2.0
"""For how long a version counts as the newest: ten visitors ask the store no more often than one."""
REMEMBERED = 40
"""Answers: the dozen that pages share, and two for each of the symbols looked at last, half a megabyte together."""
NO_METRICS = "There are no metrics yet: `make demo` fills every table, or a build does once something is landed."
CARD_SESSIONS = 30
JUDGED = 60
MARKET_COLUMNS = (
    "symbol", "trading_day", "close", "previous_close", "change_percent", "volume", "sma_50", "sma_200", "high_52_week",
    "low_52_week", "high", "low",
)  # fmt: skip
CHART_COLUMNS = (
    "trading_day", "symbol", "source", "open", "high", "low", "close", "previous_close", "change", "change_percent", "volume",
    "vwap", "sma_50", "sma_200", "bollinger_upper", "bollinger_lower", "rsi_14", "macd", "macd_signal", "macd_histogram",
    "volatility_20", "high_52_week", "low_52_week",
)  # fmt: skip
Found = TypeVar("Found")
Versions = tuple[int | None, ...]


@cache
def settings() -> Settings:
    """The settings of this server."""
    return load_and_export()


_rows, _versions = Memory(REMEMBERED), Memory(200)


@dataclass(frozen=True)
class Written:
    """Newest session of a table, and when its newest version was written; None without rows, or without a table."""

    newest: date | None
    at: datetime | None


def version(place: Settings, table: Table) -> int | None:
    """Delta version of a table, at most LOOK_S old; None when it does not exist yet."""
    moment = int(time.monotonic() / LOOK_S)
    return _versions.get((place.lake_root, table.path, moment), lambda: table_version(place.lake_root, table))


def state(place: Settings) -> Versions:
    """The versions of all tables that pages of data are drawn from."""
    tables = (
        DAILY_METRICS,
        DAILY_BARS,
        RAW_ACTIONS,
        AVAILABILITY,
        RECONCILIATION,
        STOCK_STATEMENTS,
        PATTERNS,
        ANOMALIES,
    )
    return tuple(version(place, table) for table in tables)


def written(place: Settings, table: Table = DAILY_METRICS) -> Written:
    """How new a table of sessions is."""

    def make() -> Written:
        if version(place, table) is None:
            return Written(None, None)
        newest = _newest(place, table)
        return Written(newest, committed_at(place.lake_root, table))

    return remembered(place, "written", (table,), (table.path,), make)


def market(place: Settings) -> pd.DataFrame:
    """The last sessions of every symbol, columns MARKET_COLUMNS, in the newest session's shares; no rows without a table."""

    def make() -> pd.DataFrame:
        newest = _newest(place, DAILY_METRICS)
        if newest is None:
            return _none(MARKET_COLUMNS)
        first = sessions_between(newest - timedelta(days=3 * CARD_SESSIONS), newest)[-CARD_SESSIONS:][0]
        return read("daily_metrics", None, first, newest, adjusted="splits", columns=MARKET_COLUMNS, settings=place)

    return remembered(place, "market", (DAILY_METRICS, RAW_ACTIONS), (), make)


def symbols(place: Settings) -> list[str]:
    """Every symbol that metrics exist for, by name."""

    def make() -> list[str]:
        if version(place, DAILY_METRICS) is None:
            return []
        query = "SELECT DISTINCT symbol FROM daily_metrics ORDER BY symbol"
        with answer_of(query, place.lake_root, place.universe) as rows:
            return [symbol for (symbol,) in rows.fetchall()]

    return remembered(place, "symbols", (DAILY_METRICS,), (), make)


def history(place: Settings, symbol: str, adjusted: Adjusted) -> pd.DataFrame:
    """Every session of a symbol, columns CHART_COLUMNS.

    Raises:
        PermanentError: there is no such symbol, or no table.
    """
    today = datetime.now(UTC).date()
    return remembered(
        place,
        "history",
        (DAILY_METRICS, RAW_ACTIONS),
        (symbol, adjusted, today if adjusted != "none" else None),
        lambda: read("daily_metrics", symbol, adjusted=adjusted, columns=CHART_COLUMNS, settings=place),
    )


def actions(place: Settings, symbol: str) -> pd.DataFrame:
    """Splits and dividends of a symbol as vendors state them: trading_day, ex_date, kind, value, source; no rows without any."""
    names = ("ex_date", "kind", "value", "source", "known_at")

    def make() -> pd.DataFrame:
        return _or_none(lambda: read("actions", symbol, columns=names, settings=place), names)

    return remembered(place, "actions", (RAW_ACTIONS,), (symbol,), make)


def patterns(place: Settings, symbol: str) -> pd.DataFrame:
    """Patterns of a symbol's candles: trading_day, pattern, direction; no rows without any."""
    names = ("trading_day", "pattern", "direction")

    def make() -> pd.DataFrame:
        return _or_none(lambda: read("patterns", symbol, columns=names, settings=place), names)

    return remembered(place, "patterns", (PATTERNS,), (symbol,), make)


def base_rates(place: Settings) -> dict[str, BaseRate]:
    """How often each pattern is seen, over all symbols; nothing without a table."""

    def make() -> dict[str, BaseRate]:
        try:
            return counted_rates(place)
        except PermanentError:
            return {}

    return remembered(place, "base rates", (PATTERNS, DAILY_METRICS), (), make)


def anomalies(place: Settings) -> pd.DataFrame:
    """Unusual minutes of the newest JUDGED sessions that have any; no rows without a table."""
    names = ("trading_day", "symbol", "source", "start_time", "kind", "z", "change_percent", "close", "n")
    return _of_newest(place, ANOMALIES, names)


def stocks(place: Settings) -> pd.DataFrame:
    """What is known of each symbol: symbol, present_symbol, name, sector; the newest span of each."""
    names = ("symbol", "valid_to", "present_symbol", "name", "sector")

    def make() -> pd.DataFrame:
        rows = _or_none(lambda: read("stocks", columns=names, settings=place), names)
        return rows.sort_values("valid_to").drop_duplicates("symbol", keep="last")

    return remembered(place, "stocks", (STOCK_STATEMENTS, DAILY_BARS), (), make)


def availability(place: Settings) -> pd.DataFrame:
    """Symbol, session, verdict and sentence of the newest JUDGED sessions; no rows without a table."""
    names = ("symbol", "trading_day", "availability", "because", "inputs")
    return _of_newest(place, AVAILABILITY, names)


def reconciliation(place: Settings) -> pd.DataFrame:
    """Verdicts of the newest JUDGED sessions, with their numbers; no rows without a table."""
    return _of_newest(place, RECONCILIATION, tuple(name for name in RECONCILIATION.names if name != "year"))


def expectations(place: Settings) -> pd.DataFrame:
    """What Great Expectations found of each table in the newest JUDGED sessions: of each expectation what was found last."""
    names = ("trading_day", "checked_table", "expectation", "rows", "unexpected_rows", "passed", "checked_at")
    rows = _of_newest(place, EXPECTATIONS, names)
    key = ["trading_day", "checked_table", "expectation"]
    return rows.sort_values("checked_at").drop_duplicates(key, keep="last") if len(rows) else rows


def bars(place: Settings) -> pd.DataFrame:
    """Symbol, session, source, trades and finality of the daily bars of the newest JUDGED sessions."""
    return _of_newest(place, DAILY_BARS, ("symbol", "trading_day", "source", "trade_count", "final"))


def withheld(place: Settings, table: Table = DAILY_BARS) -> list[dict[str, Any]]:
    """The withheld rows of the newest JUDGED sessions: the table's key, and why."""

    def make() -> list[dict[str, Any]]:
        newest = _newest(place, table)
        first = date.min if newest is None else newest - timedelta(days=2 * JUDGED)
        rows: list[dict[str, Any]] = read_withheld(place.lake_root, table, first).to_pylist()
        return rows

    return remembered(place, "withheld", (table,), (table.path,), make)


def quarantine(place: Settings) -> pd.DataFrame:
    """Stage, reason and time of each record in quarantine; no rows without raw tables."""
    names = ("stage", "rejected_because", "kafka_time")

    def make() -> pd.DataFrame:
        return _or_none(lambda: read(QUARANTINE.name, columns=names, settings=place), names)

    return remembered(place, "quarantine", (RAW_TICKS, RAW_BARS, RAW_ACTIONS), (), make)


def _of_newest(place: Settings, table: Table, names: Sequence[str]) -> pd.DataFrame:
    def make() -> pd.DataFrame:
        newest = _newest(place, table)
        if newest is None:
            return _none(names)
        days = sessions_between(newest - timedelta(days=2 * JUDGED), newest)[-JUDGED:]
        return read(table.name, None, days[0], newest, columns=list(names), settings=place)

    return remembered(place, "newest sessions", (table,), (table.path, tuple(names)), make)


def _newest(place: Settings, table: Table) -> date | None:
    """The newest session of a table; None without a row."""

    def make() -> date | None:
        if version(place, table) is None:
            return None
        with answer_of(f"SELECT max(trading_day) FROM {table.name}", place.lake_root, place.universe) as rows:
            ((newest,),) = rows.fetchall()
        found: date | None = newest
        return found

    return remembered(place, "newest", (table,), (table.path,), make)


def remembered(
    place: Settings, what: str, tables: Sequence[Table], about: Hashable, make: Callable[[], Found]
) -> Found:
    """What ``make`` returned for these versions of the tables."""
    versions: Versions = tuple(version(place, table) for table in tables)
    return _rows.get((place.lake_root, what, about, versions), make)


def _or_none(ask: Callable[[], pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    try:
        return ask()
    except PermanentError:
        return _none(names)


def _none(names: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype="object") for name in names})
