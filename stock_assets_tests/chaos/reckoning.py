"""lake and warehouse after an attack, beside the records that were sent -> what went wrong, counted and named.

Belongs here: reading what there is, and comparing it with what must be. Does not belong here: what must be (``expected``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, DERIVED_TABLES, MINUTE_BARS
from stock_assets.lake.tables import open_table, read_sessions, read_withheld
from stock_assets.quality.withheld import withheld_texts
from stock_assets.raw.completeness import prove
from stock_assets.topic.topics import topics_of
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.verify import read_sessions_of_warehouse
from stock_assets_tests.chaos.expected import Expected, breaks_a_rule, decimal, expected
from stock_assets_tests.chaos.market import Record
from stock_assets_tests.chaos.target import Target

PRICES = ("open", "high", "low", "close")
_ALWAYS = ["kafka_partition", "kafka_offset", "offset_span", "rejected_because", "payload"]


@dataclass
class Reckoning:
    """What went wrong, one text each, under the words of the last line.

    Attributes:
        withheld: rows that are withheld, and statements that do not count.
    """

    critical: list[str] = field(default_factory=list)
    held_back: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    wrongly: list[str] = field(default_factory=list)
    withheld: int = 0

    @property
    def faults(self) -> list[str]:
        return [*self.critical, *self.held_back, *self.stopped, *self.unaccounted, *self.wrongly]

    def __str__(self) -> str:
        return (
            f"critical rows loaded {len(self.critical)}, withheld {self.withheld}, "
            f"other symbols held back {len(self.held_back)}, topics stopped {len(self.stopped)}, "
            f"unaccounted {len(self.unaccounted)}, accepted wrongly {len(self.wrongly)}"
        )


def reckon(target: Target) -> Reckoning:
    """Look at everything an attack left."""
    found = Reckoning(stopped=[f"{stage}: {why}" for stage, why in target.stopped.items()])
    lake = target.settings.lake_root
    for stage, topic in topics_of(target.settings.broker).items():
        proofs = prove(lake, topic)
        found.unaccounted += [str(proof) for proof in proofs if not proof.holds or proof.gaps]
        _compare_raw(target, stage, found)
    _compare_derived(target, expected(target.sent.values()), found)
    found.withheld = len(withheld_texts(lake))
    if not found.withheld:
        found.critical.append("nothing is withheld")
    return found


def _compare_raw(target: Target, stage: str, found: Reckoning) -> None:
    topic = topics_of(target.settings.broker)[stage]
    sent = {at[1:]: record for at, record in target.sent.items() if at[0] == stage}
    handle = open_table(target.settings.lake_root, topic.table)
    assert handle is not None, f"nothing of {stage} was landed"
    fields = [name for name in topic.message.__struct_fields__ if name != "schema_version"]
    rows = handle.to_pyarrow_dataset().to_table(columns=sorted({*_ALWAYS, *fields})).to_pylist()
    seen = Counter((row["kafka_partition"], row["kafka_offset"]) for row in rows)
    found.unaccounted += [f"{stage} {at} ({sent[at].kind}) has no row" for at in sent.keys() - seen.keys()]
    found.unaccounted += [f"{stage} {at} has a row and no record" for at in seen.keys() - sent.keys()]
    found.unaccounted += [f"{stage} {at} has {count} rows" for at, count in seen.items() if count > 1]
    for row in rows:
        at = row["kafka_partition"], row["kafka_offset"]
        if at in sent:
            _compare_row(f"{stage} {at} ({sent[at].kind})", row, sent[at], fields, found)


def _compare_row(where: str, row: dict[str, Any], record: Record, fields: list[str], found: Reckoning) -> None:
    reason = row["rejected_because"]
    if record.fields is None:
        if reason is None:
            found.wrongly.append(f"{where}: accepted")
        elif row["payload"] != record.value:
            found.unaccounted.append(f"{where}: quarantine holds other bytes")
        elif reason.split(":")[0] not in record.reasons:
            found.unaccounted.append(f"{where}: refused for another reason: {reason}")
        return
    if reason is not None:
        found.held_back.append(f"{where}: good, and refused: {reason}")
        return
    other = {
        name: (row[name], record.fields.get(name)) for name in fields if not _same(row[name], record.fields.get(name))
    }
    if other:
        found.wrongly.append(f"{where}: accepted as {other}")
    if record.kept and row["payload"] != record.value:
        found.unaccounted.append(f"{where}: its bytes are not kept")


def _same(stored: Any, stated: Any) -> bool:
    if isinstance(stored, Decimal):
        return stated is not None and stored == decimal(stated)
    if isinstance(stored, datetime):
        return stated is not None and round(stored.timestamp() * 1e6) == stated
    if isinstance(stored, date):
        return str(stored) == stated
    if isinstance(stored, float) and isinstance(stated, str):
        return stored == float(stated.removeprefix("@"))
    return bool(stored == stated)


def _compare_derived(target: Target, must: Expected, found: Reckoning) -> None:
    lake = target.settings.lake_root
    for table in DERIVED_TABLES:
        names = [name for name in table.names if name in (*table.key, *PRICES, "volume", "rsi_14")]
        rows = read_sessions(lake, table, names).to_pylist()
        found.critical += [f"{table.path} {_key(table.key, row)}" for row in rows if breaks_a_rule(row)]
    daily = {
        (row["symbol"], row["trading_day"], row["source"]): tuple(row[name] for name in PRICES)
        for row in read_sessions(lake, DAILY_BARS, ["symbol", "trading_day", "source", *PRICES]).to_pylist()
    }
    _compare(DAILY_BARS.path, daily, must.daily, found)
    marked = {(r["symbol"], r["trading_day"], r["source"]) for r in read_withheld(lake, DAILY_BARS).to_pylist()}
    found.critical += [f"{DAILY_BARS.path} {key} is not withheld" for key in must.withheld - marked]
    found.held_back += [f"{DAILY_BARS.path} {key} is withheld" for key in marked - must.withheld]
    minutes = read_sessions(lake, MINUTE_BARS, ["symbol", "source", "start_time"]).to_pylist()
    seen = {(row["symbol"], round(row["start_time"].timestamp() * 1e6)) for row in minutes if row["source"] == "yahoo"}
    found.held_back += [f"{MINUTE_BARS.path} lacks {key}" for key in must.minutes - seen]
    found.critical += [f"{MINUTE_BARS.path} has {key}" for key in seen - must.minutes]
    with connect(target.settings.snowflake) as connection:
        loaded = read_sessions_of_warehouse(connection, DAILY_METRICS, date.min, date.max).to_pylist()
    found.critical += [
        f"the warehouse has {row['symbol']} {row['trading_day']}" for row in loaded if breaks_a_rule(row)
    ]
    _compare(
        "the warehouse", {(row["symbol"], row["trading_day"]): row["close"] for row in loaded}, must.metrics, found
    )


def _compare(where: str, rows: dict[Any, Any], must: dict[Any, Any], found: Reckoning) -> None:
    found.held_back += [f"{where} lacks {key}" for key in must.keys() - rows.keys()]
    found.critical += [f"{where} has {key}, which no good record made" for key in rows.keys() - must.keys()]
    found.wrongly += [
        f"{where} {key}: {rows[key]} instead of {must[key]}"
        for key in rows.keys() & must.keys()
        if rows[key] != must[key]
    ]


def _key(names: tuple[str, ...], row: dict[str, Any]) -> str:
    return " ".join(str(row[name]) for name in names)
