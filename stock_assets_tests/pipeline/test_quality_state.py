"""What makes verdicts and metrics stale, from tables on a folder: their session and no other."""

from __future__ import annotations

from datetime import date, timedelta

from stock_assets.domain.quality_tables import AVAILABILITY, RECONCILIATION
from stock_assets.domain.sessions import session
from stock_assets.lake.built import record_built
from stock_assets.lake.session_rows import replace_rows
from stock_assets.quality.availability import phase
from stock_assets.quality.judging import Judging
from stock_assets.quality.reconciliation import reconcile
from stock_assets.quality.state import availability_state, newest_phase, reconciliation_state, stale_stages
from stock_assets_tests.pipeline.daily_rows import JUDGING, LATER, WEEK, daily, store_daily
from stock_assets_tests.pipeline.raw_lake import land as land_records
from stock_assets_tests.pipeline.raw_lake import tick


def test_what_changes_a_verdict_makes_its_session_stale_and_no_other(lake: str) -> None:
    bars = [daily(day, "yahoo") for day in WEEK]
    store_daily(lake, bars)
    before = states(lake)
    assert states(lake) == before
    assert changed(before, states(lake, Judging(("other",)))) == set(WEEK)

    store_daily(lake, [*bars[:-1], bars[-1] | {"revision": 2}])
    assert changed(before, states(lake)) == {WEEK[4]}
    before = states(lake)
    # Rejected records of a session, and symbols that are expected from it on.
    land_records(lake, [tick(5, WEEK[1], "IBM").replace(b'"price":', b'"price":-')])
    assert changed(before, states(lake)) == {WEEK[1]}
    before = states(lake)
    store_daily(lake, [*bars[:-1], bars[-1] | {"revision": 2}, daily(WEEK[2], "yahoo", symbol="NEW")])
    assert changed(before, states(lake)) == set(WEEK[2:])
    before = states(lake)
    record_built(lake, RECONCILIATION.path, {WEEK[0]: "anew"})
    assert changed(before, states(lake)) == {WEEK[0]}


def test_a_session_that_goes_on_is_judged_again_when_it_is_over(lake: str) -> None:
    store_daily(lake, [daily(WEEK[0], "yahoo")])
    hours = session(WEEK[0])
    instants = (hours.open_time - timedelta(hours=1), hours.open_time, hours.close_time, LATER)
    found = [availability_state(lake, JUDGING, now=moment)[WEEK[0]] for moment in instants]
    assert len(set(found)) == 3 and found[1] == found[2]
    assert phase(WEEK[0], instants[1]) == "open"
    assert newest_phase(instants[2]) == f"{WEEK[0]} open"


def test_a_session_without_any_row_between_others_is_judged_too(lake: str) -> None:
    store_daily(lake, [daily(day, "yahoo") for day in (WEEK[0], WEEK[2])])
    assert sorted(availability_state(lake, JUDGING, now=LATER)) == WEEK[:3]
    assert sorted(reconciliation_state(lake, JUDGING)) == [WEEK[0], WEEK[2]]


def test_metrics_are_stale_where_agreement_is_required_and_was_lost(lake: str) -> None:
    pair = [daily(day, source) for day in WEEK for source in ("yahoo", "alpha_vantage")]
    store_daily(lake, pair)
    required = Judging(JUDGING.bar_sources, require_agreement=True)
    built = {"metrics/daily_metrics": metrics_state(lake, required)}
    record_built(lake, "metrics/daily_metrics", built["metrics/daily_metrics"])
    assert stale_stages(lake, "", required)["metrics/daily_metrics"] == []
    apart = [row | {"verdict": "disagree"} for row in reconcile(lake, WEEK[:1], required)]
    replace_rows(lake, RECONCILIATION, apart, WEEK[:1])
    assert stale_stages(lake, "", required)["metrics/daily_metrics"] == WEEK[:1]
    assert stale_stages(lake, "", JUDGING)["metrics/daily_metrics"] == []
    assert set(stale_stages(lake, "", required)) >= {RECONCILIATION.path, AVAILABILITY.path}


def metrics_state(lake: str, judging: Judging) -> dict[date, str]:
    from stock_assets.lake.staleness import daily_bars_state
    from stock_assets.quality.state import refused

    return daily_bars_state(lake, refused(lake, judging))


def states(lake: str, judging: Judging = JUDGING) -> dict[date, str]:
    return availability_state(lake, judging, now=LATER)


def changed(before: dict[date, str], after: dict[date, str]) -> set[date]:
    return {day for day in before.keys() | after.keys() if before.get(day) != after.get(day)}
