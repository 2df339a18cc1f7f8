"""a question, the lake -> its answer as Arrow.

Belongs here: the order in which an answer is made: rows, then adjusted, then summed up.
Does not belong here: what may be asked (``question``), and the rules themselves (``adjusted``, ``companies``, ``lake.longer_bars``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stock_assets.domain.stocks import RENAMES, STOCKS
from stock_assets.domain.table import Table
from stock_assets.domain.tables import RAW_BARS
from stock_assets.lake.as_of import actions_as_of, bars_as_of
from stock_assets.lake.engine import connect
from stock_assets.lake.longer_bars import LONGER_DAYS, LONGER_MINUTES, PARTS, sum_minutes, sum_sessions
from stock_assets.lake.tables import of_sessions
from stock_assets.reading.adjusted import adjust
from stock_assets.reading.companies import company_column, names_of, refuse_unknown, rows_of
from stock_assets.reading.opened import declared, opened
from stock_assets.reading.question import Question
from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from duckdb import DuckDBPyConnection


def answer(asked: Question, settings: Settings) -> pa.Table:
    """The rows that ``read`` promises.

    Raises:
        PermanentError: the table does not exist yet, or has no row of a symbol.
    """
    import pyarrow as pa

    source = _known(asked, settings) if asked.of_statements else _stored(asked, settings, asked.names or None)
    shape = _shape(asked, source.schema)
    rows = _rows(asked, source, shape, settings)
    with connect() as connection:
        connection.register("stored", rows)
        in_sessions = {"symbol", "trading_day"} <= set(shape.names)
        company = company_column(asked.renames) if in_sessions else "NULL"
        connection.execute(
            f"CREATE TEMP VIEW given AS SELECT *, {company} AS company FROM (SELECT {declared(shape, rows.schema)} FROM stored)"
        )
        view = "given"
        if asked.adjusted != "none":
            symbols = None if asked.companies is None else asked.names
            query = adjust(
                connection,
                view,
                settings.lake_root,
                shape,
                asked.adjusted,
                asked.until,
                asked.renames,
                symbols,
                asked.as_of,
            )
            connection.execute(f"CREATE TEMP VIEW adjusted AS {query}")
            view = "adjusted"
        if asked.size is not None:
            return _longer(connection, view, asked, settings.market.bar_sources)
        order = ["company", "trading_day"] if in_sessions else []
        order += [key for key in asked.table.key if key in shape.names and key != "trading_day"]
        wanted = [name for name in shape.names if asked.columns is None or name in asked.columns]
        columns = ", ".join(f'"{name}"' for name in wanted)
        found = connection.sql(f"SELECT {columns} FROM {view} ORDER BY {', '.join(order)}").to_arrow_table()
        fields = _nullable(shape)
        return found.cast(pa.schema([fields.field(name) for name in wanted]))


def _longer(connection: DuckDBPyConnection, view: str, asked: Question, bar_sources: Sequence[str]) -> pa.Table:
    assert asked.size is not None
    connection.execute(
        f"CREATE TEMP VIEW parts AS SELECT * EXCLUDE (company) REPLACE (company AS symbol), symbol AS traded_as FROM {view}"
    )
    if asked.size.unit == "minutes":
        minutes = sum_minutes(connection, "parts", asked.size, bar_sources, asked.phases)
        return minutes.to_arrow_table().cast(_nullable(LONGER_MINUTES))
    sessions = sum_sessions(connection, "parts", asked.size, bar_sources)
    return sessions.to_arrow_table().cast(_nullable(LONGER_DAYS))


def _shape(asked: Question, stored: pa.Schema) -> Table:
    """The table with the columns alone that are read."""
    wanted: Sequence[str] = stored.names if asked.of_statements else asked.table.names
    if asked.size is not None:
        wanted = PARTS["minutes" if asked.size.unit == "minutes" else "sessions"]
    elif asked.columns is not None:
        told = {
            *asked.columns,
            *asked.table.key,
            "symbol",
            "trading_day",
            "source",
        }  # by these rows are chosen and adjusted
        wanted = [name for name in wanted if name in told]
    columns = tuple(column for column in asked.table.columns if column.name in wanted)
    return replace(asked.table, columns=columns)


def _stored(asked: Question, settings: Settings, symbols: Collection[str] | None) -> ds.Dataset:
    """What there is of the table; with symbols, no more of it than may hold the rows that are wanted of them."""
    return opened(settings.lake_root, settings.universe, asked.table, asked.as_of, symbols, _of_range(asked))


def _of_range(asked: Question) -> ds.Expression | None:
    return of_sessions(asked.table, asked.start, asked.end) if asked.bounded and not asked.of_statements else None


def _rows(asked: Question, source: ds.Dataset, shape: Table, settings: Settings) -> ds.Dataset | pa.Table:
    """What is wanted of the source: of given symbols in memory, of all of them read as the answer goes on."""
    wanted = _of_range(asked)
    if asked.companies is None:
        return source if wanted is None else source.filter(wanted)
    chosen = _of_symbols(asked)
    names = [name for name in shape.names if name in source.schema.names]
    found = source.to_table(columns=names, filter=chosen if wanted is None else wanted & chosen)
    seen = set(found["symbol"].unique().to_pylist())
    of = {symbol: names_of(company, asked.renames) | {symbol} for symbol, company in asked.companies.items()}
    if missing := {symbol: former for symbol, former in of.items() if former.isdisjoint(seen)}:
        every = source if asked.of_statements else _stored(asked, settings, None)
        known = {*every.to_table(columns=["symbol"])["symbol"].unique().to_pylist()} - {None}
        for symbol, former in missing.items():
            refuse_unknown(symbol, former, known, asked.table)
    return found


def _of_symbols(asked: Question) -> ds.Expression:
    import pyarrow.dataset as ds

    companies = list(dict.fromkeys((asked.companies or {}).values()))
    if asked.table is STOCKS:
        return ds.field("present_symbol").isin(companies)
    if asked.table is RENAMES:
        return ds.field("symbol").isin(sorted(asked.names))
    return rows_of(companies, asked.renames)


def _known(asked: Question, settings: Settings) -> ds.Dataset:
    """The statements that counted at an instant, of the range's sessions."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    if asked.table is RAW_BARS:
        return ds.dataset(bars_as_of(settings.lake_root, asked.as_of, None, asked.start, asked.end))
    rows = actions_as_of(settings.lake_root, asked.as_of)
    rows = rows.append_column("trading_day", rows["ex_date"])
    return ds.dataset(rows.filter((pc.field("ex_date") >= asked.start) & (pc.field("ex_date") <= asked.end)))


def _nullable(shape: Table) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([field.with_nullable(True) for field in shape.arrow_schema()])
