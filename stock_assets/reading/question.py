"""arguments of ``read`` -> a question that its table can answer.

Belongs here: what each argument may be, what may be asked of which table, and the sentence for what may not.
Does not belong here: answering (``answer``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from stock_assets.domain.bar_sizes import BarSize, bar_size
from stock_assets.domain.catalog import QUARANTINE, table_named
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.sessions import EXCHANGE_ZONE, PHASES
from stock_assets.domain.stocks import STOCKS
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DERIVED_TABLES, MINUTE_BARS, RAW_ACTIONS, RAW_BARS
from stock_assets.domain.universe import Rename, renames_of
from stock_assets.reading.adjusted import CHOICES, Adjusted
from stock_assets.reading.companies import company_of, names_of
from stock_assets.settings.platform import Settings

Day = date | str
Instant = datetime | str


@dataclass(frozen=True)
class Question:
    """What ``read`` is asked, checked.

    Attributes:
        companies: the company of each symbol that was asked for; None for all symbols.
        bounded: whether only a range of sessions is wanted.
        until: the day whose shares are the unit of adjusted prices.
        size: of the bars to sum up to; None for rows as they are.
        columns: what is wanted of a row; None for all of it.
        renames: what makes one company of several symbols.
    """

    table: Table
    companies: Mapping[str, str] | None
    start: date
    end: date
    bounded: bool
    adjusted: Adjusted
    until: date
    as_of: datetime | None
    size: BarSize | None
    phases: Sequence[str]
    columns: Sequence[str] | None
    renames: Sequence[Rename]

    @classmethod
    def of(
        cls,
        table: str,
        symbols: str | Collection[str] | None,
        start: Day | None,
        end: Day | None,
        adjusted: Adjusted,
        adjusted_to: Day | None,
        as_of: Instant | None,
        every: str | None,
        phases: Sequence[str],
        columns: Sequence[str] | None,
        settings: Settings,
    ) -> Question:
        """The question that these arguments of ``read`` are.

        Raises:
            PermanentError: an argument cannot be read, or the table cannot answer it.
        """
        named = [symbols] if isinstance(symbols, str) else symbols
        if adjusted_to is not None and adjusted == "none":
            raise PermanentError("adjusted_to says of which day; say what for with adjusted, splits or all.")
        instant = None if as_of is None else _instant(as_of)
        asked = cls(
            table=table_named(table),
            companies=None if named is None else {symbol: company_of(symbol, settings.universe) for symbol in named},
            start=_day(start, date.min),
            end=_day(end, date.max),
            bounded=start is not None or end is not None,
            adjusted=adjusted,
            until=_day(adjusted_to, (instant or datetime.now(UTC)).astimezone(EXCHANGE_ZONE).date()),
            as_of=instant,
            size=None if every is None else bar_size(every),
            phases=phases,
            columns=columns,
            renames=renames_of(settings.universe),
        )
        asked._check_rows()
        asked._check_figures()
        return asked

    @property
    def of_statements(self) -> bool:
        """Whether vendors' statements are to be chosen from by when they were made, not versions of a table."""
        return self.as_of is not None and self.table in (RAW_BARS, RAW_ACTIONS)

    @property
    def names(self) -> set[str]:
        """Every symbol under which the companies ever traded; none when all symbols are wanted."""
        return {name for company in (self.companies or {}).values() for name in names_of(company, self.renames)}

    def _check_rows(self) -> None:
        name = self.table.name
        if self.start > self.end:
            raise PermanentError(f"The range begins on {self.start}, after its end on {self.end}.")
        if self.companies is not None and "symbol" not in self.table.names:
            raise PermanentError(f"{name} has no symbols to choose from.")
        if self.companies is not None and not self.companies:
            raise PermanentError("An empty list names no symbol; leave symbols out to read all of them.")
        if self.bounded and "trading_day" not in self.table.names:
            raise PermanentError(f"{name} has no sessions to choose from: leave start and end out.")
        if self.as_of is not None and self.table in (QUARANTINE, STOCKS):
            raise PermanentError(
                f"{name} cannot be read as of an instant: it is no table that is kept, but put together from others as they are now."
            )

    def _check_figures(self) -> None:
        name = self.table.name
        unknown_columns = [each for each in self.columns or () if each not in self.table.names]
        if unknown_columns or (self.columns is not None and not self.columns):
            raise PermanentError(
                f"{name} has no column {', '.join(unknown_columns) or 'of no name'}; it has {', '.join(self.table.names)}."
            )
        if self.columns is not None and self.size is not None:
            raise PermanentError("Longer bars have columns of their own: leave columns out, or every.")
        if self.adjusted not in CHOICES:
            raise PermanentError(f"Prices are adjusted for {', '.join(CHOICES)}, not {self.adjusted!r}.")
        if self.adjusted != "none" and self.table not in DERIVED_TABLES:
            derived = ", ".join(each.name for each in DERIVED_TABLES)
            raise PermanentError(f"{name} cannot be adjusted: {derived} can.")
        if self.size is not None:
            parts = MINUTE_BARS if self.size.unit == "minutes" else DAILY_BARS
            if self.table is not parts:
                raise PermanentError(f"Bars of that size are made of {parts.name}, not of {name}.")
        unknown = [phase for phase in self.phases if phase not in PHASES]
        if unknown or not self.phases:
            raise PermanentError(
                f"The phases of a session are {', '.join(PHASES)}, not {', '.join(unknown) or 'none'}."
            )


def _day(given: Day | None, otherwise: date) -> date:
    if given is None:
        return otherwise
    if isinstance(given, date):
        return given.date() if isinstance(given, datetime) else given
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise PermanentError(f"{given!r} is not a day; write YYYY-MM-DD.") from None


def _instant(given: Instant) -> datetime:
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        raise PermanentError(f"{given!r} is not an instant; write YYYY-MM-DDTHH:MM.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
