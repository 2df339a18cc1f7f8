"""verdicts of symbols and sessions -> what the quality page shows.

Belongs here: the map, the scores, counts of reasons and of disagreements: computed from rows alone.
Does not belong here: reading (``data``), drawing (``quality``), the score's rules (``quality.score``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stock_assets.dashboard.figures import absent, records
from stock_assets.domain.availability import AVAILABILITIES, NO_PROBLEM
from stock_assets.observability.observation import CheckSeen
from stock_assets.quality.score import Score, score
from stock_assets.quality.score_evidence import evidence_by_symbol

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Map:
    """Symbols down, sessions across; cells are positions in AVAILABILITIES, None where nothing was judged."""

    symbols: list[str]
    days: list[str]
    cells: list[list[int | None]]
    because: list[list[str]]


def availability_map(rows: pd.DataFrame, sessions: int, symbols: int) -> Map:
    """The newest sessions of the symbols that have most that is not available, these first."""
    if rows.empty:
        return Map([], [], [], [])
    days = sorted(rows["trading_day"].unique())[-sessions:]
    recent = rows[rows["trading_day"] >= days[0]]
    fine = recent["availability"].isin(NO_PROBLEM)
    faults = (~fine).groupby(recent["symbol"]).sum().sort_index().sort_values(ascending=False, kind="stable")
    names = [str(name) for name in faults.index[:symbols]]
    known = {(row["symbol"], row["trading_day"]): (row["availability"], row["because"]) for row in records(recent)}
    cells, because = [], []
    for name in names:
        verdicts = [known.get((name, day)) for day in days]
        cells.append([None if each is None else AVAILABILITIES.index(each[0]) for each in verdicts])
        because.append(["not judged" if each is None else f"{each[0]}: {each[1]}" for each in verdicts])
    return Map(names, [f"{day:%Y-%m-%d}" for day in days], cells, because)


def scores(
    availability: pd.DataFrame, reconciliation: pd.DataFrame, bars: pd.DataFrame, withheld: Sequence[dict[str, Any]]
) -> dict[str, Score]:
    """The score of each symbol, the lowest first and those without one last."""
    evidence = evidence_by_symbol(
        records(availability),
        records(reconciliation),
        (row | {"trade_count": _count(row["trade_count"])} for row in records(bars)),
        ({**row, "trading_day": _same_kind(row["trading_day"], availability)} for row in withheld),
    )
    found = {symbol: score(seen) for symbol, seen in evidence.items()}
    return dict(sorted(found.items(), key=lambda each: (each[1].value is None, each[1].value or 0.0, each[0])))


def reasons(quarantine: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Stage, class of reason (its text before the first colon) and number of the records in quarantine, most first."""
    counted = Counter(
        (str(row["stage"]), str(row["rejected_because"]).split(":", 1)[0].strip()) for row in records(quarantine)
    )
    return [(stage, reason, count) for (stage, reason), count in counted.most_common()]


@dataclass(frozen=True)
class Agreement:
    """How two sources compared over the newest sessions, in cells of symbol and session."""

    first: str
    second: str
    agreed: int
    disagree: int
    moving: int
    missing: int


def agreements(rows: pd.DataFrame) -> list[Agreement]:
    """Per pair of sources, by name."""
    found = []
    for (first, second), own in rows.groupby(["first_source", "second_source"], sort=True):
        verdicts = Counter(own["verdict"])
        found.append(
            Agreement(
                str(first), str(second), *(verdicts[each] for each in ("agreed", "disagree", "moving", "missing"))
            )
        )
    return found


def expectations_held(rows: pd.DataFrame) -> list[tuple[str, list[str], list[float]]]:
    """Per table the sessions that were checked, and the percent of their expectations that hold."""
    found = []
    for table, own in rows.groupby("checked_table", sort=True):
        share = own.groupby("trading_day", sort=True)["passed"].mean()
        found.append((str(table), [f"{day:%Y-%m-%d}" for day in share.index], [100 * float(each) for each in share]))
    return found


@dataclass(frozen=True)
class CheckTrend:
    """A check's evaluations, oldest first: ``trend`` has a sign for each of the newest."""

    newest: CheckSeen
    evaluations: int
    passed: int
    trend: str


def check_trends(checks: Sequence[CheckSeen], shown: int = 20) -> list[CheckTrend]:
    """Per check, those that failed last first."""
    by_check: dict[tuple[str, str], list[CheckSeen]] = {}
    for each in sorted(checks, key=lambda each: each.at):
        by_check.setdefault((each.asset, each.name), []).append(each)
    found = [
        CheckTrend(
            own[-1],
            len(own),
            sum(each.passed for each in own),
            "".join("●" if each.passed else "✕" for each in own[-shown:]),
        )
        for own in by_check.values()
    ]
    return sorted(found, key=lambda each: (each.newest.passed, each.newest.asset, each.newest.name))


def _count(value: Any) -> int:
    return 0 if absent(value) else int(value)


def _same_kind(day: Any, rows: pd.DataFrame) -> Any:
    """A day as the rows have it."""
    import pandas as pd

    return pd.Timestamp(day) if len(rows) else day
