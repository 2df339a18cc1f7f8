"""Fakes of vendors that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yfinance

from stock_assets_tests.fakes.fake_yahoo import FakeYahoo, fake_yahoo


@pytest.fixture(scope="session")
def yahoo_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeYahoo]:
    """One fake for the whole run; yfinance keeps what it caches in a folder of the tests."""
    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))
    with fake_yahoo(tmp_path_factory.mktemp("yahoo")) as running:
        yield running


@pytest.fixture
def yahoo(yahoo_proxy: FakeYahoo) -> FakeYahoo:
    """The fake without listings, faults and recorded requests."""
    yahoo_proxy.reset()
    return yahoo_proxy
