"""yfinance's exceptions -> failures told apart.

Belongs here: what it means when a request to Yahoo fails, whatever was asked, and asking again when that may help.
Does not belong here: what is asked and what the answers mean (``yahoo``, ``yahoo_minutes``, ``yahoo_quotes``).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stock_assets.domain.errors import (
    NothingFetched,
    ServiceUnavailable,
    StockAssetsError,
    UnknownSymbol,
    UnusableAnswer,
    VendorThrottled,
)

if TYPE_CHECKING:
    from tenacity import Retrying

    from stock_assets.sources.yahoo_session import Answer, NotingSession

ATTEMPTS = 4


def patiently(attempts: int = ATTEMPTS) -> Retrying:
    """Calls again after throttling and faults of the network, with growing, jittered delays."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    return Retrying(
        retry=retry_if_exception_type((VendorThrottled, ServiceUnavailable)),
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=1, max=30),
        reraise=True,
    )


@contextmanager
def told_apart(http: NotingSession, symbol: str, period: str) -> Iterator[None]:
    """One request of yfinance through ``http``; ``symbol`` and ``period`` are for the sentence of its failure.

    Raises:
        UnknownSymbol: Yahoo does not know the symbol.
        NothingFetched: it knows it, but holds nothing of the period.
        UnusableAnswer: it answers, but not with data; this says nothing of other symbols.
        VendorThrottled: Yahoo answers 429.
        ServiceUnavailable: Yahoo does not answer, or answers nobody.
    """
    import yfinance as yf
    from curl_cffi.requests.exceptions import RequestException
    from yfinance import exceptions
    from yfinance.data import YfData

    yf.config.debug.hide_exceptions = False
    # yfinance remembers answers, faults among them, for as long as the process lives.
    YfData.cache_get.cache_clear()
    http.newest = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # yfinance's own use of pandas
            yield
    except exceptions.YFRateLimitError as broken:
        raise _throttled(symbol) from broken
    except (exceptions.YFTzMissingError, exceptions.YFPricesMissingError) as broken:
        raise _without_prices(http.newest, symbol, period, broken) from broken
    except (exceptions.YFException, RequestException, LookupError, ValueError, TypeError) as broken:
        raise _failure(http.newest, symbol, f"{type(broken).__name__}: {broken}") from broken


def _throttled(symbol: str) -> VendorThrottled:
    return VendorThrottled(f"Yahoo refuses {symbol}: too many requests (HTTP 429); ask for less, or later")


def _without_prices(answer: Answer | None, symbol: str, period: str, broken: Exception) -> StockAssetsError:
    """What it means that yfinance found no time zone or no prices; its own text guesses "delisted" each time."""
    reason = getattr(broken, "yahoo_reason", None)
    if reason is None and hasattr(broken, "yahoo_reason"):
        return NothingFetched(f"Yahoo answered for {symbol} without a single row {period}")
    if reason is None and (answer is None or answer.status == 404):
        return UnknownSymbol(f"Yahoo does not know {symbol} (it has no time zone for it)")
    if reason is not None and ("delisted" in reason or "Not Found" in reason):
        return UnknownSymbol(f"Yahoo does not know {symbol} ({reason})")
    if reason is not None and ("Data doesn't exist" in reason or "data not available" in reason):
        return NothingFetched(f"Yahoo has no prices of {symbol} {period} ({reason})")
    return _failure(answer, symbol, reason or str(broken))


def _failure(answer: Answer | None, symbol: str, otherwise: str) -> StockAssetsError:
    """What an answer means that is no data; ``otherwise`` is said when Yahoo itself says nothing."""
    if answer is None:
        return ServiceUnavailable(f"Yahoo did not answer for {symbol}: {otherwise}")
    said = answer.words or otherwise
    if answer.status == 429:
        return _throttled(symbol)
    if answer.status == 404:
        return UnknownSymbol(f"Yahoo does not know {symbol} (HTTP 404)")
    # its program failing on one symbol's data, told in JSON, differs from a program that answers nobody
    if answer.body is not None and (answer.status < 400 or (answer.status == 500 and answer.words)):
        return UnusableAnswer(f"Yahoo's answer for {symbol} is no data (HTTP {answer.status}, {said})")
    return ServiceUnavailable(f"Yahoo did not answer for {symbol} (HTTP {answer.status}, {said})")
