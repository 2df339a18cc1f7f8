"""What OpenLineage is told of runs of real assets: ids, kinds, datasets, sessions, rows, causes; and never a secret."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from stock_assets.definitions import build_definitions
from stock_assets.defs.lineage_datasets import Datasets, Named
from stock_assets.settings.platform import Settings
from stock_assets_tests.fakes.lineage_graph import DAYS, MINUTES, Looks, assets, lands, run
from stock_assets_tests.fakes.lineage_receiver import Event, FakeReceiver

SECRET, KEY = "hunter2 hunter2", "key-of-the-receiver"
LAKE = Named("file", "/lake/bars/minute_bars")


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with FakeReceiver().listening() as listening:
        yield listening


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def told(instance: dg.DagsterInstance, receiver: FakeReceiver, **settings: str) -> dict[tuple[str, str], Event]:
    """The events by job and kind; each is there once, and each run has a START and an end."""
    looks = Looks(instance, OPENLINEAGE_URL=receiver.url, LAKE_ROOT="/lake", **settings)
    looks.look_until_told()
    events = {(each["job"]["name"], each["eventType"]): each for each in receiver.events}
    assert len(events) == len(receiver.events)
    for _, of_run in _by_run(receiver.events):
        kinds = [each["eventType"] for each in of_run]
        assert len(kinds) == 2 and kinds[0] == "START" and kinds[1] != "START"
        assert of_run[0]["eventTime"] <= of_run[1]["eventTime"]
    return events


def _by_run(events: list[Event]) -> list[tuple[str, list[Event]]]:
    ids = dict.fromkeys(each["run"]["runId"] for each in events)
    return [(run_id, [each for each in events if each["run"]["runId"] == run_id]) for run_id in ids]


def names(datasets: list[dict[str, Any]]) -> list[Named]:
    return [Named(each["namespace"], each["name"]) for each in datasets]


def rows(event: Event) -> int | None:
    (output,) = event["outputs"]
    found: int | None = output["outputFacets"].get("outputStatistics", {}).get("rowCount")
    return found


def test_a_run_its_steps_and_what_they_read_and_wrote(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    run_id = run(instance, assets(), partition_key=DAYS[1])
    events = told(instance, receiver, KAFKA_BOOTSTRAP_SERVERS="one:9092,two:9092")
    job, step = "materialization", "materialization.bars__minute_bars"
    assert set(events) == {
        (name, kind) for name in (job, step, "materialization.raw__ticks") for kind in ("START", "COMPLETE")
    }
    assert events[job, "START"]["run"]["runId"] == run_id and not events[job, "COMPLETE"]["outputs"]
    done = events[step, "COMPLETE"]
    assert done["run"]["runId"] == str(uuid.uuid5(uuid.UUID(run_id), "bars__minute_bars"))
    assert (names(done["inputs"]), names(done["outputs"])) == ([Named("file", "/lake/raw/ticks")], [LAKE])
    assert rows(done) == 42
    facets = done["run"]["facets"]
    assert facets["parent"]["run"]["runId"] == run_id and facets["parent"]["job"]["name"] == job
    nominal = facets["nominalTime"]
    assert nominal["nominalStartTime"] == "2013-03-02T00:00:00-05:00"
    assert nominal["nominalEndTime"] == "2013-03-03T00:00:00-05:00"
    assert done["job"]["facets"]["jobType"]["jobType"] == "STEP"
    assert names(events[step, "START"]["outputs"]) == [LAKE] and rows(events[step, "START"]) is None


def test_what_a_drain_wrote_are_the_sessions_it_reports(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    run(instance, assets(ticks=lands)[:1], partition_key=DAYS[2])
    done = told(instance, receiver, KAFKA_BOOTSTRAP_SERVERS="one:9092,two:9092")[
        "materialization.raw__ticks", "COMPLETE"
    ]
    assert rows(done) == 30 + 12
    assert names(done["inputs"]) == [Named("kafka://one:9092", "stock-market-realtime")]
    (output,) = done["outputs"]
    parts = output["outputFacets"]["subset"]["outputCondition"]["partitions"]
    assert [each["dimensions"] for each in parts] == [{"trading_day": day} for day in DAYS[:2]]
    (tag,) = done["run"]["facets"]["tags"]["tags"]
    assert tag["value"] == f"{DAYS[0]} to {DAYS[1]}"


def test_rows_of_a_range_count_once(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    given = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[2]}
    run(instance, assets()[1:], tags=given)
    events = told(instance, receiver)
    done = events["materialization.bars__minute_bars", "COMPLETE"]
    assert rows(done) == 42
    assert len(done["outputs"][0]["outputFacets"]["subset"]["outputCondition"]["partitions"]) == 3
    start = events["materialization", "START"]["run"]["facets"]["nominalTime"]
    assert start["nominalStartTime"].startswith(DAYS[0]) and start["nominalEndTime"].startswith("2013-03-04")


def test_a_failure_says_why_and_what_follows_is_not_told(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    def refused(_: dg.AssetExecutionContext) -> Iterator[Any]:
        raise dg.Failure(f"the warehouse refuses {SECRET} and hunter2%20hunter2", allow_retries=False)

    run(instance, assets(ticks=refused), partition_key=DAYS[0])
    events = told(instance, receiver, SNOWFLAKE_PASSWORD=SECRET, OPENLINEAGE_API_KEY=KEY)
    assert {name for name, _ in events} == {"materialization", "materialization.raw__ticks"}
    failed = events["materialization.raw__ticks", "FAIL"]
    assert failed["run"]["facets"]["errorMessage"]["message"] == "the warehouse refuses *** and ***"
    assert not failed["outputs"] and failed["inputs"]
    assert "the warehouse refuses ***" in events["materialization", "FAIL"]["run"]["facets"]["errorMessage"]["message"]
    for body, headers in zip(receiver.bodies, receiver.headers, strict=True):
        assert b"hunter2" not in body and KEY.encode() not in body
        assert headers["Authorization"] == f"Bearer {KEY}"


def test_a_run_that_somebody_ends_is_aborted(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    def canceled(context: dg.AssetExecutionContext) -> Iterator[Any]:
        context.instance.report_run_canceling(context.run)
        raise KeyboardInterrupt

    run(instance, assets(minutes=canceled), partition_key=DAYS[0])
    events = told(instance, receiver)
    kinds = {name.rpartition(".")[2]: kind for name, kind in events if kind != "START"}
    assert kinds == {"materialization": "ABORT", "raw__ticks": "COMPLETE", "bars__minute_bars": "ABORT"}


def test_a_step_whose_process_was_killed_failed_with_its_run(
    instance: dg.DagsterInstance, receiver: FakeReceiver
) -> None:
    events: dict[tuple[str, str], Event] = {}

    def killed(context: dg.AssetExecutionContext) -> Iterator[Any]:
        # what a monitor reports of a run whose process is gone: the step has no end
        context.instance.report_run_failed(context.run, "the process was killed")
        events.update(told(instance, receiver))
        yield dg.MaterializeResult()

    run(instance, assets(ticks=killed)[:1], partition_key=DAYS[0])
    failed = events["materialization.raw__ticks", "FAIL"]
    assert failed["run"]["facets"]["errorMessage"]["message"] == "the process was killed"
    assert failed["eventTime"] == events["materialization", "FAIL"]["eventTime"]


def test_a_run_that_never_started_failed(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    lost = dg.DagsterRun(job_name="drain", run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTING)
    instance.report_run_failed(instance.add_run(lost), "no process could be started")
    events = told(instance, receiver)
    assert set(events) == {("drain", "START"), ("drain", "FAIL")}
    assert "no process" in events["drain", "FAIL"]["run"]["facets"]["errorMessage"]["message"]


S3 = {"LAKE_ROOT": "s3://bucket/a/lake", "AWS_SECRET_ACCESS_KEY": SECRET}
ACCOUNT = {"SNOWFLAKE_ACCOUNT": "myorg-myaccount", "SNOWFLAKE_PASSWORD": SECRET}
BI = {"SERVING_DATABASE_URL": f"postgresql://loader:{SECRET.replace(' ', '')}@db:5433/bi"}


@pytest.mark.parametrize(
    ("key", "settings", "named"),
    [
        ("kafka/batch", {"KAFKA_BATCH_TOPIC": ""}, ("kafka://127.0.0.1:9092", "stock-market-batch")),
        ("raw/ticks", {"LAKE_ROOT": "/a/lake"}, ("file", "/a/lake/raw/ticks")),
        ("metrics/daily_metrics", S3, ("s3://bucket", "a/lake/metrics/daily_metrics")),
        ("live/patterns", {"LAKE_ROOT": "s3://bucket"}, ("s3://bucket", "live/patterns")),
        ("warehouse/stocks", ACCOUNT, ("snowflake://myorg-myaccount", "STOCKMARKETBATCH.PUBLIC.STOCKS")),
        ("marts/dim_stocks", {}, ("snowflake://127.0.0.1:8085", "STOCKMARKETBATCH.PUBLIC.DIM_STOCKS")),
        ("serving/daily_prices", BI, ("postgres://db:5433", "bi.serving.daily_prices")),
        ("serving/runs", {}, ("postgres://127.0.0.1:15432", "serving.serving.runs")),
        ("sources/history", {}, ("stock_assets", "sources/history")),
        ("raw/quarantine", {"OPENLINEAGE_NAMESPACE": "mine"}, ("mine", "raw/quarantine")),
    ],
)
def test_datasets_have_the_names_that_other_programs_give_them(
    key: str, settings: dict[str, str], named: tuple[str, str]
) -> None:
    assert Datasets(Settings(settings), {}).named(dg.AssetKey(key.split("/"))) == named


def test_a_step_does_not_read_what_it_makes_itself() -> None:
    topic, ticks, bars = (dg.AssetKey([name]) for name in ("topic", "ticks", "bars"))
    datasets = Datasets(Settings({}), {ticks: [topic], bars: [ticks, topic]})
    assert (datasets.read([bars]), datasets.read([ticks, bars])) == ([ticks, topic], [topic])


def test_every_asset_is_a_dataset_of_its_own() -> None:
    settings = Settings({"STOCK_ASSETS_LOCAL": "/nowhere", "OPENLINEAGE_URL": "http://127.0.0.1:1"})
    keys = [spec.key for spec in build_definitions(settings).resolve_all_asset_specs()]
    names = [Datasets(settings, {}).named(key) for key in keys]
    assert len(set(names)) == len(keys) and MINUTES in keys
