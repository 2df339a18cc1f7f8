"""Opening a connection to Yahoo's stream, and what it means when there is none: the real client, a fake streamer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from stock_assets.domain.errors import PermanentError, ServiceUnavailable, VendorThrottled
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.sources.yahoo_stream import StreamConnection
from stock_assets_tests.fakes.certificates import make_authority
from stock_assets_tests.fakes.fake_streamer import Plan, fake_streamer, frame
from stock_assets_tests.patience import Clock, take

pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # yfinance's own use of websockets

NOON = datetime(2026, 8, 5, 12, tzinfo=EXCHANGE_ZONE)
FRAMES = [frame("AAPL", NOON, 100.0), frame("AAPL", NOON, 100.25)]


@contextmanager
def opened(url: str, **options: Any) -> Iterator[StreamConnection]:
    connection = StreamConnection(["AAPL"], url, now=Clock(NOON), **options)
    try:
        yield connection
    finally:
        connection.close()


def gone() -> str:
    """The URL of a server that has ended."""
    with fake_streamer() as ended:
        return ended.url


@pytest.mark.parametrize(
    ("plan", "expected", "wait_s"),
    [
        (Plan(refuse=429, retry_after="90"), VendorThrottled, 90),
        (Plan(refuse=429), VendorThrottled, None),
        (Plan(refuse=503), ServiceUnavailable, None),
        (Plan(refuse=403), ServiceUnavailable, None),
    ],
)
def test_a_refused_connection_says_why(plan: Plan, expected: type[Exception], wait_s: int | None) -> None:
    with fake_streamer() as streamer:
        streamer.plans.append(plan)
        with pytest.raises(expected, match=str(plan.refuse)) as refused, opened(streamer.url):
            pass
    retry_at = getattr(refused.value, "retry_at", None)
    assert retry_at == (NOON + timedelta(seconds=wait_s) if wait_s else None)


def test_nobody_there() -> None:
    with pytest.raises(ServiceUnavailable, match="does not answer: ConnectionRefusedError"), opened(gone()):
        pass
    with pytest.raises(PermanentError, match="cannot be the URL"), opened("streamer"):
        pass


def test_certificates_of_ones_own(tmp_path: Path) -> None:
    ca_bundle, tls = make_authority(tmp_path, ["localhost"])
    with fake_streamer(tls) as encrypted:
        encrypted.plans += [Plan(FRAMES)]
        with pytest.raises(ServiceUnavailable, match="CERTIFICATE_VERIFY_FAILED"), opened(encrypted.url):
            pass
        with opened(encrypted.url, ca_bundle=str(ca_bundle)) as trusted:
            assert len(take(trusted.ticks(Event()), 2)) == 2


def test_a_proxy_is_the_only_way_out_when_there_is_one() -> None:
    proxy = gone().replace("ws:", "http:").split("/?")[0]
    with fake_streamer() as streamer:
        with pytest.raises(ServiceUnavailable, match="does not answer"), opened(streamer.url, proxy=proxy):
            pass
        assert not streamer.connections
