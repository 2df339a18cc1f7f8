"""files of bars, CSV or Parquet -> daily and minute bars.

Belongs here: reading files that others wrote: Alpha Vantage's, Yahoo's, Stooq's, or with columns that the caller names.
Does not belong here: recordings with ticks (``recording``), asking a vendor, publishing.

Instants without a zone are New York's. Files do not say when they were fetched: an as-traded bar is known once its session
is over, a split-adjusted one as of a moment that the caller gives, or else when the file was written.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TextIO

from stock_assets.domain.errors import BadRecord, PermanentError, StockAssetsError
from stock_assets.domain.messages import Bar, encode, instant
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, EXCHANGE_ZONE, session
from stock_assets.domain.shares import read_shares
from stock_assets.settings.vendors import BarLabels
from stock_assets.sources.bar_file_columns import find_columns
from stock_assets.sources.bar_labels import MINUTE, opening_votes, start_of

SUFFIXES = (".csv", ".txt", ".parquet")
SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9.^=/_-]{0,23}")
Basis = Literal["as_traded", "split_adjusted"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """What a caller knows of the files; ``None`` is for finding it out.

    Attributes:
        columns: what is held -> column, for headers of no known spelling.
        symbol: of all rows; else the column's, else the file's name.
        day_format: as of ``strptime``; else ISO 8601, or YYYYMMDD.
        labels: which end of its minute a label means; else what the opening volume proves.
        basis: else split-adjusted if there is a column of adjusted closes, as Yahoo's files have, and otherwise as traded.
        fetched_at: when split-adjusted prices were taken from the vendor; else when the file was written.
    """

    source: str = "csv"
    columns: Mapping[str, str] = field(default_factory=dict)
    symbol: str | None = None
    day_format: str | None = None
    labels: BarLabels | None = None
    basis: Basis | None = None
    fetched_at: datetime | None = None


@dataclass
class BarFile:
    """One file, its bars, and once they were read, which rows could not be taken and why."""

    path: Path
    reading: Reading
    refused: list[str] = field(default_factory=list)
    unreadable: bool = False

    def bars(self) -> Iterator[Bar]:
        """Bars in the file's order; a row that cannot be taken is told in ``refused``.

        Raises:
            BadRecord: the header lacks a column.
            PermanentError: the file cannot be read, holds bars of another size, or does not say what its labels mean.
        """
        columns = self._columns()
        interval, labels = self._size(columns)
        basis = self.reading.basis or ("split_adjusted" if "adj_close" in columns else "as_traded")
        fetched_at = self.reading.fetched_at or datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        for number, row in self._rows():
            try:
                label = self._label(row, columns)
                bar = self._bar(row, columns, label, interval, labels, basis, fetched_at)
                encode(bar)
            except (ValueError, TypeError, OverflowError, StockAssetsError) as broken:
                self.refused.append(f"{self.path.name} line {number}: {broken}")
                continue
            yield bar

    def _bar(
        self,
        row: Row,
        columns: Mapping[str, str],
        label: datetime,
        interval: Literal["1d", "1m"],
        labels: BarLabels,
        basis: Basis,
        fetched_at: datetime,
    ) -> Bar:
        day = label.date()
        held = session(day)
        over = held.close_time + CLOSING_PRINT_GRACE
        known_at = over if basis == "as_traded" else fetched_at
        return Bar(
            symbol=self._symbol(row, columns),
            interval=interval,
            trading_day=day,
            start_time=instant(held.open_time if interval == "1d" else start_of(label, labels)),
            open=_number(row, columns["open"]),
            high=_number(row, columns["high"]),
            low=_number(row, columns["low"]),
            close=_number(row, columns["close"]),
            volume=_volume(row, columns.get("volume")),
            currency="USD",
            price_basis=basis,
            final=min(known_at, datetime.now(UTC)) >= over,
            source=self.reading.source,
            known_at=instant(min(known_at, datetime.now(UTC))),
            adj_close=_number(row, columns["adj_close"]) if "adj_close" in columns else None,
        )

    def _columns(self) -> dict[str, str]:
        if self.path.suffix == ".parquet":
            import pyarrow.parquet as pq

            try:
                header = pq.read_schema(self.path).names
            except (OSError, ValueError) as broken:
                raise PermanentError(f"{self.path.name} is no Parquet file: {str(broken).splitlines()[0]}") from None
        else:
            with self._lines() as lines:
                try:
                    header = next(csv.reader(lines), [])
                except csv.Error as broken:
                    raise PermanentError(f"{self.path.name} line 1: {broken}") from None
        return find_columns(self.path.name, header, self.reading.columns)

    def _lines(self) -> TextIO:
        # what is not UTF-8 becomes a cell that is no number, and its row is refused by name
        return self.path.open(newline="", encoding="utf-8-sig", errors="replace")

    def _rows(self) -> Iterator[tuple[int, Row]]:
        """Rows with the number of their line, or of the row in a Parquet file."""
        if self.path.suffix == ".parquet":
            import pyarrow.parquet as pq

            number = 0
            for batch in pq.ParquetFile(self.path).iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
            return
        with self._lines() as lines:
            rows = csv.DictReader(lines)
            try:
                for row in rows:
                    yield rows.line_num, row
            except csv.Error as broken:
                raise PermanentError(f"{self.path.name} line {rows.line_num}: {broken}") from None

    def _size(self, columns: Mapping[str, str]) -> tuple[Literal["1d", "1m"], BarLabels]:
        """The bars' size, and what labels of minutes mean."""
        volumes: dict[datetime, float] = {}
        first = ""
        for _, row in self._rows():
            try:
                label, symbol = self._label(row, columns), self._symbol(row, columns)
                volume = _volume(row, columns.get("volume")) or 0
            except (ValueError, TypeError, OverflowError, BadRecord):
                continue
            first = first or symbol
            if symbol == first:
                if not volumes and label.time() == time():
                    return "1d", "start"
                volumes[label] = volume
        steps = [after - before for before, after in pairwise(sorted(volumes)) if after.date() == before.date()]
        if steps and (step := min(steps)) != MINUTE:
            raise PermanentError(
                f"{self.path.name} has bars of {step / timedelta(minutes=1):g} minutes; those of a day and of one minute are taken"
            )
        labels = self.reading.labels
        if volumes and labels is None:
            votes = opening_votes(volumes)
            if len(votes) != 1:
                raise PermanentError(
                    f"{self.path.name} does not show whether its labels are the start or the end of each minute: give --labels"
                )
            (labels,) = votes
        return "1m", labels or "start"

    def _label(self, row: Row, columns: Mapping[str, str]) -> datetime:
        """Exchange-local; midnight is for a day."""
        said = row[columns["day"]]
        if isinstance(said, datetime):
            label = said
        elif isinstance(said, date):
            label = datetime.combine(said, time())
        elif self.reading.day_format is not None:
            label = datetime.strptime(str(said), self.reading.day_format)
        else:
            try:
                label = datetime.fromisoformat(str(said).strip())
            except ValueError:
                raise BadRecord(f"{columns['day']} {said!r} is not YYYY-MM-DD: give --day-format") from None
        if "time" in columns and label.time() == time():
            label = datetime.combine(label.date(), time.fromisoformat(str(row[columns["time"]]).strip()))
        if label.tzinfo is None or label.time() == time():
            return label.replace(tzinfo=EXCHANGE_ZONE)
        return label.astimezone(EXCHANGE_ZONE)

    def _symbol(self, row: Row, columns: Mapping[str, str]) -> str:
        if self.reading.symbol is not None:
            said = self.reading.symbol
        elif "symbol" in columns:
            said = str(row[columns["symbol"]])
        else:
            said = re.sub(r"_(daily|1min|1d|1m)$", "", self.path.stem)
        symbol = said.strip().upper().removesuffix(".US")
        if not SYMBOL.fullmatch(symbol):
            raise BadRecord(f"{said!r} is no symbol: give --symbol")
        return symbol


def bar_files(path: Path, reading: Reading) -> list[BarFile]:
    """The file, or those of the folder, by name.

    Raises:
        PermanentError: there is none.
    """
    found = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES) if path.is_dir() else [path]
    if not found:
        raise PermanentError(f"{path} holds no file of bars: none ends in {', '.join(SUFFIXES)}")
    return [BarFile(each, reading) for each in found]


def _number(row: Row, column: str) -> float:
    said = row[column]
    try:
        return float(said)
    except (ValueError, TypeError):
        raise BadRecord(f"{column} {said!r} is no number") from None


def _volume(row: Row, column: str | None) -> float | None:
    said = row[column] if column is not None else None
    if said is None or said == "":
        return None
    try:
        return read_shares(str(said))
    except ValueError:
        raise BadRecord(f"{column} {said!r} is no number of shares") from None
