"""Micro-batches cut anywhere, repeated, broken off, beside changes that no batch tells: the windows end equal to the batch's."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark.delta_tables import read
from spark.jobs import build_minute_bars
from spark.window_minutes import bars_of_touched
from stock_assets.domain.live_tables import INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS
from stock_assets.domain.messages import Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.table import Table
from stock_assets.domain.tables import MINUTE_BARS, RAW_TICKS
from stock_assets.lake.offsets import REDRIVE
from stock_assets.lake.tables import read_sessions
from stock_assets.live import batch as batches
from stock_assets.live import store as live_store
from stock_assets.live.batch import Taken, build_differing, take_batch
from stock_assets.live.sessions import build_session, compute_session
from stock_assets.live.store import MicroBatch, read_rows
from stock_assets.raw import withdrawal
from stock_assets.raw.compaction import compact
from stock_assets.raw.withdrawal import withdraw
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import TICKS
from stock_assets_tests.pipeline.raw_lake import DAY, NEXT_DAY, TOPIC_ID, land, redrive_all, stored

LIVE = (INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS)
MINUTE_US = 60_000_000


def trade(minute: float, symbol: str = "AAA", day: date = DAY, price: float = 10.0, **more: Any) -> bytes:
    """A trade so many minutes after the session's open."""
    at = instant(session(day).open_time) + round(minute * MINUTE_US)
    name = more.pop("event_id", f"{symbol}/{at}/{price}")
    given = {"source": "simulator", "currency": "USD", "size": 100} | more
    return encode(Tick(symbol=symbol, event_time=at, price=price, event_id=name, **given))


class Stream:
    """Landings as the stream hands them out, each once unless it is asked to again."""

    def __init__(self, spark: SparkSession, lake: str, query: str = "query") -> None:
        self.spark, self.lake, self.query = spark, lake, query
        self.number = -1
        self.waiting: list[str] = []
        self.last: list[str] = []

    def land(self, *records: bytes, partition: int = 0, strict: bool = False) -> None:
        self.waiting.append(land(self.lake, records, partition, strict=strict).landing_id)

    def redrive(self) -> None:
        """Accept what is in quarantine and good now; its rows are appended, and so come as a batch."""
        redrive_all(self.lake)
        names = set(stored(self.lake)["landing_id"].to_pylist())
        self.waiting += [name for name in names if name.startswith(REDRIVE)]

    def deliver(self) -> Taken | None:
        """What was landed since the last batch, as one batch."""
        self.number += 1
        self.last, self.waiting = self.waiting, []
        return self.again()

    def again(self) -> Taken | None:
        """The last batch once more, as after a crash."""
        rows = read(self.spark, self.lake, RAW_TICKS).where(F.col("landing_id").isin(*self.last))
        return take_batch(self.spark, self.lake, rows, MicroBatch(self.query, self.number))

    def look(self) -> list[date]:
        return build_differing(self.spark, self.lake, read_rows(self.lake, WINDOW_PROGRESS).to_pylist())


@pytest.fixture
def stream(spark: SparkSession, lake: str) -> Stream:
    return Stream(spark, lake)


def held(lake: str, table: Table, day: date, without: str = "final") -> list[tuple[Any, ...]]:
    rows = read_rows(lake, table)
    return _in_order(rows.filter(pa.compute.equal(rows["trading_day"], day)), table, without)


def _in_order(rows: pa.Table, table: Table, without: str = "final") -> list[tuple[Any, ...]]:
    names = [name for name in table.names if name != without]
    return sorted(tuple(repr(row[name]) for name in names) for row in rows.to_pylist())


def assert_equal(spark: SparkSession, lake: str, *days: date) -> None:
    """Each live table holds what one pass over the session's raw ticks computes."""
    for day in days:
        for table, wanted in zip(LIVE, compute_session(spark, lake, day), strict=True):
            assert held(lake, table, day) == _in_order(wanted, table), (table.path, day)


def late_offsets(lake: str) -> list[tuple[int, int]]:
    rows = read_rows(lake, LATE_TICKS).to_pylist()
    return sorted((row["kafka_partition"], row["kafka_offset"]) for row in rows)


def test_a_window_holds_the_batch_s_minutes(stream: Stream) -> None:
    stream.land(*(trade(n / 2, price=10 + n % 7) for n in range(80)))
    taken = stream.deliver()
    assert taken is not None and (taken.ticks, taken.minutes, taken.late, taken.whole) == (80, 40, 0, ())
    assert_equal(stream.spark, stream.lake, DAY)
    build_minute_bars(stream.spark, stream.lake, DAY, DAY)
    names = ["symbol", "source", "start_time", "open", "high", "low", "close", "volume", "trade_count"]
    bars = read_sessions(stream.lake, MINUTE_BARS, names).sort_by("start_time").to_pylist()
    windows = read_rows(stream.lake, INTRADAY_WINDOWS).sort_by("start_time").to_pylist()
    assert [{name: row[name] for name in names} for row in windows if row["window_minutes"] == 1] == bars
    last = max((row for row in windows if row["window_minutes"] == 15), key=lambda row: row["end_time"])
    assert (last["minutes_covered"], last["trade_count"], last["volume"]) == (15, 30, 3000)


def test_a_late_tick_is_listed_and_repairs_its_windows(stream: Stream) -> None:
    stream.land(*(trade(n) for n in range(20)))
    stream.deliver()
    stream.land(trade(3.5, price=99.0), trade(20), trade(15.5, price=98.0))
    taken = stream.deliver()
    assert taken is not None and taken.late == 1 and late_offsets(stream.lake) == [(0, 20)]
    (row,) = read_rows(stream.lake, LATE_TICKS).to_pylist()
    assert row["newest_time"] == datetime(2013, 10, 7, 13, 49, tzinfo=UTC)
    assert_equal(stream.spark, stream.lake, DAY)


def test_a_tick_from_the_future_makes_no_other_one_late_and_no_window_final(stream: Stream) -> None:
    stream.land(trade(1), trade(23 * 60), *(trade(n) for n in range(2, 12)))
    taken = stream.deliver()
    assert taken is not None and taken.late == 0
    rows = read_rows(stream.lake, INTRADAY_WINDOWS).to_pylist()
    # the broker stored them a session later, so the tick is no lie in this lake: only what it claims beyond that is cut
    assert all(row["end_time"] <= datetime(2013, 10, 9, 2, tzinfo=UTC) for row in rows if row["final"])
    assert_equal(stream.spark, stream.lake, DAY, NEXT_DAY)


def test_windows_become_final_as_their_partition_moves_on(stream: Stream) -> None:
    stream.land(*(trade(n) for n in range(10)))
    stream.land(*(trade(n, "BBB") for n in range(3)), partition=1)
    stream.deliver()
    stream.land(*(trade(n) for n in range(40, 70)))  # an hour on; the other partition stays behind
    stream.deliver()
    final = {(row["symbol"], row["final"]) for row in read_rows(stream.lake, INTRADAY_WINDOWS).to_pylist()}
    assert final == {("AAA", True), ("AAA", False), ("BBB", False)}
    ends = {
        row["end_time"] for row in read_rows(stream.lake, INTRADAY_WINDOWS).to_pylist()
        if row["symbol"] == "AAA" and not row["final"]
    }  # fmt: skip
    assert min(ends) > datetime(2013, 10, 7, 14, 34, tzinfo=UTC)


def test_a_batch_that_is_handed_out_again_changes_nothing(stream: Stream) -> None:
    stream.land(trade(0), trade(20), trade(1))
    assert stream.deliver() is not None
    versions = [read_rows(stream.lake, table).num_rows for table in LIVE]
    assert stream.again() is None
    assert [read_rows(stream.lake, table).num_rows for table in LIVE] == versions


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_batch_that_breaks_off_is_made_whole(stream: Stream, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    stream.land(*(trade(n) for n in range(12)))
    stream.deliver()
    stream.land(trade(12), trade(1.5, price=50.0), trade(13, "BBB"))
    breaking(monkeypatch, call)
    with pytest.raises(OSError, match="full"):
        stream.deliver()
    monkeypatch.undo()
    stream.again()
    assert_equal(stream.spark, stream.lake, DAY)
    assert late_offsets(stream.lake) == [(0, 13)]


def breaking(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """The disk is full at the so-manieth commit."""
    calls = iter(range(1, 100))

    def broken(*given: Any, **named: Any) -> None:
        if next(calls) == call:
            raise OSError("the disk is full")
        live_store.replace(*given, **named)

    monkeypatch.setattr(batches, "replace", broken)


def test_a_lost_checkpoint_repeats_and_doubles_nothing(spark: SparkSession, lake: str) -> None:
    first = Stream(spark, lake)
    first.land(*(trade(n) for n in range(12)))
    first.deliver()
    second = Stream(spark, lake, "another query")
    second.land(trade(2.5, price=44.0))
    assert build_differing(spark, lake, read_rows(lake, WINDOW_PROGRESS).to_pylist(), None) == [DAY]
    second.deliver()
    assert_equal(spark, lake, DAY)
    assert late_offsets(lake) == [(0, 12)]


def test_what_was_landed_before_the_stream_began_is_in_the_windows(stream: Stream) -> None:
    stream.land(*(trade(n, "BBB") for n in range(5)), partition=1)
    stream.land(*(trade(n) for n in range(5)))
    stream.waiting.clear()
    stream.land(trade(6))
    taken = stream.deliver()
    assert taken is not None and taken.whole == (DAY,)
    assert_equal(stream.spark, stream.lake, DAY)


def without_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "topic_state", lambda broker, topic: None)


def test_what_no_batch_tells_is_found(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    without_broker(monkeypatch)
    stream.land(*(trade(n, price=10 + n) for n in range(12)))
    stream.land(trade(0, "STRICT"), trade(4, "STRICT"), partition=1, strict=True)
    stream.deliver()
    assert stream.look() == []
    withdraw(stream.lake, Broker("127.0.0.1:1"), TICKS, 0, 11, "a fat finger")
    assert stream.look() == [DAY]
    stream.redrive()
    compact(stream.lake, RAW_TICKS, DAY)
    stream.land(trade(11, "BBB"))
    stream.deliver()
    stream.look()
    assert_equal(stream.spark, stream.lake, DAY)
    assert {row["symbol"] for row in read_rows(stream.lake, INTRADAY_WINDOWS).to_pylist()} == {"AAA", "BBB", "STRICT"}


def test_another_writer_of_the_session_makes_the_batch_compute_again(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.land(*(trade(n) for n in range(5)))
    stream.deliver()
    stream.land(trade(6))
    calls = iter(range(100))

    def raced(*given: Any) -> Any:
        if next(calls) == 0:
            build_session(stream.spark, stream.lake, DAY)
        return bars_of_touched(*given)

    monkeypatch.setattr(batches, "bars_of_touched", raced)
    assert stream.deliver() is not None
    assert next(calls) == 2  # refused once
    assert_equal(stream.spark, stream.lake, DAY)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 6))])
def test_any_order_of_events_ends_equal(stream: Stream, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    without_broker(monkeypatch)
    chance = random.Random(seed)
    clock = [0.0, 0.0]
    landed = [0, 0]

    def some(partition: int) -> None:
        records = []
        for _ in range(chance.randint(1, 30)):
            clock[partition] += chance.choice([0, 0.1, 0.5, 1, 20 if chance.random() < 0.1 else 2])
            at = max(0.0, clock[partition] - chance.choice([0, 0, 0, 0.2, 8, 70]))
            source = chance.choice(["simulator", "simulator", "yahoo_stream"])
            symbol = chance.choice(["AAA", "BBB"]) + str(partition)
            size = {"size": None, "day_volume": round(at * 100)} if source == "yahoo_stream" else {}
            price = round(chance.uniform(9, 11), 2)
            day = chance.choice([DAY, DAY, NEXT_DAY])
            records.append(trade(at, symbol, day, price, source=source, **size))
            if chance.random() < 0.1:
                records.append(records[-1])
        stream.land(*records, partition=partition)
        landed[partition] += len(records)

    def take_out() -> None:
        offset = chance.randrange(landed[0]) if landed[0] else None
        if offset is not None:
            try:
                withdraw(stream.lake, Broker("127.0.0.1:1"), TICKS, 0, offset, "why not")
            except Exception as refused:  # noqa: BLE001
                assert "withdrawn" in str(refused)

    steps: list[Callable[[], object]] = [
        lambda: some(0), lambda: some(1), lambda: some(chance.randrange(2)), stream.deliver, stream.deliver, stream.again,
        take_out, lambda: compact(stream.lake, RAW_TICKS, DAY), stream.look,
    ]  # fmt: skip
    some(0)
    stream.deliver()
    for _ in range(14):
        chance.choice(steps)()
    stream.deliver()
    stream.look()
    assert TOPIC_ID in {row["topic_id"] for row in read_rows(stream.lake, WINDOW_PROGRESS).to_pylist()}
    assert_equal(stream.spark, stream.lake, DAY, NEXT_DAY)
