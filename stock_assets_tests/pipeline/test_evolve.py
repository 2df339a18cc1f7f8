"""Tables of delta-rs that an older release filled: what writing to them first makes of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from stock_assets.domain.errors import LandingConflict, TableDiffers
from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import RAW_TABLES, RAW_TICKS
from stock_assets.lake import evolve as evolving
from stock_assets.lake.evolve import EVOLVED, evolve
from stock_assets.lake.staleness import raw_state
from stock_assets.lake.tables import open_or_create_table, open_table, read_sessions
from stock_assets.lake.transactions import offsets_of
from stock_assets.raw.completeness import prove
from stock_assets.raw.redrive import redrive
from stock_assets.topic.topics import TICKS
from stock_assets_tests.pipeline.raw_lake import DAY, NEXT_DAY, TOPIC_ID, land, tick
from stock_assets_tests.upgrade.archive import unpack

MOOD = Column("mood", "string", "a column to come", nullable=True)


@pytest.fixture
def old(tmp_path: Path) -> str:
    return unpack(tmp_path)


def handle_of(lake: str, table: Table = RAW_TICKS) -> DeltaTable:
    handle = open_table(lake, table)
    assert handle is not None
    return handle


def rows(lake: str, table: Table) -> Counter[str]:
    found = handle_of(lake, table).to_pyarrow_table().to_pylist()
    return Counter(str({n: float(v) if isinstance(v, int | Decimal) else v for n, v in row.items()}) for row in found)


def offsets(lake: str, table: Table = RAW_TICKS) -> list[int | None]:
    return [handle_of(lake, table).transaction_version(offsets_of(TOPIC_ID, partition)) for partition in (0, 1)]


@pytest.mark.parametrize("table", RAW_TABLES.values(), ids=RAW_TABLES)
def test_widening_is_one_commit_that_keeps_rows_offsets_and_transactions(old: str, table: Table) -> None:
    before, held, version, state = (
        rows(old, table),
        offsets(old, table),
        handle_of(old, table).version(),
        raw_state(old),
    )
    evolved = open_or_create_table(old, table)
    shares = [column.name for column in table.columns if column.type == "decimal(25,6)"]
    assert evolved.version() == version + bool(shares) == handle_of(old, table).version()
    assert rows(old, table) == before and offsets(old, table) == held
    assert raw_state(old).inputs == state.inputs
    assert pa.schema(evolved.schema().to_arrow()).names == pa.schema(table.arrow_schema()).names
    for name in shares:
        assert handle_of(old, table).to_pyarrow_table().schema.field(name).type == pa.decimal128(25, 6)
    assert open_or_create_table(old, table).version() == evolved.version()


def test_a_landing_and_a_redrive_come_after_it(old: str) -> None:
    land(old, [tick(1_000_000).replace(b'"size":100', b'"size":0.25')])
    assert Decimal("0.25") in read_sessions(old, RAW_TICKS, ["size"], DAY, DAY)["size"].to_pylist()
    done = list(redrive(old, TICKS))
    assert sum(each.accepted for each in done) == 8
    sizes = Counter(read_sessions(old, RAW_TICKS, ["size"], DAY, NEXT_DAY)["size"].to_pylist())
    assert sizes[Decimal("0.35")] == 4
    assert all(proof.holds for proof in prove(old, TICKS))


def test_what_reads_before_it_sees_the_columns_of_today(old: str) -> None:
    found = read_sessions(old, RAW_TICKS, ["size", "symbol"], DAY, DAY)
    assert found.schema.field("size").type == pa.decimal128(25, 6) and found.num_rows > 100


def test_a_landing_meanwhile_is_not_overwritten(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody lands between reading and committing, twice: the third attempt has those rows, too."""
    before, write = rows(old, RAW_TICKS).total(), evolving._rewrite
    landings = iter((1, 2))

    def meanwhile(handle: DeltaTable, *given: object) -> None:
        if next(landings, None):
            extra = handle_of(old).to_pyarrow_table().slice(0, 3)
            from deltalake import CommitProperties, Transaction

            number = (offsets(old)[0] or 0) + 3
            properties = CommitProperties(app_transactions=[Transaction(offsets_of(TOPIC_ID, 0), number)])
            write_deltalake(handle_of(old), extra, mode="append", commit_properties=properties)
        write(handle, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(evolving, "_rewrite", meanwhile)
    open_or_create_table(old, RAW_TICKS)
    assert rows(old, RAW_TICKS).total() == before + 6


def test_a_landing_from_the_snapshot_before_it_is_refused(old: str) -> None:
    stale = handle_of(old)
    open_or_create_table(old, RAW_TICKS)
    held = offsets(old)
    with pytest.raises(LandingConflict):
        land(old, [tick(1)], snapshot=stale)
    assert offsets(old) == held


def test_a_new_nullable_column_is_added_without_touching_a_file(old: str) -> None:
    open_or_create_table(old, RAW_TICKS)
    files, version = set(handle_of(old).file_uris()), handle_of(old).version()
    newer = replace(RAW_TICKS, columns=(*RAW_TICKS.columns, MOOD))
    evolved = evolve(handle_of(old), newer)
    assert (evolved.version(), set(evolved.file_uris())) == (version + 1, files)
    assert set(evolved.to_pyarrow_table()["mood"].to_pylist()) == {None}
    assert EVOLVED in evolved.history(1)[0]
    with pytest.raises(TableDiffers, match="its column mood is not known"):
        evolve(evolved, RAW_TICKS)


def test_whole_shares_of_any_size_are_kept(tmp_path: Path) -> None:
    """Older releases took up to 2**53 - 1 of them."""
    lake, most = str(tmp_path / "lake"), 2**53 - 1
    land(lake, [tick(1)])
    now = handle_of(lake).to_pyarrow_table()
    was = now.set_column(now.schema.get_field_index("size"), "size", pa.array([most]))
    was = was.set_column(was.schema.get_field_index("day_volume"), "day_volume", pa.array([2**63 - 1]))
    write_deltalake(handle_of(lake), was, mode="overwrite", schema_mode="overwrite")
    open_or_create_table(lake, RAW_TICKS)
    (row,) = handle_of(lake).to_pyarrow_table().to_pylist()
    assert (row["size"], row["day_volume"]) == (most, 2**63 - 1)
