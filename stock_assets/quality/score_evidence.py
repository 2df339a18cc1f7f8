"""rows of availability, reconciliation and daily bars -> what a score is made of.

Belongs here: which row is evidence of what. Rows come in as they are read, by whoever reads them.
Does not belong here: reading, and what the evidence is worth (``score``).

Records are counted as the availability counted them, and the trades of bars built from ticks: of a session that has a bar,
availability counts no ticks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from stock_assets.quality.score import SessionEvidence

Row = Mapping[str, Any]
Cell = tuple[str, date]
AVAILABILITY_COLUMNS = ("symbol", "trading_day", "availability", "inputs")
RECONCILIATION_COLUMNS = ("symbol", "trading_day", "verdict")
BAR_COLUMNS = ("symbol", "trading_day", "trade_count", "final")


def evidence_by_symbol(
    availability: Iterable[Row], reconciliation: Iterable[Row], bars: Iterable[Row], withheld: Iterable[Row] = ()
) -> dict[str, list[SessionEvidence]]:
    """Per symbol the evidence of each session that was judged for availability, by day.

    Args:
        availability: columns ``AVAILABILITY_COLUMNS``.
        reconciliation: columns ``RECONCILIATION_COLUMNS``.
        bars: daily bars that readers see, columns ``BAR_COLUMNS``.
        withheld: symbol and trading_day of the daily bars that are withheld.
    """
    verdicts = _by_cell(reconciliation)
    seen, kept_back = _by_cell(bars), _by_cell(withheld)
    found: dict[str, list[SessionEvidence]] = defaultdict(list)
    for row in sorted(availability, key=lambda row: (row["symbol"], row["trading_day"])):
        cell = row["symbol"], row["trading_day"]
        of_cell = seen.get(cell, ())
        found[row["symbol"]].append(_evidence(row, verdicts.get(cell, ()), of_cell, len(kept_back.get(cell, ()))))
    return dict(found)


def _evidence(row: Row, verdicts: Collection[Row], bars: Collection[Row], withheld: int) -> SessionEvidence:
    told = _inputs(str(row["inputs"] or ""))
    accepted = _number(told, "statements") + _number(told, "ticks") + sum(bar["trade_count"] or 0 for bar in bars)
    refused = _number(told, "rejected") + _number(told, "lost")
    agreed = sum(verdict["verdict"] == "agreed" for verdict in verdicts)
    compared = agreed + sum(verdict["verdict"] == "disagree" for verdict in verdicts)
    over = told.get("session") == "over"
    return SessionEvidence(
        day=row["trading_day"],
        expected=row["availability"] != "empty",
        overdue=row["availability"] == "missing",
        accepted=accepted / (accepted + refused) if accepted + refused else None,
        agreement=agreed / compared if compared else None,
        rules=len(bars) / (len(bars) + withheld) if bars or withheld else None,
        final=any(bar["final"] for bar in bars) if bars and over else None,
    )


def _by_cell(rows: Iterable[Row]) -> dict[Cell, list[Row]]:
    found: dict[Cell, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["symbol"], row["trading_day"]].append(row)
    return found


def _inputs(text: str) -> dict[str, str]:
    """``bars=2 rejected=1 session=over`` by name."""
    return dict(part.split("=", 1) for part in text.split() if "=" in part)


def _number(told: Mapping[str, str], name: str) -> int:
    text = told.get(name, "0")
    return int(text) if text.isdecimal() else 0
