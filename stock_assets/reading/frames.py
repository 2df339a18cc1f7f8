"""a question about a table -> its answer as pandas or Arrow: ``stock_assets.read``.

Belongs here: the one function that programs, notebooks, commands and pages read by, and its reference.
Does not belong here: what may be asked (``question``), how it is answered (``answer``), SQL (``sql``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, cast, overload

from stock_assets.reading.adjusted import Adjusted
from stock_assets.reading.answer import answer
from stock_assets.reading.question import Day, Instant, Question
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_UNIT = Decimal(10**6)
"""Prices and shares have six decimals."""
_ONE_WORD = 18
"""Digits that fit into the lower of the two words in which Arrow stores a decimal."""


@overload
def read(
    table: str,
    symbols: str | Collection[str] | None = ...,
    start: Day | None = ...,
    end: Day | None = ...,
    *,
    adjusted: Adjusted = ...,
    adjusted_to: Day | None = ...,
    as_of: Instant | None = ...,
    every: str | None = ...,
    phases: Sequence[str] = ...,
    columns: Sequence[str] | None = ...,
    as_arrow: Literal[False] = ...,
    settings: Settings | None = ...,
) -> pd.DataFrame: ...
@overload
def read(
    table: str,
    symbols: str | Collection[str] | None = ...,
    start: Day | None = ...,
    end: Day | None = ...,
    *,
    adjusted: Adjusted = ...,
    adjusted_to: Day | None = ...,
    as_of: Instant | None = ...,
    every: str | None = ...,
    phases: Sequence[str] = ...,
    columns: Sequence[str] | None = ...,
    as_arrow: Literal[True],
    settings: Settings | None = ...,
) -> pa.Table: ...
def read(
    table: str,
    symbols: str | Collection[str] | None = None,
    start: Day | None = None,
    end: Day | None = None,
    *,
    adjusted: Adjusted = "none",
    adjusted_to: Day | None = None,
    as_of: Instant | None = None,
    every: str | None = None,
    phases: Sequence[str] = ("regular",),
    columns: Sequence[str] | None = None,
    as_arrow: bool = False,
    settings: Settings | None = None,
) -> pd.DataFrame | pa.Table:
    """Rows of one of the lake's tables, ascending by company, session and key; never one that a check refused.

    ``read("daily_metrics", "NVDA", "2024-06-03", "2024-06-14", adjusted="splits")``

    Args:
        table: ``daily_metrics`` (or ``metrics``), ``daily_bars``, ``minute_bars``, ``ticks``, ``bars``, ``actions``, ``availability``
            and the others of ``domain.catalog.READABLE``.
        symbols: one or several; None for all. A renamed company has one history, whichever of its symbols is asked for: META over
            2022 begins with FB's rows, which keep the symbol they were traded under.
        start, end: first and last session, both included, as dates or YYYY-MM-DD; None for no bound.
        adjusted: ``none``: prices and shares as traded; ``splits``: those of ``adjusted_to``; ``all``: prices less dividends, too,
            as a vendor's adjusted close. Figures that look back (averages, previous close) take the factor of their own session.
            For minute_bars, daily_bars and daily_metrics.
        adjusted_to: the day whose shares are the unit; today's in New York when None. Later rows are left out.
        as_of: an instant, UTC unless it says otherwise. For bars and actions what vendors had said by then: of each the statement that
            counted, however late it was landed. For other tables what a reader would have got then, as far back as replaced files are
            kept (a week at least). ``adjusted`` counts what was known, and in the shares of that day unless ``adjusted_to`` says another.
        every: sums up: minutes of a session (``5min``, ``65min``, ``1h``) from minute_bars, counted from the session's open, the last
            one shorter; ``1w``, ``1mo``, ``3mo`` from daily_bars, labelled with their first session. Each bar is of one source
            (BAR_SOURCES), and ``symbol`` is the company's present one. A bar across a split wants ``adjusted``.
        phases: of ``every`` within a session: regular, pre, post, overnight. No bar crosses from one into another.
        columns: of the table, in its order; all of them when None. What is not asked for is not read. Not together with ``every``.
        as_arrow: an Arrow table, with exact decimals, instead of a frame, whose prices and shares are floats.
        settings: where the lake is; those of the environment and ``.env`` when None.

    Returns:
        the table's columns, or those asked for (``every``: those of ``lake.longer_bars``); instants in UTC; no rows when there are none in the range.

    Raises:
        PermanentError: table, symbol, day or a choice is unknown, or the table cannot answer it; the text says what it can.
        ServiceUnavailable: the lake's store does not answer.
    """
    settings = load_and_export() if settings is None else settings
    asked = Question.of(table, symbols, start, end, adjusted, adjusted_to, as_of, every, phases, columns, settings)
    found = answer(asked, settings)
    return found if as_arrow else _frame(found)


def _frame(rows: pa.Table) -> pd.DataFrame:
    """Prices and shares as floats, days as datetimes: what pandas computes with."""
    import pyarrow as pa

    for place, field in enumerate(rows.schema):
        if pa.types.is_decimal(field.type):
            rows = rows.set_column(place, field.name, _floats(rows[field.name]))
        elif pa.types.is_string(field.type):
            rows = rows.set_column(place, field.name, _copied(rows[field.name]))
    return cast("pd.DataFrame", rows.to_pandas(date_as_object=False))


def _copied(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """A copy: pandas would reference the buffers of DuckDB's result and keep all its columns alive, three times the frame's own size."""
    import pyarrow as pa

    return pa.chunked_array([pa.concat_arrays([*texts.chunks, pa.nulls(0, texts.type)])])


def _floats(decimals: pa.ChunkedArray) -> pa.ChunkedArray:
    """The nearest floats; Arrow's own cast makes 120.88799999999999 of 120.888."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(decimals) and decimals.type.precision <= _ONE_WORD:
        stored = decimals.combine_chunks()
        words = np.frombuffer(stored.buffers()[1], np.int64)[2 * stored.offset :][: 2 * len(stored) : 2]
        return pa.chunked_array([pa.array(words / float(_UNIT), mask=stored.is_null().to_numpy(zero_copy_only=False))])
    whole = pc.multiply(decimals, pa.scalar(_UNIT)).cast(pa.decimal128(38, 0)).cast(pa.float64())
    return pc.divide(whole, float(_UNIT))
