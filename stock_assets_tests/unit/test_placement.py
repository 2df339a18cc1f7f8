"""Bars and actions on the calendar: no session, or what has not happened yet, is a reason to reject."""

import json
from typing import Any

import numpy as np
import pytest

from stock_assets.landing.decode import Decoder
from stock_assets.landing.rows import rows_of
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import ACTIONS, BARS, Topic

BAR: dict[str, Any] = {
    "symbol": "IBM",
    "interval": "1d",
    "currency": "USD",
    "price_basis": "as_traded",
    "source": "x",
    "final": True,
    **dict.fromkeys(("open", "high", "low", "close"), 1.0),
    "trading_day": "2013-10-07",
    "start_time": 1381152600000000,
    "volume": 1,
    "known_at": 1381176000000000,
}
ACTION: dict[str, Any] = {
    "symbol": "IBM",
    "ex_date": "2013-10-07",
    "kind": "dividend",
    "value": 0.95,
    "source": "x",
    "known_at": 1381152600000000,
}
BROKER_MS = 1381176060000
"""A minute after the bar became known, the evening of 2013-10-07."""
IN_2099_US = 4070908800000000


def reason_of(topic: Topic, document: dict[str, Any], stored_ms: int = BROKER_MS) -> str | None:
    chunk = Chunk(0, np.array([0]), [json.dumps(document).encode()], np.array([stored_ms]))
    reason: str | None = rows_of(topic, chunk, Decoder(topic), "topic", "landing")["rejected_because"][0].as_py()
    return reason


def test_bars_of_a_day_without_session_are_rejected() -> None:
    reason = reason_of(BARS, BAR | {"trading_day": "2013-10-05"})
    assert reason == "closed session: trading_day 2013-10-05 has no session"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"trading_day": "2014-10-07"}, "trading_day 2014-10-07"),
        ({"trading_day": "2013-10-09"}, "trading_day 2013-10-09"),
        ({"trading_day": "9999-12-31"}, "trading_day 9999-12-31"),
        ({"start_time": IN_2099_US}, "start_time 2099-01-01"),
        ({"known_at": IN_2099_US}, "known_at 2099-01-01"),
    ],
)
def test_a_bar_of_what_has_not_happened_is_absurd(change: dict[str, Any], field: str) -> None:
    reason = reason_of(BARS, BAR | change)
    assert reason is not None and reason.startswith(f"absurd time: {field}")
    assert "more than a day after the broker got it, 2013-10-07T20:01:00" in reason
    assert reason_of(BARS, BAR) is None
    # a time that nobody told proves nothing
    assert "absurd" not in (reason_of(BARS, BAR | change, stored_ms=0) or "")


def test_an_action_may_be_announced_but_not_known_ahead() -> None:
    assert reason_of(ACTIONS, ACTION | {"ex_date": "2014-10-07"}) is None
    reason = reason_of(ACTIONS, ACTION | {"known_at": IN_2099_US})
    assert reason is not None and reason.startswith("absurd time: known_at 2099-01-01")


def test_clocks_may_differ_by_hours() -> None:
    ahead = (BROKER_MS + 23 * 3_600_000) * 1000
    assert reason_of(BARS, BAR | {"known_at": ahead, "start_time": ahead, "trading_day": "2013-10-08"}) is None
