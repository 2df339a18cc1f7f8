"""calendar, universe, lake -> quality/availability.

Belongs here: collecting the evidence of each symbol and session, and the rows that come of it.
Does not belong here: the rules (``domain.availability``) and when they are applied (``state``, ``defs``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from stock_assets.domain import sessions
from stock_assets.domain.availability import Evidence, Phase, judge
from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.tables import DAILY_BARS, RAW_BARS, RAW_TICKS
from stock_assets.domain.universe import is_simulated
from stock_assets.lake.tables import is_table, open_table, read_sessions, read_withheld
from stock_assets.quality.corrections import restated
from stock_assets.quality.judging import Judging
from stock_assets.quality.reconciliation import Cell, Row, difference
from stock_assets.raw.losses import lost_cells, rejected_cells
from stock_assets.topic.topics import BARS, TICKS

_FORMER_PATH = "quality/condition"
_BAR_COLUMNS = ["trading_day", "symbol", "source", "volume", "final"]


def judge_sessions(
    lake_root: str,
    days: Sequence[date],
    judging: Judging,
    reconciled: Iterable[Row],
    now: datetime,
) -> list[Row]:
    """One row per symbol and session that is expected or that the lake holds something of.

    Args:
        reconciled: rows of quality/reconciliation of these sessions.
        now: decides whether a session goes on.
    """
    found = evidence(lake_root, days, judging, reconciled, now)
    rows = []
    for (symbol, day), seen in sorted(found.items(), key=lambda entry: (entry[0][1], entry[0][0])):
        availability, because = judge(seen)
        row = {"year": day.year, "trading_day": day, "symbol": symbol, "availability": availability, "because": because}
        rows.append(row | {"inputs": str(seen)})
    return rows


def former_table(lake_root: str) -> str | None:
    """What to say of a lake that has the table under its former name and not yet under this one; None of any other."""
    if not is_table(lake_root, _FORMER_PATH) or is_table(lake_root, AVAILABILITY.path):
        return None
    return (
        f"{_FORMER_PATH} is called {AVAILABILITY.path} now and is built anew under this name, for all sessions; "
        "nothing reads the old table any more, and it can be deleted."
    )


def evidence(
    lake_root: str,
    days: Sequence[date],
    judging: Judging,
    reconciled: Iterable[Row],
    now: datetime,
) -> dict[Cell, Evidence]:
    """What is known of each cell of these sessions."""
    if not days:
        return {}
    first, last, wanted = min(days), max(days), set(days)
    bars: dict[Cell, list[Row]] = defaultdict(list)
    for bar in read_sessions(lake_root, DAILY_BARS, _BAR_COLUMNS, first, last).to_pylist():
        bars[bar["symbol"], bar["trading_day"]].append(bar)
    statements = _statements(lake_root, first, last)
    rejected = _rejected(lake_root, statements)
    lost, changed = lost_cells(lake_root), restated(lake_root, first, last)
    broken: dict[Cell, list[str]] = defaultdict(list)
    for row in read_withheld(lake_root, DAILY_BARS, first, last).to_pylist():
        broken[row["symbol"], row["trading_day"]].append(f"{row['source']} is withheld: {row['withheld_because']}")
    differ: dict[Cell, list[str]] = defaultdict(list)
    for row in reconciled:
        if row["verdict"] == "disagree":
            differ[row["symbol"], row["trading_day"]].append(difference(row))
    held = {cell for cell in (*bars, *broken, *statements) if cell[1] in wanted}
    cells = held | {(symbol, day) for day, names in expected(lake_root, days, judging).items() for symbol in names}
    ticks = _ticks(lake_root, {cell[1] for cell in cells if cell not in bars and cell not in broken})
    found = {}
    for symbol, day in cells | ticks.keys():
        if is_simulated(symbol):
            continue
        cell = (symbol, day)
        own = sorted(bars.get(cell, ()), key=lambda bar: judging.rank(bar["source"]))
        found[cell] = Evidence(
            phase=phase(day, now),
            absence=_absence(judging, symbol, day, bars),
            source=own[0]["source"] if own else "",
            final=bool(own and own[0]["final"]),
            volume=own[0]["volume"] if own else None,
            bars=len(own),
            statements=statements[cell][0] if cell in statements else 0,
            ticks=ticks[cell],
            rejected=rejected[cell],
            lost=lost.get(cell, 0),
            broken=(*broken.get(cell, ()), *changed.refused.get(cell, ())),
            disagreements=tuple(differ.get(cell, ())),
            corrections=tuple(changed.corrections.get(cell, ())),
        )
    return found


def expected(lake_root: str, days: Iterable[date], judging: Judging) -> dict[date, list[str]]:
    """Per session the symbols that should have data, or of which it should be said why they have none.

    All of the universe; without one those the lake has a bar of, from the first one on: a symbol does not leave by itself.
    Simulated ones come and go.
    """
    if judging.universe is not None:
        names = list(dict.fromkeys(listing.symbol for listing in judging.universe.listings))
        return {day: names for day in days}
    begun = {symbol: first for symbol, first in first_sessions(lake_root).items() if not is_simulated(symbol)}
    return {day: [symbol for symbol, first in begun.items() if first <= day] for day in days}


def first_sessions(lake_root: str) -> dict[str, date]:
    """Per symbol, the first session that has a daily bar, withheld or not."""
    rows = read_sessions(lake_root, DAILY_BARS, ["symbol", "trading_day"], withheld_too=True)
    firsts = rows.group_by("symbol").aggregate([("trading_day", "min")]).to_pylist()
    return {row["symbol"]: row["trading_day_min"] for row in sorted(firsts, key=lambda row: str(row["symbol"]))}


def phase(day: date, now: datetime) -> Phase:
    """Where a session is at an instant."""
    of_day = sessions.session(day)
    if now < of_day.open_time:
        return "before"
    return "open" if now < of_day.close_time + sessions.CLOSING_PRINT_GRACE else "over"


def _absence(judging: Judging, symbol: str, day: date, bars: Mapping[Cell, Sequence[Row]]) -> str:
    """Why the universe does not expect records of a symbol on a day, or expects them under another name."""
    if judging.universe is None:
        return ""
    own = [listing for listing in judging.universe.listings if listing.symbol == symbol]
    active = [listing for listing in own if listing.active_from <= day <= listing.active_to]
    if not active:
        return "not traded under that name on that day" if own else ""
    # Vendors give a company's whole history under its present name.
    later = next((listing.renamed_to for listing in active if bars.get((listing.renamed_to, day))), "")
    return f"its records are under its later name {later}" if later else ""


def _statements(lake_root: str, first: date, last: date) -> dict[Cell, tuple[int, Any]]:
    """Per cell, how many accepted records of vendors' bars there are, and when the newest was stored."""
    columns = ["symbol", "trading_day", "kafka_time"]
    rows = read_sessions(lake_root, RAW_BARS, columns, first, last, accepted_only=True)
    groups = rows.group_by(["symbol", "trading_day"]).aggregate([([], "count_all"), ("kafka_time", "max")]).to_pylist()
    return {(g["symbol"], g["trading_day"]): (g["count_all"], g["kafka_time_max"]) for g in groups}


def _rejected(lake_root: str, statements: Mapping[Cell, tuple[int, Any]]) -> Counter[Cell]:
    """Per cell the records in quarantine: every tick, but no bar that the vendor stated again and was accepted."""
    stored = rejected_cells(lake_root)
    found = Counter({cell: len(times) for cell, times in stored[TICKS.stage].items()})
    for cell, times in stored[BARS.stage].items():
        newest = statements.get(cell, (0, None))[1]
        found[cell] += sum(newest is None or time > newest for time in times)
    return found


def _ticks(lake_root: str, days: Collection[date]) -> Counter[Cell]:
    """Accepted ticks per symbol of these sessions; only those are opened that have files."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    found: Counter[Cell] = Counter()
    handle = open_table(lake_root, RAW_TICKS) if days else None
    if handle is None:
        return found
    files, dataset = pa.table(handle.get_add_actions(flatten=True)), handle.to_pyarrow_dataset()
    stored = set(files["partition.trading_day"].cast(pa.date32()).to_pylist())
    for day in stored.intersection(days):
        rows = dataset.to_table(columns=["symbol"], filter=ds.field("trading_day") == day)
        found.update({(entry["values"], day): entry["counts"] for entry in rows["symbol"].value_counts().to_pylist()})
    return found
