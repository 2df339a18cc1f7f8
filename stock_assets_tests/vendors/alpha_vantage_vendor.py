"""A fake Alpha Vantage with a client of it, and the proof that a key is nowhere to be seen."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stock_assets.domain.messages import Bar
from stock_assets.settings.vendors import VendorSettings
from stock_assets.sources.alpha_vantage_client import AlphaVantageClient, budget_of
from stock_assets.sources.fetched import Fetched
from stock_assets_tests.fakes.fake_alpha_vantage import RECORDINGS, FakeAlphaVantage, fake_alpha_vantage

KEY = "T0PS3CRET+KEY/42"
NOW = datetime(2021, 3, 5, 17, tzinfo=UTC)  # noon of a session
RESET = datetime(2021, 3, 6, 5, tzinfo=UTC)  # midnight in New York

recorded = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded market data is not beside this checkout")


class Waits(threading.Event):
    """A stop whose waits take no time; each is noted, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return self.is_set()


@dataclass
class Vendor:
    """A fake, and a client of it."""

    fake: FakeAlphaVantage
    client: AlphaVantageClient
    waits: Waits

    def with_settings(self, **changes: Any) -> AlphaVantageClient:
        return replace(self.client, settings=replace(self.client.settings, **changes))


@contextmanager
def running_vendor(folder: Path) -> Iterator[Vendor]:
    """A fake that takes ``KEY``, and a client whose budget is in ``folder``; it is always ``NOW``."""
    with fake_alpha_vantage([KEY]) as fake, pytest.MonkeyPatch.context() as patch:
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, "127.0.0.1")  # a developer's proxy must not be asked for it
        given = {
            "ALPHA_VANTAGE_API_KEY": KEY,
            "ALPHA_VANTAGE_URL": fake.url + "/",
            "ALPHA_VANTAGE_REQUESTS_PER_DAY": "50",
        }
        settings = replace(VendorSettings.of(given).alpha_vantage, requests_per_second=0)
        budget = budget_of(settings, folder)
        budget.now = lambda: NOW
        waits = Waits()
        yield Vendor(fake, AlphaVantageClient(settings, budget, waits, now=lambda: NOW), waits)


def bars_of(fetched: Fetched) -> list[Bar]:
    return [message for message in fetched.messages if isinstance(message, Bar)]


def assert_without_key(broken: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the log nor any exception that hangs on this one holds the key, as it is or as addresses carry it."""
    texts, left = [caplog.text], [broken]
    while left:
        each = left.pop()
        texts += [str(each), repr(each), *map(str, each.args), str(getattr(each, "doc", ""))]
        left += [linked for linked in (each.__cause__, each.__context__) if linked is not None]
    for form in (KEY, "T0PS3CRET%2BKEY%2F42", "T0PS3CRET%2BKEY/42", "T0PS3CRET"):
        assert not any(form.lower() in text.lower() for text in texts), form
