"""Rows as files of a raw table: none lost, each found again by any of its values."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from stock_assets.domain.messages import Action, Bar, Message, Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.lake.files import statistics
from stock_assets.lake.tables import open_or_create_table
from stock_assets.landing.commit import commit
from stock_assets.landing.decode import Decoder
from stock_assets.landing.rows import gap_row, rows_of
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import ACTIONS, BARS, TICKS, Topic

DAY, NEXT_DAY = date(2013, 10, 7), date(2013, 10, 8)


def tick(number: int, **given: Any) -> Tick:
    moment = instant(session(NEXT_DAY if number % 3 else DAY).open_time) + number * 1_000_111
    about: dict[str, Any] = {"symbol": f"S{number % 5}", "event_time": moment, "price": 10.0 + number}
    return Tick(**about, currency="USD", source="simulator", event_id=str(number), **given)


def bar(number: int) -> Bar:
    day = (DAY, NEXT_DAY)[number % 2]
    figures: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), 1.0 + number)
    about: dict[str, Any] = {"symbol": f"S{number}", "interval": "1d", "trading_day": day, "currency": "USD"}
    about |= {"start_time": 1, "volume": None if number else 5, "price_basis": "as_traded", "final": number % 2 == 0}
    return Bar(**about, **figures, source="x", known_at=number)


def action(number: int) -> Action:
    kind: Any = ("split", "dividend")[number % 2]
    return Action(symbol=f"S{number}", ex_date=DAY, kind=kind, value=2.0, source="x", known_at=number)


MESSAGES: dict[str, list[Message]] = {
    # of a part of a file that holds so long a text, Parquet keeps no bounds
    "ticks": [tick(n, size=n, conditions=["@", "F"]) if n % 2 else tick(n, exchange="x" * 5000) for n in range(40)]
    + [tick(n, exchange="NAZQ"[n % 4]) for n in range(40, 60)],
    "bars": [bar(n) for n in range(6)],
    "actions": [action(n) for n in range(4)],
}


@pytest.mark.parametrize("topic", [TICKS, BARS, ACTIONS], ids=lambda topic: topic.stage)
def test_every_row_is_found_by_each_of_its_values(topic: Topic, tmp_path: Path) -> None:
    values: list[bytes | None] = [encode(message) for message in MESSAGES[topic.stage]] + [b"{bad", None]
    parts, first, following = [], {}, {}
    for partition in range(2):
        chunk = Chunk(partition, np.arange(len(values)), values, np.full(len(values), 1381300000123))
        parts.append(rows_of(topic, chunk, Decoder(topic), "topic", "landing"))
        parts.append(gap_row(topic, partition, len(values), len(values) + 4, "test", "topic", "landing"))
        first[partition], following[partition] = 0, len(values) + 5
    given = pa.concat_tables(parts)
    table = open_or_create_table(str(tmp_path), topic.table)
    landing = commit(str(tmp_path), topic, table, given, "topic", first, following, "landing")
    assert (landing.accepted, landing.rejected, landing.gaps) == (2 * len(values) - 4, 4, 10)

    stored = table.to_pyarrow_dataset()
    order = [("kafka_partition", "ascending"), ("kafka_offset", "ascending")]
    rows = stored.to_table().sort_by(order).to_pylist()
    assert rows == given.sort_by(order).to_pylist()
    for field in stored.schema:
        if not pa.types.is_nested(field.type):
            for value in {row[field.name] for row in rows}:
                sought = ds.field(field.name)
                sought = sought.is_null() if value is None else sought == pa.scalar(value, field.type)
                found = stored.to_table(filter=sought).num_rows
                assert found == sum(row[field.name] == value for row in rows), (field.name, value)


def test_bounds_are_of_all_parts_of_a_file(tmp_path: Path) -> None:
    texts = pa.chunked_array([["N", "B", "x" * 5000, None], ["N", None, "M", "N"], [None] * 4])
    rows = pa.table({"text": texts, "number": list(range(12)), "one": texts.dictionary_encode(), "none": pa.nulls(12)})
    written: list[pq.FileMetaData] = []
    pq.write_table(rows, tmp_path / "file", row_group_size=4, metadata_collector=written)
    found = statistics(rows, written[0])
    assert found["minValues"] == {"text": "B", "number": 0, "one": "B"}
    assert found["maxValues"] == {"text": "x" * 5000, "number": 11, "one": "x" * 5000}
    assert found["nullCount"] == {"text": 6, "number": 0, "one": 6, "none": 12} and found["numRecords"] == 12


def test_one_file_a_partition_of_the_table(tmp_path: Path) -> None:
    values: list[bytes | None] = [encode(tick(n)) for n in range(300)]
    rows = [
        rows_of(
            TICKS, Chunk(p, np.arange(300), values, np.zeros(300, dtype=np.int64)), Decoder(TICKS), "topic", "landing"
        )
        for p in range(2)
    ]
    table = open_or_create_table(str(tmp_path), TICKS.table)
    commit(str(tmp_path), TICKS, table, pa.concat_tables(rows), "topic", {0: 0, 1: 0}, {0: 300, 1: 300}, "landing")
    folders = sorted(str(Path(uri).parent).split("raw/ticks/")[1] for uri in table.file_uris())
    assert folders == [f"trading_day={day}/kafka_partition={p}" for day in (DAY, NEXT_DAY) for p in range(2)]
