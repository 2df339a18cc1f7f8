"""After an outage only the missing cells are asked for: the asset, the real yfinance and a real broker."""

from datetime import date, datetime, time
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import tenacity.nap

from stock_assets.defs.fetch_schedules import fetch_schedules
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.resources import Kafka, Lake
from stock_assets.defs.vendor_history import vendor_history
from stock_assets.domain.sessions import EXCHANGE_ZONE, sessions_between
from stock_assets.domain.universe import Universe
from stock_assets.landing.commit import land
from stock_assets.publishers.catch_up import missing_cells
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import BARS
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo
from stock_assets_tests.fakes.yahoo_answers import DailyBar, Listing

DAYS = sessions_between(date(2021, 7, 1), date(2021, 7, 30))


@pytest.fixture
def market(yahoo: FakeYahoo) -> FakeYahoo:
    bars = [DailyBar(day, 100.0, 101.0, 99.0, 100.5, 1000 + n) for n, day in enumerate(DAYS)]
    for symbol in ("CUA", "CUB"):
        yahoo.listings[symbol] = Listing(bars)
    return yahoo


def run(
    settings: Settings, lake: str, kafka: Broker, first: date, last: date, **config: bool
) -> dg.AssetMaterialization:
    partitions = session_partitions(date(2021, 6, 1))
    done = dg.materialize(
        [vendor_history(partitions, settings)],
        resources={"lake": Lake(root=lake), "kafka": Kafka(bootstrap=kafka.bootstrap)},
        tags={"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)},
        run_config=dg.RunConfig(ops={"sources__history": {"config": config}}),
    )
    assert done.success
    return done.asset_materializations_for_node("sources__history")[0]


def asked(yahoo: FakeYahoo) -> set[str]:
    return {request.path.rsplit("/", 1)[1] for request in yahoo.asked_history()}


def published(event: dg.AssetMaterialization) -> object:
    return event.metadata["published"].value


def test_only_what_the_lake_lacks_is_asked_for(market: FakeYahoo, kafka: Broker, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    values = {"SYMBOLS": "CUA,CUB", "YAHOO_PROXY": market.proxy, "YAHOO_CA_BUNDLE": str(market.ca_bundle)}
    settings = Settings(values)
    assert published(run(settings, lake, kafka, DAYS[0], DAYS[9])) == 20
    list(land(lake, kafka, BARS))
    assert missing_cells(lake, "yahoo", ["CUA", "CUB"], DAYS) == {"CUA": DAYS[10:], "CUB": DAYS[10:]}

    # an outage: CUA was fetched once more on its own, CUB was not
    assert published(run(Settings(values | {"SYMBOLS": "CUA"}), lake, kafka, DAYS[8], DAYS[-1])) == len(DAYS) - 10
    list(land(lake, kafka, BARS))
    market.requests.clear()
    assert published(run(settings, lake, kafka, DAYS[0], DAYS[-1])) == len(DAYS) - 10
    assert asked(market) == {"CUB"}
    (since,) = {int(request.query["period1"]) for request in market.asked_history()}
    assert datetime.fromtimestamp(since, EXCHANGE_ZONE).date() == DAYS[10]
    list(land(lake, kafka, BARS))

    market.requests.clear()
    assert published(run(settings, lake, kafka, DAYS[0], DAYS[-1])) == 0
    assert asked(market) == set()
    assert published(run(settings, lake, kafka, DAYS[0], DAYS[-1], again=True)) == 0
    assert asked(market) == {"CUA", "CUB"}


def test_a_week_of_schedules_leaves_no_session_missing(
    market: FakeYahoo, kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Wednesday the machine is off, and on Thursday Yahoo fails; Friday's fetch makes up for both."""
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: None))
    lake, week = str(tmp_path / "lake"), DAYS[6:11]
    assert [day.weekday() for day in week] == [0, 1, 2, 3, 4]
    for symbol in ("CWA", "CWB"):  # the topic has others' bars, which this lake lands too
        market.listings[symbol] = market.listings["CUA"]
    values = {"SYMBOLS": "CWA,CWB", "YAHOO_PROXY": market.proxy, "YAHOO_CA_BUNDLE": str(market.ca_bundle)}
    settings = Settings(values | {"HISTORY_SOURCES": "yahoo", "FIRST_SESSION": str(week[0])})
    (after_close,) = (each for each in fetch_schedules(settings) if each.name == "fetch_after_close")
    for day in (week[0], week[1], week[3], week[4]):
        market.recover()
        if day == week[3]:
            market.fail("500", history_only=True)
        at = datetime.combine(day, time(16, 30), EXCHANGE_ZONE)
        request = after_close(dg.build_schedule_context(scheduled_execution_time=at))
        assert isinstance(request, dg.RunRequest)
        done = dg.materialize(
            [vendor_history(session_partitions(settings.dagster.first_session), settings)],
            resources={"lake": Lake(root=lake), "kafka": Kafka(bootstrap=kafka.bootstrap)},
            partition_key=request.partition_key,
            run_config=request.run_config,
            raise_on_error=False,
        )
        assert done.success == (day != week[3])
        list(land(lake, kafka, BARS))
    assert missing_cells(lake, "yahoo", ["CWA", "CWB"], week) == {}


def test_a_symbol_that_is_gone_is_said_and_the_others_come(market: FakeYahoo, kafka: Broker, tmp_path: Path) -> None:
    values = {"SYMBOLS": "CUNONE,CUA", "YAHOO_PROXY": market.proxy, "YAHOO_CA_BUNDLE": str(market.ca_bundle)}
    event = run(Settings(values), str(tmp_path / "lake"), kafka, DAYS[0], DAYS[2])
    assert published(event) == 3
    assert "CUNONE" in str(event.metadata["symbols"].value)


def test_days_outside_of_a_symbol_s_life_are_not_missing(tmp_path: Path) -> None:
    text = "symbol,active_from,active_to,renamed_to\nLATE,2021-07-20,,\nGONE,,2021-07-02,\n"
    found = missing_cells(str(tmp_path), "yahoo", ["LATE", "GONE"], DAYS, Universe.parse(text, "file"))
    assert found == {"LATE": [day for day in DAYS if day >= date(2021, 7, 20)], "GONE": DAYS[:2]}
