"""The calendar file, and the placing of instants on it."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain import sessions
from stock_assets.domain.errors import NoSession
from stock_assets.domain.messages import instant
from stock_assets.domain.session_index import place


def test_calendar_equals_the_exchange_calendars_package() -> None:
    import exchange_calendars

    known = sessions.calendar()
    official = exchange_calendars.get_calendar("XNYS", start=str(known.first), end=str(known.last))
    assert sessions.all_sessions() == [stamp.date() for stamp in official.sessions]
    for day, opened, closed in zip(sessions.all_sessions(), official.opens, official.closes, strict=True):
        ours = sessions.session(day)
        assert (ours.open_time, ours.close_time) == (opened.to_pydatetime(), closed.to_pydatetime())


def test_day_without_session_is_refused_by_name() -> None:
    with pytest.raises(NoSession, match="2012-10-29 is not a trading session"):
        sessions.session(date(2012, 10, 29))  # the hurricane
    with pytest.raises(NoSession, match="2099-01-02 is not a trading session: sessions are known from .* to 20"):
        sessions.session(date(2099, 1, 2))


def test_half_day_closes_at_one_and_has_a_post_phase() -> None:
    held = sessions.session(date(2013, 11, 29))
    assert held.half_day
    assert held.close_time == datetime(2013, 11, 29, 18, 0, tzinfo=UTC)
    moments = [held.close_time - timedelta(seconds=1), held.close_time]
    assert phases(moments) == ["regular", "post"]


@pytest.mark.parametrize(
    ("moment", "day", "phase"),
    [
        (datetime(2013, 3, 8, 14, 30, tzinfo=UTC), date(2013, 3, 8), "regular"),  # winter time: opens at 14:30 UTC
        (datetime(2013, 3, 11, 13, 30, tzinfo=UTC), date(2013, 3, 11), "regular"),  # summer time: at 13:30 UTC
        (datetime(2013, 3, 11, 13, 29, 59, tzinfo=UTC), date(2013, 3, 11), "pre"),
        (datetime(2013, 3, 12, 0, 0, tzinfo=UTC), date(2013, 3, 11), "overnight"),  # 20:00 in New York
        (datetime(2013, 3, 12, 7, 59, tzinfo=UTC), date(2013, 3, 12), "overnight"),
        (datetime(2013, 3, 12, 8, 0, tzinfo=UTC), date(2013, 3, 12), "pre"),
    ],
)
def test_instants_are_placed_by_the_exchange_s_own_clock(moment: datetime, day: date, phase: str) -> None:
    placed = place(np.array([instant(moment)]))
    assert (date(1970, 1, 1) + timedelta(days=int(placed.epoch_day[0])), phases([moment])) == (day, [phase])


@given(st.datetimes(min_value=datetime(1998, 1, 3), max_value=datetime(2030, 12, 30)))
def test_bulk_placing_agrees_with_the_session_itself(wall: datetime) -> None:
    moment = wall.replace(tzinfo=UTC)
    day = moment.astimezone(sessions.EXCHANGE_ZONE).date()
    placed = place(np.array([instant(moment)]))
    assert bool(placed.has_session[0]) == sessions.is_session(day)
    if sessions.is_session(day):
        held = sessions.session(day)
        regular = held.open_time <= moment < held.close_time
        assert (phases([moment]) == ["regular"]) == regular


def test_instants_outside_the_calendar_have_no_session() -> None:
    assert not place(np.array([0, 2**53 - 1])).has_session.any()


@given(st.sets(st.sampled_from(sessions.all_sessions()[:60])))
def test_ranges_hold_exactly_the_given_sessions(days: set[date]) -> None:
    ranges = list(sessions.contiguous_ranges(list(days)))
    held = [day for first, last in ranges for day in sessions.sessions_between(first, last)]
    assert held == sorted(days)
    for (_, last), (first, _) in pairwise(ranges):
        assert len(sessions.sessions_between(last, first)) > 2  # neighbours would be one range


def phases(moments: list[datetime]) -> list[str]:
    return [sessions.PHASES[index] for index in place(np.array([instant(moment) for moment in moments])).phase]
