"""How little is opened for an answer, and that answers made at once do not see each other."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import WriterProperties, write_deltalake

from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.lake.engine import connect
from stock_assets.lake.tables import append_rows, of_sessions, visible_rows
from stock_assets.reading.sql import answer_of
from stock_assets_tests.checkout import loaded_by

DAY = date(2024, 1, 3)


def test_reading_imports_nothing_of_other_parts() -> None:
    assert not {"msgspec", "boto3", "kafka", "dagster"} & loaded_by("from stock_assets import read")


def test_files_of_other_years_sessions_and_symbols_are_not_opened(lake: str) -> None:
    first, second, third = date(2023, 12, 28), date(2023, 12, 29), date(2024, 1, 3)
    for symbol in ("A", "M", "Z"):
        for day in (first, second, third):
            key = {"year": day.year, "trading_day": day, "symbol": symbol}
            append_rows(lake, AVAILABILITY, [{**key, "availability": "empty", "because": "", "inputs": ""}])
    rows = visible_rows(lake, AVAILABILITY)
    assert rows is not None
    assert len(list(rows.get_fragments())) == 9
    assert len(list(rows.get_fragments(of_sessions(AVAILABILITY, second, third)))) == 6
    wanted = (ds.field("symbol") == "M") & of_sessions(AVAILABILITY, second, second)
    assert len(list(rows.get_fragments(wanted))) == 1
    assert rows.to_table(filter=wanted).num_rows == 1


def test_row_groups_of_other_symbols_are_not_read_and_new_files_are(lake: str) -> None:
    def store(*names: str) -> None:
        rows = [
            {"year": 2024, "trading_day": DAY, "symbol": name, "availability": "empty", "because": "", "inputs": ""}
            for name in names
        ]
        write_deltalake(
            f"{lake}/{AVAILABILITY.path}",
            pa.Table.from_pylist(rows, schema=AVAILABILITY.arrow_schema()),
            mode="overwrite",
            partition_by=list(AVAILABILITY.partition_by),
            writer_properties=WriterProperties(max_row_group_size=2),
        )

    def held(*symbols: str) -> tuple[int, list[str]]:
        rows = visible_rows(lake, AVAILABILITY, None, symbols, of_sessions(AVAILABILITY, DAY, DAY))
        assert rows is not None
        groups = sum(len(fragment.row_groups) for fragment in rows.get_fragments())
        return groups, rows.to_table(columns=["symbol"])["symbol"].to_pylist()

    store("A", "B", "B", "C", "É", "Ω", "Ω", "Ω")
    for _ in range(2):
        assert held("B") == (2, ["A", "B", "B", "C"])
        assert held("É") == (1, ["É", "Ω"])
        assert held("A", "C") == (2, ["A", "B", "B", "C"])
        assert held("Z") == (0, [])
        assert visible_rows(lake, AVAILABILITY).count_rows() == 8  # type: ignore[union-attr]
    store("B", "X")
    assert held("B") == (1, ["B", "X"])


def test_two_answers_at_once_are_each_of_their_own_lake(tmp_path: Path) -> None:
    lakes = [str(tmp_path / name) for name in ("one", "two")]
    for rows, lake in enumerate(lakes, start=1):
        keys = [{"year": 2024, "trading_day": date(2024, 1, 2 + n), "symbol": "A"} for n in range(rows)]
        append_rows(lake, AVAILABILITY, [{**key, "availability": "empty", "because": "", "inputs": ""} for key in keys])
    query = "SELECT count(*) FROM availability"
    with answer_of(query, lakes[0], None) as one, answer_of(query, lakes[1], None) as two:
        assert (one.fetchall(), two.fetchall()) == ([(1,)], [(2,)])
    with connect() as later:
        assert later.sql("SHOW TABLES").fetchall() == []


def test_connections_of_a_process_do_not_see_each_other_s_tables() -> None:
    with connect() as mine, connect() as another:
        mine.register("rows", pa.table({"a": [1]}))
        mine.execute("CREATE TEMP VIEW seen AS SELECT * FROM rows")
        assert mine.sql("SHOW TABLES").fetchall() == [("rows",), ("seen",)]
        assert another.sql("SHOW TABLES").fetchall() == []
        assert another.sql("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
        with pytest.raises(duckdb.Error, match="locked"):
            another.execute("SET TimeZone = 'America/New_York'")
    with connect() as later:
        assert later.sql("SHOW TABLES").fetchall() == []
