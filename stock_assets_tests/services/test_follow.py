"""The continuous landing: `stock-assets land --follow` as a process of its own."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_table, read_sessions
from stock_assets.landing.plan import plan_landing
from stock_assets.raw.completeness import prove
from stock_assets.settings.kafka import Broker
from stock_assets.topic.leadership import somebody_leads
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import TICKS, create_topics, topic_state
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.landing_records import DAY, tick


@pytest.fixture
def followed(kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A lake that processes started from here land into."""
    create_topics(kafka, 3)
    lake = str(tmp_path / "lake")
    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    return lake


@contextmanager
def following() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "stock_assets.cli", "land", "--follow", "--every", "0.2"]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def test_records_are_landed_as_they_come_and_a_stop_is_clean(
    kafka: Broker, followed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with following() as process:
        for step in range(3):
            publish(kafka, (tick(n, DAY) for n in range(step * 100, step * 100 + 100)))
            wait_for(lambda: stored_up_to(followed, kafka), 60)
        assert somebody_leads(kafka)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert "100 accepted" in said
    wait_for(lambda: not somebody_leads(kafka))
    assert all(proof.holds for proof in prove(followed, TICKS))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        reported = instance.fetch_materializations(dg.AssetKey(["raw", "ticks"]), limit=1000).records
    assert DAY.isoformat() in {record.partition_key for record in reported}  # other tests publish to this topic, too
    rows = [
        record.asset_materialization.metadata["dagster/row_count"].value  # type: ignore[union-attr]
        for record in reported
        if record.partition_key == DAY.isoformat()
    ]
    assert sum(rows) == read_sessions(followed, RAW_TICKS, ["symbol"], DAY, DAY).num_rows >= 300  # type: ignore[arg-type]


def test_a_second_one_takes_over_when_the_first_is_killed(kafka: Broker, followed: str) -> None:
    with following() as first:
        publish(kafka, (tick(n, DAY) for n in range(1000, 1100)))
        wait_for(lambda: stored_up_to(followed, kafka), 60)
        with following():
            first.kill()
            first.wait(30)
            publish(kafka, (tick(n, DAY) for n in range(1100, 1200)))
            wait_for(lambda: stored_up_to(followed, kafka), 60)
    assert all(proof.holds for proof in prove(followed, TICKS))


def stored_up_to(lake: str, kafka: Broker) -> bool:
    """Everything the topic holds is in the lake."""
    state, table = topic_state(kafka, TICKS), open_table(lake, RAW_TICKS)
    return state is not None and table is not None and not plan_landing(table, TICKS, state).lag
