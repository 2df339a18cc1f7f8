"""text of the command line -> a day or a session.

Belongs here: reading YYYY-MM-DD, and what is said of anything else. Nothing else.
"""

from __future__ import annotations

from datetime import date

from stock_assets.domain.errors import PermanentError


def day_of(text: str, alternatives: str = "") -> date:
    """The day that a text names.

    Args:
        alternatives: what else the option takes, for the message.

    Raises:
        PermanentError: it names none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PermanentError(f"{text!r} is not a day; write YYYY-MM-DD{alternatives}") from None


def session_of(text: str) -> date:
    """The session that a text names.

    Raises:
        PermanentError: it names no day.
        NoSession: the exchange has no session that day.
    """
    from stock_assets.domain.sessions import session

    return session(day_of(text)).day
