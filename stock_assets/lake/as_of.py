"""raw bars and actions -> what was known of them at an instant.

Belongs here: reading statements with delta-rs, and which of them counted when.
Does not belong here: prices as traded (``domain.splits``, ``spark/vendor_bars``, which has the same rule for whole tables),
and judging what was stated (``quality``).

What counted at an instant is, per source, symbol, interval and bar (a daily one is identified by its session), the
statement with the newest known_at not after it, of those that break no critical rule if there are any. Of equally new ones a final one comes before one that is not, then the
larger open, high, low, close, volume, price basis; null is smallest. Statements equal in all of this say the same. Of
an action (source, symbol, ex-date, kind) the newest counts, of equally new ones the larger value. A vendor's answer that
landed late counts from its known_at on: the question is what the vendor had said, not what was landed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from stock_assets.domain.rules import rules_broken_as_traded
from stock_assets.domain.splits import Stated, actions_that_count, factor_of_statement
from stock_assets.domain.table import Table
from stock_assets.domain.tables import RAW_ACTIONS, RAW_BARS
from stock_assets.lake.arrow_files import file_system
from stock_assets.lake.tables import open_table

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

_BAR = ("source", "symbol", "interval", "trading_day", "start_time")
_BAR_ORDER = ("known_at", "final", "open", "high", "low", "close", "volume", "price_basis")
_ACTION = ("source", "symbol", "ex_date", "kind")
_ACTION_ORDER = ("known_at", "value")
_PASSES = "passes"
_SAID_WHERE = ("topic_id", "kafka_partition", "kafka_offset")
_BAR_COLUMNS = [*_BAR, *_BAR_ORDER, "currency", *_SAID_WHERE]
_ACTION_COLUMNS = [*_ACTION, *_ACTION_ORDER, "currency", *_SAID_WHERE]


@dataclass(frozen=True)
class Statement:
    """One statement of a vendor on one bar.

    Attributes:
        values: the row of RAW_BARS, literals untouched.
        known: whether it had been made at the instant.
        counts: whether it is the one that counted then.
        factor: its prices times this are as traded, by the splits known then.
    """

    values: dict[str, Any]
    known: bool
    counts: bool
    factor: float


def bars_as_of(
    lake_root: str,
    as_of: datetime | None = None,
    symbol: str | None = None,
    first: date = date.min,
    last: date = date.max,
) -> pa.Table:
    """The bar of each source, symbol, interval and time that counted at ``as_of`` (None: now), sorted by these."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    wanted = (ds.field("trading_day") >= first) & (ds.field("trading_day") <= last)
    wanted &= (ds.field("year") >= first.year) & (ds.field("year") <= last.year)
    rows = _read(lake_root, RAW_BARS, _BAR_COLUMNS, wanted, as_of, symbol)
    rows = rows.append_column(_PASSES, _passing(lake_root, rows, as_of))
    daily = pc.equal(rows["interval"], "1d")
    parts = [
        _newest(rows.filter(daily), _BAR[:-1], (_PASSES, *_BAR_ORDER)),
        _newest(rows.filter(pc.invert(daily)), _BAR, (_PASSES, *_BAR_ORDER)),
    ]
    return pa.concat_tables(parts).drop_columns([_PASSES]).sort_by([(name, "ascending") for name in _BAR])


def actions_as_of(lake_root: str, as_of: datetime | None = None, symbol: str | None = None) -> pa.Table:
    """The action of each source, symbol, ex-date and kind that counted at ``as_of`` (None: now), sorted by these."""
    return _newest(_read(lake_root, RAW_ACTIONS, _ACTION_COLUMNS, None, as_of, symbol), _ACTION, _ACTION_ORDER)


def statements(lake_root: str, symbol: str, day: date, interval: str, as_of: datetime | None = None) -> list[Statement]:
    """Every statement on the symbol's bars of a session, by source and bar, oldest first, also those made after ``as_of``."""
    import pyarrow.dataset as ds

    wanted = (ds.field("year") == day.year) & (ds.field("trading_day") == day) & (ds.field("interval") == interval)
    rows = _read(lake_root, RAW_BARS, _BAR_COLUMNS, wanted, None, symbol)
    rows = rows.sort_by([(name, "ascending") for name in (*_BAR, *_BAR_ORDER, *_SAID_WHERE)])
    counting = bars_as_of(lake_root, as_of, symbol, day, day).to_pylist()
    counted = {tuple(row[name] for name in _SAID_WHERE) for row in counting}
    stated = [
        Stated(*(row[name] for name in Stated._fields)) for row in actions_as_of(lake_root, as_of, symbol).to_pylist()
    ]
    return [
        Statement(
            values=row,
            known=as_of is None or row["known_at"] <= as_of,
            counts=tuple(row[name] for name in _SAID_WHERE) in counted,
            factor=_factor(row, stated),
        )
        for row in rows.to_pylist()
    ]


def split_histories(lake_root: str) -> tuple[pa.Table, pa.Table]:
    """Every statement of the bars of symbols that a split is stated of, minutes of split days only; and all actions."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    actions = _read(lake_root, RAW_ACTIONS, _ACTION_COLUMNS, None, None, None)
    splits = actions.filter(pc.equal(actions["kind"], "split"))
    symbols, days = (pc.unique(splits[name]) for name in ("symbol", "ex_date"))
    if not len(symbols):
        return pa.schema([RAW_BARS.arrow_schema().field(name) for name in _BAR_COLUMNS]).empty_table(), actions
    wanted = ds.field("symbol").isin(symbols)
    wanted &= (ds.field("interval") == "1d") | ds.field("trading_day").isin(days)
    return _read(lake_root, RAW_BARS, _BAR_COLUMNS, wanted, None, None), actions


def _read(
    lake_root: str,
    table: Table,
    columns: list[str],
    wanted: ds.Expression | None,
    as_of: datetime | None,
    symbol: str | None,
) -> pa.Table:
    import pyarrow as pa
    import pyarrow.dataset as ds

    handle = open_table(lake_root, table)
    if handle is None:
        return pa.schema([table.arrow_schema().field(name) for name in columns]).empty_table()
    accepted = ds.field("rejected_because").is_null()
    if wanted is not None:
        accepted &= wanted
    if as_of is not None:
        accepted &= ds.field("known_at") <= pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    if symbol is not None:
        accepted &= ds.field("symbol") == symbol
    return handle.to_pyarrow_dataset(filesystem=file_system(handle)).to_table(columns=columns, filter=accepted)


def _passing(lake_root: str, rows: pa.Table, as_of: datetime | None) -> pa.ChunkedArray:
    """Whether each statement breaks no critical rule."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    # Only these can: prices keep their order when they are multiplied and rounded, and have to be positive to be accepted.
    larger = pc.min_element_wise(rows["open"], rows["close"])
    smaller = pc.max_element_wise(rows["open"], rows["close"])
    suspect = pc.or_(pc.less(rows["high"], pc.max_element_wise(smaller, rows["low"])), pc.less(larger, rows["low"]))
    passes = np.ones(rows.num_rows, np.bool_)
    places = np.flatnonzero(pc.fill_null(suspect, False).to_numpy(zero_copy_only=False))
    if len(places):
        stated: dict[str, list[Stated]] = defaultdict(list)
        for action in actions_as_of(lake_root, as_of).to_pylist():
            stated[action["symbol"]].append(Stated(*(action[name] for name in Stated._fields)))
        for place, row in zip(places, rows.take(places).to_pylist(), strict=True):
            passes[place] = not rules_broken_as_traded(row, _factor(row, stated[row["symbol"]]))
    return pa.chunked_array([pa.array(passes)])


def _factor(row: dict[str, Any], stated: list[Stated]) -> float:
    """What the row's prices must be multiplied by to be as traded."""
    counting = actions_that_count(stated, row["source"])
    return factor_of_statement(counting, row["price_basis"], row["trading_day"], row["known_at"])


def _newest(rows: pa.Table, key: tuple[str, ...], order: tuple[str, ...]) -> pa.Table:
    """The first row of each key when the rest is sorted descending, nulls last; offsets choose among equals."""
    import numpy as np
    import pyarrow as pa

    ordered = rows.sort_by(
        [(name, "ascending") for name in key] + [(name, "descending") for name in (*order, *_SAID_WHERE)]
    )
    repeated = ordered.select(list(key)).to_pandas().duplicated().to_numpy(np.bool_)
    return ordered.filter(pa.array(~repeated))
