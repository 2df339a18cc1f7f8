"""A lake after a soak -> whether it holds exactly what was acknowledged, and the bars of the clean stream."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stock_assets.domain.messages import Tick
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TICKS
from stock_assets.lake.tables import open_table, read_sessions
from stock_assets.raw.completeness import prove
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import TICKS
from stock_assets_tests.chaos.stream import DAYS, split, store_cleanly

BOOKKEEPING = {"year", "repeats", "bars_used", "bars_revision", "actions_used"}


def check(
    settings: Settings, ticks: list[Tick], sent: Counter[str], poison: list[bytes], clean_root: str
) -> dict[str, Any]:
    """Assert what a soak is for; the numbers to print."""
    proofs = prove(settings.lake_root, TICKS)
    assert proofs and all(proof.holds for proof in proofs), "\n".join(map(str, proofs))
    table = open_table(settings.lake_root, RAW_TICKS)
    assert table is not None
    names = ["topic_id", "kafka_partition", "kafka_offset", "offset_span", "event_id", "trading_day"]
    stored = table.to_pyarrow_table(columns=[*names, "rejected_because", "payload"]).to_pylist()
    rows = [row for row in stored if row["offset_span"]]  # one of no length only says that a topic was adopted
    offsets = Counter((row["topic_id"], row["kafka_partition"], row["kafka_offset"]) for row in rows)
    assert max(offsets.values()) == 1, "an offset was landed twice"
    accepted = Counter(row["event_id"] for row in rows if row["rejected_because"] is None)
    lost, added = sent - accepted, accepted - sent
    assert not lost and not added, (
        f"{lost.total()} acknowledged records are not in the lake, {added.total()} too many are"
    )
    rejected = [row["payload"] for row in rows if row["payload"] is not None]
    assert Counter(rejected) == Counter(poison)
    assert {row["trading_day"] for row in rows if row["trading_day"]} == set(DAYS)
    gaps = sum(proof.gaps for proof in proofs)
    assert gaps > 0
    store_cleanly(clean_root, ticks)
    for root in (clean_root, settings.lake_root):
        store_cleanly(root, [split()])
    built = _build_and_compare(settings, clean_root)
    return {"records": sum(sent.values()), "quarantined": len(rejected), "gaps": gaps, **built}


def _build_and_compare(settings: Settings, clean_root: str) -> dict[str, int]:
    """Bars and metrics of both lakes, value by value; rows per table."""
    from pyspark.sql import SparkSession

    from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars

    spark = SparkSession.builder.remote(settings.shared_spark_remote).getOrCreate()
    for root in (clean_root, settings.lake_root):
        build_minute_bars(spark, root, min(DAYS), max(DAYS))
        build_daily_bars(spark, root, min(DAYS), max(DAYS))
        build_daily_metrics(spark, root, settings.market.bar_sources)
    counts = {}
    for table in (MINUTE_BARS, DAILY_BARS, DAILY_METRICS):
        ours, clean = (_rows(root, table) for root in (settings.lake_root, clean_root))
        assert ours and ours == clean, f"{table.path} differs from the clean stream's"
        counts[table.path] = len(ours)
    return counts


def _rows(root: str, table: Table) -> list[dict[str, Any]]:
    names = [name for name in table.names if name not in BOOKKEEPING]
    order = [(name, "ascending") for name in table.key]
    found: list[dict[str, Any]] = read_sessions(root, table, names).sort_by(order).to_pylist()
    return found
