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
    VendorThrottled,
)

if TYPE_CHECKING:
    from tenacity import Retrying

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
def told_apart(symbol: str, period: str) -> Iterator[None]:
    """One request of yfinance; ``symbol`` and ``period`` are for the sentence of its failure.

    Raises:
        UnknownSymbol: Yahoo does not know the symbol.
        NothingFetched: it knows it, but holds nothing of the period.
        VendorThrottled: Yahoo answers 429.
        ServiceUnavailable: Yahoo does not answer, or not with data.
    """
    import yfinance as yf
    from curl_cffi.requests.exceptions import RequestException
    from yfinance import exceptions
    from yfinance.data import YfData

    yf.config.debug.hide_exceptions = False
    # yfinance remembers answers, faults among them, for as long as the process lives.
    YfData.cache_get.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # yfinance's own use of pandas
            yield
    except exceptions.YFRateLimitError as broken:
        raise VendorThrottled(
            f"Yahoo refuses {symbol}: too many requests (HTTP 429); ask for less, or later"
        ) from broken
    except (exceptions.YFTzMissingError, exceptions.YFPricesMissingError) as broken:
        raise _without_prices(symbol, period, broken) from broken
    except (exceptions.YFException, RequestException, ValueError, KeyError, TypeError) as broken:
        if getattr(getattr(broken, "response", None), "status_code", None) == 404:
            raise UnknownSymbol(f"Yahoo does not know {symbol} (HTTP 404)") from broken
        raise ServiceUnavailable(f"Yahoo did not answer for {symbol}: {type(broken).__name__}: {broken}") from broken


def _without_prices(symbol: str, period: str, broken: Exception) -> StockAssetsError:
    """What it means that yfinance found no time zone or no prices; its own text guesses "delisted" each time."""
    reason = getattr(broken, "yahoo_reason", None)
    if reason is None and hasattr(broken, "yahoo_reason"):
        return NothingFetched(f"Yahoo answered for {symbol} without a single row {period}")
    if reason is None or "delisted" in reason or "Not Found" in reason:
        return UnknownSymbol(f"Yahoo does not know {symbol} ({reason or 'it has no time zone for it'})")
    if "Data doesn't exist" in reason or "data not available" in reason:
        return NothingFetched(f"Yahoo has no prices of {symbol} {period} ({reason})")
    return ServiceUnavailable(f"Yahoo did not answer for {symbol}: {reason}")
