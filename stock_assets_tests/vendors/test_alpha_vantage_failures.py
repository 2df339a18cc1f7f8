"""Alpha Vantage's refusals and faults: each becomes the failure that helps, and none shows the API key."""

import itertools
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stock_assets.domain.errors import (
    InvalidKey,
    PremiumOnly,
    ServiceUnavailable,
    UnknownSymbol,
    UnusableAnswer,
    VendorThrottled,
)
from stock_assets.settings.platform import Settings
from stock_assets.sources.alpha_vantage import fetch_quote
from stock_assets.sources.alpha_vantage_answers import meaning
from stock_assets.sources.alpha_vantage_client import ATTEMPTS
from stock_assets_tests.fakes.fake_alpha_vantage import Fault, quote, recorded_messages, recorded_quote
from stock_assets_tests.vendors.alpha_vantage_vendor import (
    KEY,
    NOW,
    RESET,
    Vendor,
    assert_without_key,
    bars_of,
    recorded,
    running_vendor,
)


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Vendor]:
    with running_vendor(tmp_path) as running:
        yield running


MESSAGES = {
    "daily_limit": (VendorThrottled, RESET, 1),
    "legacy_information_25_per_day": (VendorThrottled, RESET, 1),
    "burst_1_per_second": (VendorThrottled, NOW + timedelta(seconds=2), ATTEMPTS),
    "burst_1_per_second_older_wording": (VendorThrottled, NOW + timedelta(seconds=2), ATTEMPTS),
    "premium_burst": (VendorThrottled, NOW + timedelta(seconds=2), ATTEMPTS),
    "legacy_note_5_per_minute": (VendorThrottled, NOW + timedelta(seconds=60), ATTEMPTS),
    "premium_endpoint": (PremiumOnly, None, 1),
    "premium_outputsize_full": (PremiumOnly, None, 1),
    "missing_or_empty_key": (InvalidKey, None, 1),
    "demo_key_other_symbol": (InvalidKey, None, 1),
    "invalid_symbol_or_call": (UnknownSymbol, None, 1),
    "unknown_function": (UnknownSymbol, None, 1),
    "global_quote_unknown_symbol": (UnknownSymbol, None, 1),
}


@recorded
def test_every_recorded_message_is_among_the_tested() -> None:
    assert set(recorded_messages()) == {*MESSAGES, "global_quote_delayed_entitlement_key"}


@recorded
@pytest.mark.parametrize("name", MESSAGES)
def test_each_recorded_message_means_what_helps(vendor: Vendor, caplog: pytest.LogCaptureFixture, name: str) -> None:
    kind, retry_at, attempts = MESSAGES[name]
    caplog.set_level(logging.DEBUG)
    vendor.fake.fail(recorded_messages()[name], times=10)
    with pytest.raises(kind) as raised:
        fetch_quote(vendor.client, "AAPL")
    assert type(raised.value) is kind and getattr(raised.value, "retry_at", None) == retry_at
    assert len(vendor.fake.requests) == attempts == len(vendor.waits.seconds) + 1
    assert_without_key(raised.value, caplog)
    if retry_at is not None and attempts > 1:
        least = (retry_at - NOW).total_seconds()
        assert all(least <= waited <= least + 30 for waited in vendor.waits.seconds)


def test_an_echoed_key_means_the_day_s_limit_whatever_else_is_said() -> None:
    text = "We have detected your API key as X: 25 requests per day, 1 request per second; or go for premium endpoints."
    assert meaning(text) == "day"
    assert meaning("something new about premium plans") == "unclear"


@recorded
def test_a_burst_is_waited_out_and_the_answer_then_taken(vendor: Vendor) -> None:
    vendor.fake.bodies["GLOBAL_QUOTE", "MSFT"] = recorded_quote()
    vendor.fake.fail(recorded_messages()["burst_1_per_second"])
    assert len(fetch_quote(vendor.client, "MSFT").messages) == 1
    assert len(vendor.fake.requests) == 2 and vendor.waits.seconds[0] >= 2


@recorded
def test_after_the_daily_limit_nothing_is_asked_until_the_reset(vendor: Vendor) -> None:
    vendor.fake.bodies["GLOBAL_QUOTE", "MSFT"] = recorded_quote()
    vendor.fake.fail(recorded_messages()["daily_limit"])
    for _ in range(3):
        with pytest.raises(VendorThrottled) as raised:
            fetch_quote(vendor.client, "MSFT")
        assert raised.value.retry_at == RESET
    assert len(vendor.fake.requests) == 1
    vendor.client.budget.now = lambda: RESET
    assert len(fetch_quote(vendor.client, "MSFT").messages) == 1


def test_every_attempt_counts_and_the_last_of_the_day_is_not_exceeded(vendor: Vendor) -> None:
    vendor.client.budget.per_day = 3
    vendor.fake.fail("500", times=10)
    with pytest.raises(VendorThrottled, match="today's 3 requests are spent") as raised:
        fetch_quote(vendor.client, "MSFT")
    assert raised.value.retry_at == RESET and len(vendor.fake.requests) == 3


FAULTS: list[tuple[Fault, type[Exception], str]] = [
    ("500", ServiceUnavailable, "HTTP 500"),
    ("429", VendorThrottled, "HTTP 429"),
    ("redirect", ServiceUnavailable, "HTTP 302"),
    ("html", ServiceUnavailable, "it is no JSON but '<html>"),
    ("garbage", ServiceUnavailable, "it is no JSON"),
    ("list", ServiceUnavailable, "it is list, not an object"),
    ("binary", ServiceUnavailable, "AAPL"),
    ("reset", ServiceUnavailable, "did not answer for AAPL"),
    ("timeout", ServiceUnavailable, "did not answer for AAPL"),
]


@pytest.mark.parametrize(("fault", "kind", "words"), FAULTS)
def test_faults_are_tried_again_and_never_taken_as_data(
    vendor: Vendor, caplog: pytest.LogCaptureFixture, fault: Fault, kind: type[Exception], words: str
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.fake.fail(fault, times=10)
    client = vendor.with_settings(timeout_s=0.2 if fault == "timeout" else 20)
    with pytest.raises(kind) as raised:
        fetch_quote(client, "AAPL")
    assert words in str(raised.value)
    assert len(vendor.fake.requests) == ATTEMPTS and len(vendor.waits.seconds) == ATTEMPTS - 1
    assert_without_key(raised.value, caplog)


@pytest.mark.parametrize("body", [{}, {"Note": ""}, {"Meta Data": {}}])
def test_an_answer_without_anything_is_the_symbol_s_affair_and_spends_one_request(
    vendor: Vendor, body: dict[str, object]
) -> None:
    vendor.fake.fail(body, times=10)
    with pytest.raises(UnusableAnswer, match="Alpha Vantage's answer for AAPL is no data"):
        fetch_quote(vendor.client, "AAPL")
    assert len(vendor.fake.requests) == 1


def test_an_entitlement_is_a_matter_of_the_plan(vendor: Vendor) -> None:
    vendor.fake.fail({"message": "This API endpoint requires an entitlement parameter."})
    with pytest.raises(PremiumOnly, match="requires an entitlement parameter"):
        fetch_quote(vendor.client, "AAPL")


@pytest.mark.parametrize("fault", ["500", "html", "reset", "list"])
def test_a_fault_that_passes_leaves_the_answer_whole(vendor: Vendor, fault: Fault) -> None:
    vendor.fake.bodies["GLOBAL_QUOTE", "AAPL"] = quote("AAPL", "2021-03-05", 120.0, 7)
    vendor.fake.fail(fault)
    assert [bar.close for bar in bars_of(fetch_quote(vendor.client, "AAPL"))] == [120.0]


def test_pauses_grow_and_vary(vendor: Vendor) -> None:
    vendor.fake.fail("500", times=100)
    for _ in range(5):
        with pytest.raises(ServiceUnavailable):
            fetch_quote(vendor.client, "AAPL")
    waited = vendor.waits.seconds
    assert all(seconds <= 1.0 * 2**number for seconds, number in zip(waited, itertools.cycle(range(3)), strict=False))
    assert len(set(waited)) == len(waited)


def test_a_stop_ends_the_attempts(vendor: Vendor) -> None:
    vendor.fake.fail("500", times=10)
    stop = threading.Event()
    client = replace(vendor.client, stop=stop)
    stop.set()
    with pytest.raises(ServiceUnavailable, match="the service is stopping"):
        fetch_quote(client, "AAPL")
    assert not vendor.fake.requests


def test_a_server_that_is_not_there_is_unavailable(vendor: Vendor, caplog: pytest.LogCaptureFixture) -> None:
    client = vendor.with_settings(url="http://127.0.0.1:1")
    with pytest.raises(ServiceUnavailable, match="did not answer for AAPL") as raised:
        fetch_quote(client, "AAPL")
    assert_without_key(raised.value, caplog)


def test_a_key_that_is_missing_or_wrong_is_said_with_the_cure(vendor: Vendor) -> None:
    with pytest.raises(InvalidKey, match="set ALPHA_VANTAGE_API_KEY"):
        vendor.with_settings(key="")
    with pytest.raises(InvalidKey, match="set ALPHA_VANTAGE_API_KEY to a valid one"):
        fetch_quote(vendor.with_settings(key="another"), "AAPL")


def test_settings_never_show_the_key(vendor: Vendor) -> None:
    settings = Settings.load(ALPHA_VANTAGE_API_KEY=KEY)
    shown = f"{settings!r} {settings.vendors!r} {settings.vendors.alpha_vantage!r} {vendor.client!r}"
    assert KEY not in shown and KEY not in vendor.client.budget.path.name
    assert settings.vendors.alpha_vantage.key == KEY
