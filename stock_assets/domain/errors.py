"""rules -> named failures.

Belongs here: every error the platform raises on purpose, sorted by what helps.
Does not belong here: retrying (the caller's business) and errors of libraries.
"""

from __future__ import annotations

from datetime import datetime


class StockAssetsError(Exception):
    """Base of all errors raised on purpose; its text is one sentence for the user."""


class PermanentError(StockAssetsError):
    """Trying again cannot help: bad input, bad settings, lost data. Never retried."""


class TransientError(StockAssetsError):
    """A fault outside that may pass (broker down, HTTP 429, timeout). Retried with backoff."""


class BadRecord(PermanentError):
    """One record breaks a rule; the text names the field and the reason."""


class LostOffsets(PermanentError):
    """The broker no longer holds offsets that were never landed."""


class TopicRecreated(PermanentError):
    """A topic has another id than the one the raw table was filled from."""


class UnsuitableTopic(PermanentError):
    """The topic's settings (a compacted one, say) would make landing lose records."""


class IncompleteLanding(PermanentError):
    """The completeness equation does not hold."""


class NotRebuildable(PermanentError):
    """A session cannot be rebuilt from the topic without losing rows."""


class NoSession(PermanentError):
    """The day is not a trading session of the exchange."""


class UnknownSymbol(PermanentError):
    """The vendor does not know the symbol."""


class NothingFetched(PermanentError):
    """A vendor answered, but holds no data for the asked range."""


class UnusableAnswer(PermanentError):
    """A vendor answered about one symbol, but not with data; other symbols may well be answered."""


class UnsupportedExchange(PermanentError):
    """The symbol's exchange has another calendar than New York's."""


class InvalidKey(PermanentError):
    """A vendor does not take the API key."""


class PremiumOnly(PermanentError):
    """A vendor serves this to paying customers only."""


class WrongSetting(PermanentError):
    """A setting contradicts the data; the text names it and what it should be."""


class TableDiffers(PermanentError):
    """A stored table has other columns than its definition, and no upgrade leads from the one to the other."""


class ServiceUnavailable(TransientError):
    """A service (broker, warehouse, Spark) cannot be reached now."""


class VendorThrottled(TransientError):
    """A vendor refused because too much was asked (HTTP 429), or would; ``retry_at`` is when it helps to ask again."""

    def __init__(self, text: str, retry_at: datetime | None = None) -> None:
        super().__init__(text)
        self.retry_at = retry_at


class LandingConflict(TransientError):
    """Another writer landed first; plan again from the new snapshot."""
