"""What may be said of a feed, by the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.liveness import LIVE_WITHIN_S, liveness

TRADING = datetime(2024, 11, 27, 16, tzinfo=UTC)
EVENING = datetime(2024, 11, 28, 3, tzinfo=UTC)
SATURDAY = datetime(2024, 11, 30, 16, tzinfo=UTC)


def ago(now: datetime, seconds: float) -> datetime:
    return now - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("now", "traded_s", "arrived_s", "state", "text"),
    [
        (TRADING, 1, 0.5, "live", "live"),
        (TRADING, 900, 1, "delayed", "delayed by 15 min"),
        (TRADING, 40, 39, "silent", "silent: no tick for 39 s"),
        (SATURDAY, 86_400, 86_399, "closed", "market closed, last tick 24 h ago"),
        (EVENING, 7201, 7200, "closed", "market closed, last tick 2 h ago"),
        (SATURDAY, 1, 0.5, "live", "live"),  # a fictional market keeps no hours
    ],
)
def test_states(now: datetime, traded_s: float, arrived_s: float, state: str, text: str) -> None:
    said = liveness(ago(now, traded_s), ago(now, arrived_s), now)
    assert (said.state, said.text) == (state, text)


def test_a_feed_that_never_came_is_awaited_or_its_market_is_closed() -> None:
    assert liveness(None, None, TRADING).state == "waiting"
    assert liveness(None, None, SATURDAY).state == "closed"


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_nothing_old_is_live(behind_s: float, silent_s: float) -> None:
    arrived = ago(TRADING, silent_s)
    said = liveness(ago(arrived, behind_s), arrived, TRADING)
    if "live" in said.text or said.state == "live":
        assert behind_s <= LIVE_WITHIN_S and silent_s <= LIVE_WITHIN_S
