"""A market without an end: seeded, at its rate, its symbols moving together, its faults in the asked shares."""

from collections import Counter
from datetime import UTC, date, datetime
from itertools import islice, pairwise

import numpy as np
import pytest

from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Tick, decode, encode, encode_all, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.sources.simulated_market import (
    MARKET_MOVE,
    OWN_MOVE,
    Faults,
    due_as_recorded,
    due_at_rate,
    endless_ticks,
    faulty,
    market_without_end,
)


def test_the_endless_stream_keeps_its_rate_and_is_seeded() -> None:
    started = datetime(2025, 6, 30, 14, tzinfo=UTC)
    ticks = list(islice(endless_ticks(["AAPL", "IBM"], 7, started, 50), 101))
    assert ticks == list(islice(endless_ticks(["AAPL", "IBM"], 7, started, 50), 101))
    assert ticks[100].event_time - ticks[0].event_time == 2_000_000 and ticks[0].event_time == instant(started)
    assert [tick.symbol for tick in ticks[:4]] == ["AAPL", "IBM", "AAPL", "IBM"]
    assert len({tick.event_id for tick in ticks}) == 101
    assert all(decode(Tick, encode(tick)) == tick for tick in ticks)


def test_the_market_without_an_end_pauses_on_days_without_a_session() -> None:
    """From the last minute of a Friday, in New York, on: the next ticks are of Monday; and no hour of its days is left out."""
    friday = datetime(2025, 6, 27, 23, 59, tzinfo=EXCHANGE_ZONE)
    ticks = list(islice(market_without_end(["SIM0"], 7, friday, 0.1), 6 + 2 * 8640 + 1))
    days = [datetime.fromtimestamp(tick.event_time / 1e6, EXCHANGE_ZONE).date() for tick in ticks]
    assert Counter(days) == {date(2025, 6, 27): 6, date(2025, 6, 30): 8640, date(2025, 7, 1): 8640, date(2025, 7, 2): 1}
    assert len({tick.event_id for tick in ticks}) == len(ticks)
    due = [due_s for due_s, _ in due_as_recorded(ticks, 1, friday)]
    assert due[:7] == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0 + 48 * 3600]


def test_a_record_that_is_no_tick_is_due_with_the_one_before_it() -> None:
    started = datetime(2025, 6, 30, 14, tzinfo=UTC)
    first, second = islice(endless_ticks(["SIM0"], 7, started, 0.5), 2)
    assert list(due_as_recorded([first, b"broken", second], 1, started)) == [
        (0.0, first),
        (0.0, b"broken"),
        (2.0, second),
    ]


def test_faults_come_in_the_asked_shares() -> None:
    ticks = list(islice(endless_ticks(["AAPL"], 7, datetime(2025, 6, 30, 14, tzinfo=UTC), 100), 4000))
    out = list(faulty(ticks, Faults(duplicates=0.1, late=0.05, malformed=0.02), 7))
    assert out == list(faulty(ticks, Faults(duplicates=0.1, late=0.05, malformed=0.02), 7))
    good = [record for record in out if isinstance(record, Tick)]
    broken = [record for record in out if isinstance(record, bytes)]
    assert len(broken) == pytest.approx(80, rel=0.4)
    for record in broken:
        with pytest.raises(BadRecord, match="price"):
            decode(Tick, record)
    repeats = len(good) - len({tick.event_id for tick in good})
    assert repeats == pytest.approx(370, rel=0.3)
    late = [now for before, now in pairwise(good) if now.event_time < before.event_time]
    assert late and len(good) - repeats + len(broken) == len(ticks)
    assert list(faulty(ticks, Faults(), 7)) == ticks


def test_symbols_move_together() -> None:
    names = [f"S{number}" for number in range(20)]
    ticks = list(islice(endless_ticks(names, 3, datetime(2025, 6, 30, 14, tzinfo=UTC), 1000), 20 * 4000))
    prices = np.log(np.array([tick.price for tick in ticks]).reshape(-1, 20))
    returns = np.diff(prices[::20], axis=0)
    found = np.corrcoef(returns.T)[np.triu_indices(20, 1)].mean()
    expected = MARKET_MOVE**2 / (MARKET_MOVE**2 + OWN_MOVE**2)
    assert found == pytest.approx(expected, abs=0.1)


def test_records_are_due_at_the_rate_and_sessions_at_their_speed() -> None:
    ticks = list(islice(endless_ticks(["AAPL"], 7, datetime(2025, 6, 30, 14, tzinfo=UTC), 10), 31))
    assert [due for due, _ in due_at_rate(ticks, 10)][::10] == [0, 1, 2, 3]
    late_last = [*ticks[:20], *ticks[21:], ticks[20]]
    again = list(due_as_recorded(late_last, 2))
    assert again[-1] == (1.5, ticks[20]) and again[10][0] == 0.5
    assert [tick for _, tick in again] == late_last


def test_many_are_encoded_as_each_is() -> None:
    ticks = list(islice(endless_ticks(["AAPL"], 7, datetime(2025, 6, 30, 14, tzinfo=UTC), 10), 5))
    assert encode_all(ticks) == [encode(tick) for tick in ticks]
    assert encode_all([]) == []
    wrong = Tick(symbol="AAPL", event_time=1, price=-1.0, currency="USD", source="simulator", event_id="x")
    with pytest.raises(BadRecord, match="price"):
        encode_all([*ticks, wrong])
