"""tables -> asset checks that stop nothing.

Belongs here: what is only shown: what is stale, withheld, missing, late, or differs between lake and warehouse.
Does not belong here: checks that stop what is built (``checks``), the rules (``quality``, ``warehouse.verify``).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import dagster as dg

from stock_assets.defs.built_assets import BUILT_KEYS, DAILY_BARS_KEY, WAREHOUSE_KEY
from stock_assets.defs.checked_sessions import NOTHING, sessions_of
from stock_assets.defs.failures import tells_failures
from stock_assets.defs.jobs import HISTORY_LEVEL
from stock_assets.defs.metadata import markdown_table
from stock_assets.defs.partitions import within
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.resources import Lake, Warehouse
from stock_assets.domain import tables
from stock_assets.domain.sessions import all_sessions
from stock_assets.domain.stages import loaded_into
from stock_assets.domain.table import Table
from stock_assets.lake import staleness
from stock_assets.lake.built import built_from
from stock_assets.lake.tables import read_sessions, read_withheld
from stock_assets.quality.judging import Judging
from stock_assets.settings.platform import Settings

WITHHELD = "withheld"


@dataclass(frozen=True)
class Seen:
    """What a check that stops nothing found."""

    passed: bool
    text: str
    details: list[dict[str, Any]] = field(default_factory=list)


def state_check(
    partitions: dg.DailyPartitionsDefinition, settings: Settings, derived: dict[dg.AssetKey, Table]
) -> dg.AssetChecksDefinition:
    """What is only shown, in one step at the end of a run: a step costs more than such a check."""

    def spec(key: dg.AssetKey, name: str, text: str) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(name, asset=key, description=text, partitions_def=partitions)

    specs = [
        *(
            spec(key, "up_to_date", "Built from what its inputs hold now; the sensor asks for what is not.")
            for key in BUILT_KEYS
        ),
        *(
            spec(key, WITHHELD, "Rows that break a critical rule: kept from readers until they are right.")
            for key in derived
        ),
        spec(RAW_KEYS["bars"], HISTORY_LEVEL, "Each split is in a vendor's prices once: not stale, missing, or twice."),
        spec(DAILY_BARS_KEY, "session_completeness", "Each symbol of the session before has a bar."),
        spec(WAREHOUSE_KEY, "matches_lake", "Counts and sums per session equal the lake's."),
        spec(WAREHOUSE_KEY, "fresh", "Each symbol has a row for the newest session that the lake holds."),
    ]

    @dg.multi_asset_check(specs=specs, name="state", can_subset=True)
    @tells_failures
    def state(
        context: dg.AssetCheckExecutionContext, lake: Lake, warehouse: Warehouse
    ) -> Iterator[dg.AssetCheckResult]:
        from stock_assets.quality.state import stale_stages

        stale = stale_stages(lake.root, settings.snowflake.target, Judging.of(settings))
        for check in sorted(context.selected_asset_check_keys, key=lambda check: (check.asset_key.path, check.name)):
            days = sessions_of(context, check.asset_key)
            if check.name == "up_to_date":
                stage = "/".join(check.asset_key.path)
                verdict = _up_to_date([day for day in within(partitions, stale[stage]) if not days or day in days])
            elif check.name == WITHHELD:
                verdict = find_withheld(lake.root, derived[check.asset_key], days)
            elif check.name == "fresh":
                verdict = _freshness(lake.root, settings.snowflake.target)
            elif check.name == HISTORY_LEVEL:
                verdict = find_split_faults(lake.root)
            elif not days:
                verdict = Seen(True, NOTHING)
            elif check.name == "session_completeness":
                verdict = _missing_symbols(lake.root, days)
            else:
                verdict = _matches_lake(lake.root, warehouse, days)
            yield dg.AssetCheckResult(
                check_name=check.name,
                asset_key=check.asset_key,
                passed=verdict.passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=verdict.text,
                metadata={"details": markdown_table(verdict.details[:50])} if verdict.details else {},
            )

    return state


def _up_to_date(stale: list[date]) -> Seen:
    text = f"{len(stale)} sessions are stale" if stale else "up to date"
    return Seen(not stale, text, [{"session": day} for day in stale])


def find_withheld(lake_root: str, table: Table, days: list[date]) -> Seen:
    """Name the rows: of all sessions, but of a table that has files per session only those of the run."""
    from stock_assets.quality.withheld import name_row

    whole = "trading_day" not in table.partition_by
    if not whole and not days:
        return Seen(True, NOTHING)
    first, last = (date.min, date.max) if whole else (days[0], days[-1])
    rows = read_withheld(lake_root, table, first, last).to_pylist()
    named = [name_row(table, row) for row in reversed(rows)]
    more = f" (and {len(named) - 3} more)" if len(named) > 3 else ""
    return Seen(not rows, "; ".join(named[:3]) + more if named else "no row is withheld", list(reversed(rows)))


def _matches_lake(lake_root: str, warehouse: Warehouse, days: list[date]) -> Seen:
    from stock_assets.warehouse.verify import differences

    rows = read_sessions(lake_root, tables.DAILY_METRICS, list(tables.DAILY_METRICS.names), days[0], days[-1])
    with warehouse.connect() as connection:
        found = differences(connection, rows, tables.DAILY_METRICS, days[0], days[-1])
    text = f"{len(found)} numbers differ" if found else f"{rows.num_rows} rows agree"
    return Seen(not found, text, [{"difference": str(difference)} for difference in found])


def _missing_symbols(lake_root: str, days: list[date]) -> Seen:
    """Symbols that vanish from one session to the next, without regard to the source of their bars."""
    known = all_sessions()
    before = known[max(0, known.index(days[0]) - 1)]
    rows = read_sessions(lake_root, tables.DAILY_BARS, ["trading_day", "symbol"], before, days[-1])
    symbols: dict[date, set[str]] = {}
    for row in rows.to_pylist():
        symbols.setdefault(row["trading_day"], set()).add(row["symbol"])
    missing = []
    for day in days:
        previous = symbols.get(known[known.index(day) - 1], set())
        missing += [{"session": day, "symbol": symbol} for symbol in sorted(previous - symbols.get(day, set()))]
    text = f"{len(missing)} symbols of the session before have no bar" if missing else "no symbol is missing"
    return Seen(not missing, text, missing)


def find_split_faults(lake_root: str) -> Seen:
    """Look at the whole history of symbols with a split; a later answer of a vendor shows what an earlier one lacks."""
    from stock_assets.lake.as_of import split_histories
    from stock_assets.quality.stale_history import find_faults

    bars, actions = split_histories(lake_root)
    found = find_faults(bars.to_pandas(), actions.to_pandas())
    faults = sum(finding.at_fault for finding in found)
    text = f"{faults} faults of splits" if faults else "every split is in the prices once"
    if told := len(found) - faults:
        text += f"; {told} histories hold sessions from before a split beside restated ones, right as traded"
    return Seen(not faults, text, [asdict(finding) for finding in found])


def _freshness(lake_root: str, target: str) -> Seen:
    """Compare sessions, not clocks: holidays and half days are no delay, and old history is not late."""
    raw = staleness.raw_state(lake_root).inputs
    loaded = built_from(lake_root, loaded_into(target))
    if not raw:
        return Seen(True, "nothing was landed")
    newest, reached = max(raw), max(loaded, default=None)
    rows = read_sessions(lake_root, tables.DAILY_METRICS, ["symbol", "trading_day"], date.min, date.max)
    behind = []
    for row in rows.group_by("symbol").aggregate([("trading_day", "max")]).sort_by("symbol").to_pylist():
        if row["trading_day_max"] < newest:
            behind.append({"symbol": row["symbol"], "newest session": row["trading_day_max"]})
    text = f"raw holds {newest}, the warehouse {reached}; {len(behind)} symbols are behind"
    return Seen(reached == newest and not behind, text, behind)
