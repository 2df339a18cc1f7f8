"""Master data of stocks: the seed, what the REAL yfinance makes of Yahoo's answers, and what counts of both."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from stock_assets.defs.reference_assets import stock_statements
from stock_assets.defs.resources import Lake
from stock_assets.domain.errors import UnknownSymbol, UnusableAnswer
from stock_assets.domain.universe import Universe, default_universe
from stock_assets.lake.stocks import stocks
from stock_assets.settings.platform import Settings
from stock_assets.sources.yahoo_session import NotingSession, http_session
from stock_assets.sources.yahoo_stocks import fetch_description
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo


def described(name: str, exchange: str = "NMS", **profile: str) -> dict[str, Any]:
    """The modules that yfinance asks for, with what is read of them."""
    return {
        "quoteType": {"longName": name, "exchange": exchange, "symbol": name},
        "assetProfile": profile,
        "summaryDetail": {"currency": "USD"},
    }


@pytest.fixture
def http(yahoo: FakeYahoo) -> NotingSession:
    return http_session(yahoo.proxy, str(yahoo.ca_bundle))


def test_a_company_and_a_fund(yahoo: FakeYahoo, http: NotingSession) -> None:
    yahoo.descriptions["JPM"] = described("JPMorgan Chase & Co.", "NYQ", sector="Financial Services", industry="Banks")
    assert fetch_description("JPM", http) == {
        "name": "JPMorgan Chase & Co.", "exchange": "NYSE", "primary_market": "XNYS", "sector": "Financial Services",
        "industry": "Banks", "currency": "USD",
    }  # fmt: skip
    yahoo.descriptions["SPY"] = described("SPDR S&P 500 ETF Trust", "PCX")
    assert (fetch_description("SPY", http)["sector"], fetch_description("SPY", http)["primary_market"]) == (
        "unknown",
        "ARCX",
    )


def test_unknown_symbols_and_nameless_answers_are_told_apart(yahoo: FakeYahoo, http: NotingSession) -> None:
    with pytest.raises(UnknownSymbol, match="NOPE"):
        fetch_description("NOPE", http)
    yahoo.descriptions["X"] = {"quoteType": {"exchange": "NMS"}}
    with pytest.raises(UnusableAnswer, match="X has no name"):
        fetch_description("X", http)


def test_corrections_are_kept_and_one_failure_holds_back_no_other(yahoo: FakeYahoo, lake: str) -> None:
    settings = Settings(
        {
            "HISTORY_SOURCES": "yahoo", "SYMBOLS": "AAPL,GONE,META", "UNIVERSE": "AAPL,GONE,META",
            "YAHOO_PROXY": yahoo.proxy, "YAHOO_CA_BUNDLE": str(yahoo.ca_bundle),
        }
    )  # fmt: skip
    universe = Universe.of_symbols(("AAPL", "GONE", "META"))

    def run() -> dict[str, Any]:
        done = dg.materialize(
            [stock_statements(settings)], instance=dg.DagsterInstance.ephemeral(), resources={"lake": Lake(root=lake)}
        )
        (event,) = done.get_asset_materialization_events()
        return {name: value.value for name, value in event.materialization.metadata.items()}

    yahoo.descriptions["AAPL"] = described("Apple Inc.", sector="Technology", industry="Consumer Electronics")
    yahoo.descriptions["META"] = described("Meta Platforms, Inc.", sector="Communication Services", industry="Internet")
    told = run()
    assert told["changed"] == "AAPL, META" and "GONE" in told["failed"]
    assert run()["changed"] == "none"
    yahoo.descriptions["AAPL"] = described("Apple Computer", sector="Hardware", industry="Computers")
    assert run()["changed"] == "AAPL"
    rows = {row["symbol"]: row for row in stocks(lake, universe).to_pylist()}
    assert (rows["AAPL"]["name"], rows["AAPL"]["sector"], rows["AAPL"]["source"]) == (
        "Apple Computer",
        "Hardware",
        "yahoo",
    )
    assert rows["GONE"]["name"] == rows["GONE"]["source"] == "unknown"


def test_the_seed_describes_every_default_symbol(tmp_path_factory: pytest.TempPathFactory) -> None:
    from stock_assets.lake.stocks import learn_shipped

    lake = str(tmp_path_factory.mktemp("lake"))
    learn_shipped(lake, default_universe())
    learn_shipped(lake, default_universe())
    rows = stocks(lake, default_universe()).to_pylist()
    assert len(rows) == 11 and all("unknown" not in row.values() for row in rows)
    (former,) = (row for row in rows if row["symbol"] == "FB")
    assert former["present_symbol"] == "META" and former["renamed_known_at"] is not None
