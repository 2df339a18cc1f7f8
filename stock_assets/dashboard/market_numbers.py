"""rows of the last sessions -> what the market page shows.

Belongs here: cards, breadth, movers, sectors: computed from rows alone.
Does not belong here: reading (``data``), drawing (``market``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from stock_assets.dashboard.figures import absent, records

if TYPE_CHECKING:
    import pandas as pd

NO_SECTOR = "no sector known"


@dataclass(frozen=True)
class Card:
    """A symbol on the newest session it has.

    Attributes:
        change: percent of the previous close; None for a first session.
        state: ``current``, ``stale`` (the market has a newer session), ``partial`` or ``withheld``.
        words: what the state means here; empty for a current one.
        closes: of the last sessions, oldest first, in the newest session's shares.
    """

    symbol: str
    name: str
    sector: str
    day: str
    close: float
    change: float | None
    volume: float | None
    state: str
    words: str
    closes: list[float]

    def payload(self) -> dict[str, Any]:
        """For the page's script."""
        return asdict(self)


@dataclass(frozen=True)
class Breadth:
    """How many symbols of the newest session did what; shares are of those for which it is known, None when it is of none."""

    symbols: int
    rose: int
    fell: int
    unchanged: int
    median_change: float | None
    above_50: float | None
    above_200: float | None
    highs: int
    lows: int


def cards(
    rows: pd.DataFrame, stocks: pd.DataFrame, availability: pd.DataFrame, withheld: list[dict[str, Any]]
) -> list[Card]:
    """A card per symbol, by symbol."""
    if rows.empty:
        return []
    newest = rows["trading_day"].max()
    known = stocks.set_index("symbol").to_dict("index")
    judged = {
        (row["symbol"], row["trading_day"]): (row["availability"], row["because"]) for row in records(availability)
    }
    kept_back = {row["symbol"]: row["trading_day"] for row in withheld}
    found = []
    columns = ("symbol", "trading_day", "close", "change_percent", "volume")
    ordered = rows.sort_values(["symbol", "trading_day"])
    each = zip(
        *(ordered[name].tolist() for name in columns), strict=True
    )  # a frame for each symbol would cost a second
    for symbol, own in groupby(each, key=itemgetter(0)):
        sessions = list(own)
        _, day, close, change, volume = sessions[-1]
        state, words = _state(str(symbol), day, newest, judged, kept_back)
        about = known.get(symbol, {})
        found.append(
            Card(
                symbol=str(symbol),
                name=_known(about.get("name")),
                sector=_known(about.get("sector")) or NO_SECTOR,
                day=f"{day:%Y-%m-%d}",
                close=float(close),
                change=_number(change),
                volume=_number(volume),
                state=state,
                words=words,
                closes=[round(float(session[2]), 4) for session in sessions],
            )
        )
    return found


def _state(
    symbol: str,
    day: pd.Timestamp,
    newest: pd.Timestamp,
    judged: dict[tuple[str, Any], tuple[str, str]],
    kept_back: dict[str, date],
) -> tuple[str, str]:
    if symbol in kept_back and kept_back[symbol] > day.date():
        return "withheld", f"its row of {kept_back[symbol]} is withheld"
    if day < newest:
        return "stale", f"last seen {day:%Y-%m-%d}"
    verdict, because = judged.get((symbol, day), ("available", ""))
    return (verdict, because) if verdict in ("partial", "degraded") else ("current", "")


def of_newest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the newest session."""
    return rows if rows.empty else rows[rows["trading_day"] == rows["trading_day"].max()]


def breadth(rows: pd.DataFrame) -> Breadth:
    """Of the newest session's rows."""
    change = rows["change_percent"].dropna()
    return Breadth(
        symbols=len(rows),
        rose=int((change > 0).sum()),
        fell=int((change < 0).sum()),
        unchanged=int((change == 0).sum()),
        median_change=float(change.median()) if len(change) else None,
        above_50=_share(rows["close"], rows["sma_50"]),
        above_200=_share(rows["close"], rows["sma_200"]),
        highs=int((rows["high"] >= rows["high_52_week"]).sum()),
        lows=int((rows["low"] <= rows["low_52_week"]).sum()),
    )


def movers(of_symbols: list[Card], count: int) -> tuple[list[Card], list[Card]]:
    """The cards that rose most, and those that fell most; symbols that are not of the newest session do not count."""
    moved = [card for card in of_symbols if card.change is not None and card.state != "stale"]
    by_change = sorted(moved, key=lambda card: (card.change or 0.0, card.symbol))
    fell = [card for card in by_change if (card.change or 0.0) < 0][:count]
    rose = [card for card in reversed(by_change) if (card.change or 0.0) > 0][:count]
    return rose, fell


def _share(values: pd.Series[Any], of: pd.Series[Any]) -> float | None:
    known = of.notna()
    return float((values[known] > of[known]).mean()) if known.any() else None


def _number(value: Any) -> float | None:
    return None if absent(value) else float(value)


def _known(value: Any) -> str:
    return "" if absent(value) or value == "unknown" else str(value)
