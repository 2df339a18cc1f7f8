"""Compaction beside other commits, and crashes: no writer disturbed, no row changed, and leftovers vacuumed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.transactions import next_rewrite
from stock_assets.raw import compaction
from stock_assets.raw.compaction import compact, vacuum
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    files,
    holds,
    land,
    opened,
    row_counts,
    tick,
)

create_write_transaction = DeltaTable.create_write_transaction


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, after: bool = False) -> None:
    """Do something once, right before compaction commits; or let it commit and lose the answer."""
    seen: list[object] = []

    def committing(self: DeltaTable, *args: Any, **kwargs: Any) -> None:
        if after or seen:
            create_write_transaction(self, *args, **kwargs)
        if not seen:
            seen.append(1)
            act()
            if not after:
                create_write_transaction(self, *args, **kwargs)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", committing)


def test_a_landing_in_between_is_neither_lost_nor_refused(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = row_counts(filled)
    meanwhile(monkeypatch, lambda: land(filled, [tick(500), b"{bad"]))
    assert compact(filled, RAW_TICKS, DAY).done
    assert (row_counts(filled) - before).total() == 2
    assert len(files(filled, DAY)) == 3
    assert holds(filled)


def test_a_landing_planned_before_a_compaction_is_stored_after_it(filled: str) -> None:
    before, snapshot = row_counts(filled), opened(filled)
    assert compact(filled, RAW_TICKS, DAY).done
    landing = land(filled, [tick(500)], snapshot=snapshot)
    assert landing.version == opened(filled).version()
    assert (row_counts(filled) - before).total() == 1
    assert holds(filled)


def test_the_second_of_two_compactions_gives_up(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = row_counts(filled)
    meanwhile(monkeypatch, lambda: compact(filled, RAW_TICKS, DAY))
    done = compact(filled, RAW_TICKS, DAY)
    assert not done.done and "another writer was faster" in done.reason
    assert row_counts(filled) == before
    monkeypatch.undo()
    assert not compact(filled, RAW_TICKS, DAY).done  # the other one did it


def test_a_rebuild_in_between_is_not_undone(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def rebuild() -> None:
        handle = opened(filled)
        rows = handle.to_pyarrow_dataset().to_table(filter=ds.field("trading_day") == DAY)
        properties = CommitProperties(app_transactions=[next_rewrite(handle)])
        predicate = f"trading_day = '{DAY}'"
        write_deltalake(handle, rows, mode="overwrite", predicate=predicate, commit_properties=properties)

    before = row_counts(filled)
    meanwhile(monkeypatch, rebuild)
    assert not compact(filled, RAW_TICKS, DAY).done
    assert row_counts(filled) == before


def test_a_commit_whose_answer_is_lost_counts_as_done(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose() -> None:
        raise OSError("connection reset")

    before = row_counts(filled)
    meanwhile(monkeypatch, lose, after=True)
    assert compact(filled, RAW_TICKS, DAY).done
    assert row_counts(filled) == before and len(files(filled, DAY)) == 2


def test_a_commit_that_failed_changes_nothing(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("no space left on device")

    before, version = row_counts(filled), opened(filled).version()
    meanwhile(monkeypatch, fail)
    assert not compact(filled, RAW_TICKS, DAY).done
    assert opened(filled).version() == version
    monkeypatch.undo()
    assert compact(filled, RAW_TICKS, DAY).done
    assert row_counts(filled) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows.slice(1),
        lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
        lambda rows: rows.set_column(
            rows.column_names.index("price"), rows.schema.field("price"), pa.array([1.5] + [100.0] * (len(rows) - 1))
        ),
    ],
    ids=["a row less", "a row more", "a changed price"],
)
def test_other_rows_than_those_read_are_never_committed(
    filled: str, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pa.Table], pa.Table]
) -> None:
    write = compaction._write
    monkeypatch.setattr(compaction, "_write", lambda fs, table, rows, *rest: write(fs, table, spoil(rows), *rest))
    version = opened(filled).version()
    with pytest.raises(PermanentError, match="their digests differ; nothing was changed"):
        compact(filled, RAW_TICKS, DAY)
    assert opened(filled).version() == version


def test_files_of_an_attempt_that_failed_are_vacuumed_when_old(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def fail() -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        meanwhile(patch, fail)
        compact(filled, RAW_TICKS, DAY)
    orphans = list(Path(filled).rglob("compacted-*.parquet"))
    assert len(orphans) == 2
    assert vacuum(filled, RAW_TICKS, 7) == 0
    for orphan in orphans:
        os.utime(orphan, (0, 0))
    assert vacuum(filled, RAW_TICKS, 7) == 2
    assert holds(filled)
