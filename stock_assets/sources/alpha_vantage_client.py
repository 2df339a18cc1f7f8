"""a question -> Alpha Vantage's answer.

Belongs here: one HTTP request within the rate budget, trying again, and keeping the API key out of every text.
Does not belong here: what an answer means (``alpha_vantage_answers``) and what is made of it (``alpha_vantage``).

The key travels in the address, since the vendor takes it nowhere else, and the client's exceptions quote addresses; so
none of these is ever chained to ours.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import InvalidKey, ServiceUnavailable, StockAssetsError, UnusableAnswer, VendorThrottled
from stock_assets.domain.redaction import redacted
from stock_assets.settings.vendors import AlphaVantageSettings
from stock_assets.sources.alpha_vantage_answers import MINUTE_PAUSE, Unreadable, data_of, failure_of
from stock_assets.sources.rate_budget import RateBudget

if TYPE_CHECKING:
    from tenacity import RetryCallState

ATTEMPTS = 4
SAFELY = 0.8
"""Share of the requests per second that is used: two that leave a second apart may arrive closer together."""


def budget_of(settings: AlphaVantageSettings, local_dir: Path) -> RateBudget:
    """The budget of the key, shared by all that use ``local_dir``; another key has another one."""
    named = hashlib.sha256(settings.key.encode()).hexdigest()[:8]
    path = local_dir / "rate_budgets" / f"alpha_vantage-{named}.json"
    return RateBudget(path, settings.requests_per_second * SAFELY, settings.requests_per_day)


@dataclass
class AlphaVantageClient:
    """Asks within the budget; faults of the network and bursts are tried again, with growing, jittered delays.

    Args:
        attempts: requests for one answer at the most; each counts.
        ca_bundle: PEM file of trusted authorities; empty means the usual ones.

    Raises:
        InvalidKey: there is no key, or the vendor does not take it.
    """

    settings: AlphaVantageSettings
    budget: RateBudget
    stop: threading.Event = field(default_factory=threading.Event)
    attempts: int = ATTEMPTS
    ca_bundle: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        if not self.settings.key:
            raise InvalidKey("Alpha Vantage takes no request without a key: set ALPHA_VANTAGE_API_KEY")

    def ask(self, symbol: str, function: str, wanted: str, **options: str) -> dict[str, Any]:
        """``data`` and ``meta`` of an answer; ``wanted`` is how the name of its data begins.

        Raises:
            InvalidKey, PremiumOnly: only another key, or a plan, helps.
            UnknownSymbol: the vendor does not know the symbol, or not the call.
            UnusableAnswer: the vendor answers, but with nothing.
            VendorThrottled: too much was asked; ``retry_at`` is when it helps to ask again.
            ServiceUnavailable: the vendor does not answer, or not with data, or ``stop`` was set.
        """
        from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_attempt, stop_when_event_set

        retrying = Retrying(
            retry=retry_if_exception(self._may_pass),
            stop=stop_after_attempt(self.attempts) | stop_when_event_set(self.stop),
            wait=self._pause_s,
            sleep=sleep_using_event(self.stop),
            reraise=True,
        )
        return retrying(self._ask_once, symbol, function, wanted, options)

    def _may_pass(self, broken: BaseException) -> bool:
        """A fault of the network, or a limit that is over within a minute."""
        if isinstance(broken, VendorThrottled):
            return broken.retry_at is not None and broken.retry_at - self.now() <= MINUTE_PAUSE
        return isinstance(broken, ServiceUnavailable)

    def _pause_s(self, state: RetryCallState) -> float:
        from tenacity import wait_random_exponential

        broken = state.outcome.exception() if state.outcome else None
        asked = broken.retry_at if isinstance(broken, VendorThrottled) else None
        least = max(0.0, (asked - self.now()).total_seconds()) if asked else 0.0
        return least + wait_random_exponential(multiplier=1, max=30)(state)

    def _ask_once(self, symbol: str, function: str, wanted: str, options: dict[str, str]) -> dict[str, Any]:
        asked_at = self.budget.acquire(self.stop)
        if asked_at is None:
            raise ServiceUnavailable(f"Alpha Vantage was not asked for {symbol}: the service is stopping")
        query = {"function": function, "symbol": symbol, **options, "datatype": "json", "apikey": self.settings.key}
        answer = data_of(self._plain(self._fetch(symbol, query)), wanted)
        if isinstance(answer, Unreadable):
            failure = UnusableAnswer if answer.of_vendor else ServiceUnavailable
            raise failure(f"Alpha Vantage's answer for {symbol} is no data: {answer.because}")
        if isinstance(answer, str):
            rate = self.settings.requests_per_second
            raise failure_of(answer, symbol, self.now(), lambda: self.budget.spend(asked_at), rate)
        return answer

    def _fetch(self, symbol: str, query: dict[str, str]) -> str:
        """The body of one answer."""
        from curl_cffi import requests
        from curl_cffi.requests.exceptions import RequestException

        failure: StockAssetsError
        # redirects would carry the key elsewhere
        options: dict[str, Any] = {"allow_redirects": False, "verify": self.ca_bundle or True}
        try:
            answer = requests.get(
                f"{self.settings.url}/query", params=query, timeout=self.settings.timeout_s, **options
            )
            body: str = answer.text
        except (RequestException, ValueError) as broken:  # a body that is not text is a ValueError
            failure = ServiceUnavailable(
                self._plain(f"Alpha Vantage did not answer for {symbol}: {type(broken).__name__}: {broken}")
            )
        else:
            if answer.status_code == 200:
                return body
            text = f"Alpha Vantage did not answer for {symbol}: HTTP {answer.status_code}"
            throttled = answer.status_code == 429
            failure = VendorThrottled(text, self.now() + MINUTE_PAUSE) if throttled else ServiceUnavailable(text)
        raise failure  # out here, nothing of the client's exception hangs on it

    def _plain(self, text: str) -> str:
        return redacted(text, [self.settings.key])
