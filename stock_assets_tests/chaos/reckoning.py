"""lake and warehouse after an attack, beside the records that were sent -> what went wrong, counted and named.

Belongs here: reading what there is, and comparing it with what must be. Does not belong here: what must be (``expected``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.lake.tables import open_table, read_sessions, read_withheld
from stock_assets.raw.completeness import prove
from stock_assets.topic.topics import Topic, topics_of
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.verify import read_sessions_of_warehouse
from stock_assets_tests.chaos.expected import VALUES, Key, Values, breaks_a_rule, decimal, expected
from stock_assets_tests.chaos.market import Record
from stock_assets_tests.chaos.target import Target

_LANDED = ["kafka_partition", "kafka_offset", "rejected_because", "payload"]


@dataclass
class Reckoning:
    """What went wrong, one text each, under the words of the last line.

    Attributes:
        withheld: rows that are withheld, and have to be.
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
    found = Reckoning(stopped=target.stopped, held_back=target.unbuilt)
    lake = target.settings.lake_root
    for stage, topic in topics_of(target.settings.broker).items():
        found.unaccounted += [str(proof) for proof in prove(lake, topic) if not proof.holds or proof.gaps]
        _compare_raw(
            lake, stage, topic, {at[1:]: record for at, record in target.sent.items() if at[0] == stage}, found
        )
    must = expected(target.sent.values())
    for table, wanted in must.items():
        rows = read_sessions(lake, table, [*table.key, *VALUES])
        _compare_rows(table.path, rows, table, wanted.rows, found)
        marked = {_key(row, table) for row in read_withheld(lake, table).to_pylist()}
        found.unaccounted += [f"{table.path} {key} is not withheld" for key in wanted.withheld - marked]
        found.held_back += [f"{table.path} {key} is withheld" for key in marked - wanted.withheld]
        found.withheld += len(marked & wanted.withheld)
    with connect(target.settings.snowflake) as connection:
        rows = read_sessions_of_warehouse(connection, DAILY_METRICS, date.min, date.max)
    _compare_rows("the warehouse", rows, DAILY_METRICS, must[DAILY_METRICS].rows, found)
    return found


def _compare_raw(lake: str, stage: str, topic: Topic, sent: Mapping[tuple[int, int], Record], found: Reckoning) -> None:
    handle = open_table(lake, topic.table)
    fields = [name for name in topic.message.__struct_fields__ if name != "schema_version"]
    rows = [] if handle is None else handle.to_pyarrow_dataset().to_table(columns=[*_LANDED, *fields]).to_pylist()
    seen = Counter((row["kafka_partition"], row["kafka_offset"]) for row in rows)
    found.unaccounted += [f"{stage} {at} ({sent[at].kind}) has no row" for at in sent.keys() - seen.keys()]
    found.unaccounted += [f"{stage} {at} has a row and no record" for at in seen.keys() - sent.keys()]
    found.unaccounted += [f"{stage} {at} has {count} rows" for at, count in seen.items() if count > 1]
    for row in rows:
        at = row["kafka_partition"], row["kafka_offset"]
        if at in sent:
            _compare_record(f"{stage} {at} ({sent[at].kind})", row, sent[at], fields, found)


def _compare_record(where: str, row: dict[str, Any], record: Record, fields: list[str], found: Reckoning) -> None:
    reason, said = row["rejected_because"], record.fields
    if said is None:
        if reason is None:
            found.wrongly.append(f"{where}: accepted")
        elif row["payload"] != record.value:
            found.unaccounted.append(f"{where}: quarantine holds other bytes")
        elif reason.split(":")[0] not in record.reasons:
            found.unaccounted.append(f"{where}: refused for another reason: {reason}")
    elif reason is not None:
        found.held_back.append(f"{where}: good, and refused: {reason}")
    else:
        other = {name: (row[name], said.get(name)) for name in fields if not _same(row[name], said.get(name))}
        if other:
            found.wrongly.append(f"{where}: accepted as {other}")
        if record.kept and row["payload"] != record.value:
            found.unaccounted.append(f"{where}: its bytes are not kept")


def _same(stored: Any, said: Any) -> bool:
    if stored is None or said is None:
        return stored is said
    if isinstance(stored, Decimal):
        return stored == decimal(said)
    if isinstance(stored, float):
        return stored == float(str(said).removeprefix("@"))
    return bool(
        _plain(stored) == (date.fromisoformat(said) if isinstance(stored, date) and isinstance(said, str) else said)
    )


def _plain(stored: Any) -> Any:
    """An instant as messages have it."""
    return round(stored.timestamp() * 1e6) if isinstance(stored, datetime) else stored


def _key(row: Mapping[str, Any], table: Table) -> Key:
    return tuple(_plain(row[name]) for name in table.key)


def _compare_rows(where: str, rows: pa.Table, table: Table, must: Mapping[Key, Values], found: Reckoning) -> None:
    read = rows.to_pylist()
    there = {_key(row, table): tuple(row[name] for name in VALUES) for row in read}
    broken = {_key(row, table) for row in read if breaks_a_rule(row)}
    found.critical += [f"{where} has {key}, which breaks a rule" for key in broken]
    found.critical += [f"{where} has {key}, which no good record made" for key in there.keys() - must.keys() - broken]
    found.held_back += [f"{where} lacks {key}" for key in must.keys() - there.keys()]
    found.wrongly += [
        f"{where} {key}: {there[key]} instead of {must[key]}"
        for key in there.keys() & must.keys()
        if there[key] != must[key]
    ]
    found.wrongly += [f"{where} has rows twice"] * (len(there) < len(read))
