"""splits and dividends -> prices and shares in the basis of one day.

Belongs here: the factors of a company's sessions, and applying them to rows as they are read; the warehouse's views
(``2_adjusted_prices.sql``) have the same rule.
Does not belong here: which statement of an action counts (``domain.splits``); nothing adjusted is stored.

A split counts from its ex-date on, a dividend takes its share of the close before the first session from its ex-date on that has
metrics. Actions are those of the row's own vendor where that states any of the company, else of all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from stock_assets.domain.source_names import BUILT_PATTERN
from stock_assets.domain.splits import PRICE_COLUMNS, VOLUME_COLUMNS, Stated, actions_that_count
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.domain.universe import Rename
from stock_assets.lake.as_of import actions_as_of
from stock_assets.lake.engine import literal, type_name
from stock_assets.lake.tables import read_sessions
from stock_assets.reading.companies import company_column

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

Adjusted = Literal["none", "splits", "all"]
CHOICES: tuple[Adjusted, ...] = ("none", "splits", "all")
_ANY = ""


def adjust(
    connection: DuckDBPyConnection,
    rows: str,
    lake_root: str,
    table: Table,
    kind: Adjusted,
    until: date,
    renames: Sequence[Rename],
    symbols: set[str] | None,
    as_of: datetime | None,
) -> str:
    """A query for ``rows``, a view of ``connection``, as seen from ``until``, in the same columns; later rows are left out.

    Args:
        rows: has ``company``, ``source``, ``trading_day``.
        symbols: all that the rows may have; None for any.
        as_of: with what was known then; None for now.
    """
    found = _spans(connection, lake_root, kind, until, renames, symbols, as_of)
    connection.register("adjustment_spans", found)
    names = {name for name in table.names if name in PRICE_COLUMNS}
    cast = {column.name: type_name(column.type) for column in table.columns}
    changed = [f'TRY_CAST(CAST("{n}" AS DOUBLE) * coalesce(a.prices, 1) AS {cast[n]}) AS "{n}"' for n in sorted(names)]
    changed += [
        f'TRY_CAST(CAST("{n}" AS DOUBLE) * coalesce(a.shares, 1) AS {cast[n]}) AS "{n}"'
        for n in sorted(VOLUME_COLUMNS.intersection(table.names))
    ]
    built = literal(BUILT_PATTERN)
    return f"""
        SELECT r.* REPLACE ({", ".join(changed)})
        FROM {rows} r
        LEFT JOIN (SELECT DISTINCT company, vendor FROM adjustment_spans) v
            ON v.company = r.company AND v.vendor = regexp_replace(r.source, {built}, '')
        LEFT JOIN adjustment_spans a
            ON a.company = r.company AND a.vendor = coalesce(v.vendor, {literal(_ANY)})
            AND r.trading_day BETWEEN a.first_day AND a.last_day
        WHERE r.trading_day <= {literal(until)}
    """


def _spans(
    connection: DuckDBPyConnection,
    lake_root: str,
    kind: Adjusted,
    until: date,
    renames: Sequence[Rename],
    symbols: set[str] | None,
    as_of: datetime | None,
) -> pa.Table:
    """company, vendor, first_day, last_day (no day twice), and what prices and shares between them are multiplied by."""
    import pyarrow as pa

    counted = _counted(connection, lake_root, renames, symbols, until, as_of)
    if kind == "all":
        counted = _with_closes_before(connection, lake_root, counted, renames, symbols, as_of)
    spans: list[dict[str, Any]] = []
    of_vendor: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in counted:
        of_vendor[row["company"], row["vendor"]].append(row)
    for (company, vendor), actions in of_vendor.items():
        spans += _of_vendor(company, vendor, actions, kind == "all")
    days = ("first_day", "last_day")
    fields = [("company", pa.string()), ("vendor", pa.string()), *((name, pa.date32()) for name in days)]
    return pa.Table.from_pylist(spans, schema=pa.schema([*fields, ("prices", pa.float64()), ("shares", pa.float64())]))


def _of_vendor(company: str, vendor: str, actions: list[dict[str, Any]], cash_too: bool) -> Iterable[dict[str, Any]]:
    """From the newest span, whose basis is the wanted one, back to the oldest."""
    shares, cash, last = 1.0, 1.0, date.max
    for ex_date in sorted({row["ex_date"] for row in actions}, reverse=True):
        yield _span(company, vendor, ex_date, last, shares, cash)
        for row in (row for row in actions if row["ex_date"] == ex_date):
            if row["kind"] == "split":
                shares *= row["value"]
            elif cash_too and (before := row["previous_close"]) is not None and float(before) > row["value"]:
                cash *= 1 - row["value"] / float(before)
        last = ex_date - timedelta(days=1)
    yield _span(company, vendor, date.min, last, shares, cash)


def _span(company: str, vendor: str, first: date, last: date, shares: float, cash: float) -> dict[str, Any]:
    days = {"first_day": first, "last_day": last}
    return {"company": company, "vendor": vendor, **days, "prices": cash / shares, "shares": shares}


def _counted(
    connection: DuckDBPyConnection,
    lake_root: str,
    renames: Sequence[Rename],
    symbols: set[str] | None,
    until: date,
    as_of: datetime | None,
) -> list[dict[str, Any]]:
    """Per company and vendor that states any the actions up to ``until`` that count, and those for any other vendor."""
    connection.register("stated_actions", actions_as_of(lake_root, as_of))
    company = company_column(renames, day="ex_date")
    stated: dict[str, list[Stated]] = defaultdict(list)
    names = ", ".join(Stated._fields)
    for said, *values in connection.sql(f"SELECT {company}, symbol, {names} FROM stated_actions").fetchall():
        if symbols is None or values[0] in symbols:
            stated[said].append(Stated(*values[1:]))
    return [
        {"company": of, "vendor": vendor, "ex_date": each.ex_date, "kind": each.kind, "value": each.value}
        for of, said in stated.items()
        for vendor in (*sorted({each.source for each in said}), _ANY)
        for each in actions_that_count(said, vendor)
        if each.ex_date <= until
    ]


def _with_closes_before(
    connection: DuckDBPyConnection,
    lake_root: str,
    counted: list[dict[str, Any]],
    renames: Sequence[Rename],
    symbols: set[str] | None,
    as_of: datetime | None,
) -> list[dict[str, Any]]:
    """The actions, each with the close of the session before the one at which it counts; None without."""
    import pyarrow as pa

    if not counted:
        return []
    held = read_sessions(
        lake_root, DAILY_METRICS, ["symbol", "trading_day", "previous_close"], symbols=symbols, as_of=as_of
    )
    connection.register("sessions_priced", held)
    connection.register("counted_actions", pa.Table.from_pylist(counted))
    priced = f"SELECT {company_column(renames)} AS company, trading_day, previous_close FROM sessions_priced"
    rows = connection.sql(f"""
        SELECT a.*, p.previous_close FROM counted_actions a ASOF LEFT JOIN ({priced}) p
        ON p.company = a.company AND a.ex_date <= p.trading_day
    """)
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
