"""The minutes around ten o'clock of one session, which tests of Yahoo's stream and its gaps play in."""

from datetime import datetime, timedelta

from stock_assets.domain.sessions import EXCHANGE_ZONE

TEN = datetime(2026, 8, 5, 10, tzinfo=EXCHANGE_ZONE)


def after(minutes: float) -> datetime:
    """So many minutes after ten."""
    return TEN + timedelta(minutes=minutes)
