"""The command for Yahoo's history: six symbols of which three cannot be taken, published to the real broker."""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.domain.sessions import sessions_between
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import BARS
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo
from stock_assets_tests.fakes.yahoo_answers import DailyBar, Listing, chart_with_split_of_nothing
from stock_assets_tests.services.landing_records import read_topic


def test_what_cannot_be_taken_is_told_and_holds_back_nothing(
    kafka: Broker, yahoo: FakeYahoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YAHOO_PROXY", yahoo.proxy)
    monkeypatch.setenv("YAHOO_CA_BUNDLE", str(yahoo.ca_bundle))
    last = datetime.now(UTC).date() - timedelta(days=2)
    days = sessions_between(last - timedelta(days=20), last)
    bars = [DailyBar(day, 100.0, 101.0, 99.0, 100.5, 1000) for day in days]
    zones = {"BTC-USD": "UTC", "7203.T": "Asia/Tokyo", "SHOP.TO": "America/Toronto"}
    for symbol in ("AAPL", "BTC-USD", "7203.T", "SHOP.TO", "MSFT"):
        yahoo.listings[symbol] = Listing(bars, zone=zones.get(symbol, "America/New_York"))
    yahoo.literal["BAD1"] = chart_with_split_of_nothing(Listing(bars), "BAD1", days[3])
    asked = "AAPL,BAD1,BTC-USD,7203.T,SHOP.TO,MSFT"
    result = CliRunner().invoke(app, ["produce", "yahoo-history", "--symbols", asked])
    print(result.output)
    assert f"published {4 * len(days)} to" in result.output  # BAD1's bars are good
    published = {record["symbol"] for record in read_topic(kafka, BARS) if record["source"] == "yahoo"}
    assert {"AAPL", "BAD1", "SHOP.TO", "MSFT"} <= published and not {"BTC-USD", "7203.T"} & published
    for symbol, reason in (
        ("BAD1", "split of inf is no ratio"),
        ("BTC-USD", "time zone UTC"),
        ("7203.T", "time zone Asia/Tokyo"),
    ):
        assert any(symbol in line and reason in line for line in result.output.splitlines())
