"""A withdrawn record: out of its session, in quarantine, counted once; and back."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stock_assets.domain.errors import LandingConflict, PermanentError
from stock_assets.domain.messages import Action, Bar, Tick, decode, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.lake.staleness import daily_bars_state, raw_state
from stock_assets.landing.decode import Decoder
from stock_assets.raw import withdrawal
from stock_assets.raw.compaction import compact
from stock_assets.raw.known import Known
from stock_assets.raw.quarantine import reasons
from stock_assets.raw.withdrawal import reinstate, withdraw
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import ACTIONS, BARS, TICKS, Topic
from stock_assets_tests.pipeline import raw_lake
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    NEXT_DAY,
    accepted,
    counts,
    holds,
    in_quarantine,
    land,
    opened,
    redrive_all,
    row_counts,
    stored,
    tick,
)

NOBODY = Broker("127.0.0.1:1")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic is gone: what is withdrawn is all that there is of its record."""
    monkeypatch.setattr(withdrawal, "topic_state", lambda broker, topic: None)


def take_out(lake: str, offset: int, topic: Topic = TICKS, reason: str = "a fat finger") -> withdrawal.Withdrawal:
    return withdraw(lake, NOBODY, topic, 0, offset, reason)


def state_of(lake: str, day: date) -> tuple[str, str | None]:
    return str(raw_state(lake).inputs.get(day)), daily_bars_state(lake).get(day)


def test_a_withdrawn_record_is_in_quarantine_with_all_that_is_known_of_it(strict_lake: str) -> None:
    before = stored(strict_lake).to_pylist()
    (row,) = (row for row in before if (row["kafka_partition"], row["kafka_offset"]) == (0, 5))
    done = take_out(strict_lake, 5)
    assert (done.partition, done.offset, done.symbol, done.day) == (0, 5, row["symbol"], DAY)
    assert counts(strict_lake) == [(1, 5, 1), (2, 4, 1)]
    assert holds(strict_lake, [DAY])
    assert (row["topic_id"], 0, 5) not in accepted(strict_lake)
    payload = next(
        payload for _, partition, offset, payload in in_quarantine(strict_lake) if (partition, offset) == (0, 5)
    )
    assert payload is not None and decode(Tick, payload) == decode(Tick, raw_lake.VALUES[5] or b"")
    (entry,) = (entry for entry in reasons(strict_lake, TICKS) if entry.reason == "withdrawn")
    assert entry.records == 1 and entry.example.startswith("withdrawn: a fat finger (20")
    (now,) = (row for row in stored(strict_lake).to_pylist() if (row["kafka_partition"], row["kafka_offset"]) == (0, 5))
    assert f"accepted by landing {row['landing_id']})" in now["rejected_because"]
    assert now["kafka_time"] == row["kafka_time"] and now["trading_day"] is None
    others = [row for row in before if (row["kafka_partition"], row["kafka_offset"]) != (0, 5)]
    assert sum(row_counts(strict_lake).values()) == len(others) + 1
    assert all(repr(row) in row_counts(strict_lake) for row in others)


def test_redrives_and_compactions_leave_it_where_it_is(strict_lake: str) -> None:
    take_out(strict_lake, 5)
    assert sum(done.accepted for done in redrive_all(strict_lake)) == 4
    for day in (None, DAY, NEXT_DAY):
        assert compact(strict_lake, TICKS.table, day).done
    assert redrive_all(strict_lake, reason="withdrawn") == []
    assert counts(strict_lake) == [(3, 3, 1), (4, 2, 1)]
    assert reinstate(strict_lake, TICKS, 0, 5).day == DAY
    assert counts(strict_lake) == [(4, 2, 1), (4, 2, 1)]


def test_a_record_comes_back_as_it_was(strict_lake: str) -> None:
    before = {key: row for key, row in by_place(strict_lake).items() if key == (0, 0)}
    take_out(strict_lake, 0)
    done = reinstate(strict_lake, TICKS, 0, 0)
    assert done.day == DAY
    after = by_place(strict_lake)[0, 0]
    assert after.pop("landing_id").startswith("redrive-")
    assert after == {name: value for name, value in before[0, 0].items() if name != "landing_id"}
    assert counts(strict_lake) == [(2, 4, 1)] * 2


def test_a_redriven_record_can_be_withdrawn(strict_lake: str) -> None:
    redrive_all(strict_lake)
    take_out(strict_lake, 1)
    assert counts(strict_lake) == [(3, 3, 1), (4, 2, 1)]
    assert redrive_all(strict_lake)[0].accepted == 0
    reinstate(strict_lake, TICKS, 0, 1)
    assert counts(strict_lake) == [(4, 2, 1)] * 2


@pytest.mark.parametrize(
    ("offset", "sentence"),
    [
        (2, "offset 2: its record is in quarantine: bad json"),
        (6, "offset 6: no record is there"),
        (99, "offset 99: nothing was landed there"),
    ],
)
def test_what_was_not_accepted_cannot_be_withdrawn(strict_lake: str, offset: int, sentence: str) -> None:
    version = opened(strict_lake).version()
    with pytest.raises(PermanentError, match=sentence):
        take_out(strict_lake, offset)
    with pytest.raises(PermanentError, match="is not withdrawn"):
        reinstate(strict_lake, TICKS, 0, offset)
    with pytest.raises(PermanentError, match="say why"):
        take_out(strict_lake, 5, reason=" ")
    assert opened(strict_lake).version() == version


def test_what_today_s_rules_refuse_stays_withdrawn(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row from before there was a bound, which is the first thing that one would withdraw."""
    odd = decode(Tick, tick(1))
    with monkeypatch.context() as patch:
        patch.setattr("stock_assets_tests.pipeline.raw_lake.decoder", lambda *given: _Lenient(TICKS))
        land(lake, [tick(0), encode(odd).replace(b"101.0", b"1e-9")])
    assert counts(lake) == [(2, 0, 0)]
    take_out(lake, 1)
    assert counts(lake) == [(1, 1, 0)]
    with pytest.raises(PermanentError, match="stays withdrawn, as it is not good by today's rules: out of range"):
        reinstate(lake, TICKS, 0, 1)
    assert counts(lake) == [(1, 1, 0)]


class _Lenient(Decoder):
    """Rules without bounds for a price."""

    def decode(self, values: Any, *given: Any) -> Any:
        found = super().decode([value.replace(b"1e-9", b"1.0") for value in values], *given)
        import pyarrow as pa

        prices = [1e-9 if price == 1.0 else price for price in found.columns["price"].to_pylist()]
        found.columns["price"] = pa.chunked_array([pa.array(prices)])
        return found


def test_the_session_is_stale_whatever_was_withdrawn_and_accepted_meanwhile(strict_lake: str) -> None:
    seen = [state_of(strict_lake, DAY)]
    for step in (
        lambda: take_out(strict_lake, 5),
        lambda: redrive_all(strict_lake),  # as many accepted rows, and the same greatest offset
        lambda: take_out(strict_lake, 0),
        lambda: (reinstate(strict_lake, TICKS, 0, 5), take_out(strict_lake, 1)),
    ):
        step()
        seen.append(state_of(strict_lake, DAY))
    assert len(set(seen)) == len(seen)


def test_bars_and_actions_are_withdrawn_too_and_a_rerun_does_not_bring_them_back(lake: str) -> None:
    known_at = instant(session(DAY).close_time)
    said: dict[str, Any] = {"symbol": "IBM", "source": "yahoo", "currency": "USD"}
    prices = dict.fromkeys(("open", "high", "low", "close"), 182.0)
    bar = Bar(
        interval="1d", trading_day=DAY, start_time=known_at, volume=7, price_basis="as_traded", final=True,
        known_at=known_at, **prices, **said,
    )  # fmt: skip
    split = Action(ex_date=DAY, kind="split", value=2.0, known_at=known_at, **said)
    land(lake, [encode(bar)], topic=BARS)
    land(lake, [encode(split)], topic=ACTIONS)
    land(lake, [tick(0)])
    for topic, message in ((BARS, bar), (ACTIONS, split), (TICKS, decode(Tick, tick(0)))):
        take_out(lake, 0, topic)
        assert holds(lake, topic=topic)
        assert list(Known(lake).new([message])) == []
        other = msgspec.structs.replace(message, source="another")
        assert list(Known(lake).new([other])) == [other]
        reinstate(lake, topic, 0, 0)
        assert list(Known(lake).new([message])) == []
    assert holds(lake, topic=ACTIONS)


def test_a_corrected_action_in_place_of_a_withdrawn_one_makes_its_session_stale(lake: str) -> None:
    known_at = instant(session(DAY).close_time)
    said: dict[str, Any] = {"symbol": "IBM", "source": "yahoo", "known_at": known_at, "kind": "split"}
    prices = dict.fromkeys(("open", "high", "low", "close"), 182.0)
    bar = Bar(
        symbol="IBM", source="yahoo", interval="1d", trading_day=DAY, start_time=known_at, volume=7, currency="USD",
        price_basis="split_adjusted", final=True, known_at=instant(session(date(2013, 10, 9)).close_time), **prices,
    )  # fmt: skip
    land(lake, [encode(bar)], topic=BARS)
    land(lake, [encode(Action(ex_date=NEXT_DAY, value=3.0, **said))], topic=ACTIONS)
    before = raw_state(lake).inputs[DAY]
    take_out(lake, 0, ACTIONS)
    land(lake, [encode(Action(ex_date=NEXT_DAY, value=2.0, **said))], topic=ACTIONS)
    assert raw_state(lake).inputs[DAY] != before


def test_a_landing_in_between_is_waited_for(strict_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    land_meanwhile = _before_each_commit(monkeypatch, lambda: land(strict_lake, [tick(50)], 0))
    take_out(strict_lake, 5)
    assert land_meanwhile
    assert holds(strict_lake)
    assert counts(strict_lake)[0][:2] == (1 + len(land_meanwhile), 5)


def test_a_compaction_in_between_is_refused_or_waited_for(strict_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _before_each_commit(monkeypatch, lambda: compact(strict_lake, TICKS.table, DAY), times=withdrawal.ATTEMPTS)
    try:
        take_out(strict_lake, 5)
    except LandingConflict:
        assert counts(strict_lake) == [(2, 4, 1)] * 2
    else:
        assert counts(strict_lake) == [(1, 5, 1), (2, 4, 1)]


def _before_each_commit(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any], times: int = 1) -> list[Any]:
    """What others do between a withdrawal's read and its commit, the first few times."""
    import deltalake

    write, done = deltalake.write_deltalake, []

    def interrupted(*given_args: Any, **named: Any) -> Any:
        if len(done) < times:
            done.append(None)
            meanwhile()
        return write(*given_args, **named)

    monkeypatch.setattr(deltalake, "write_deltalake", interrupted)
    return done


def by_place(lake: str) -> dict[tuple[int, int], dict[str, Any]]:
    return {(row["kafka_partition"], row["kafka_offset"]): row for row in stored(lake).to_pylist()}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["withdraw", "undo", "redrive", "compact"]), st.integers(0, 5)), max_size=8
    )
)
def test_the_equation_holds_after_any_steps(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    lake = str(tmp_path_factory.mktemp("steps") / "lake")
    land(lake, raw_lake.VALUES, strict=True, gap=1)
    good, out = {0, 5}, set()
    for step, offset in steps:
        if step == "redrive":
            redrive_all(lake)
            good |= {1, 3} - out
        elif step == "compact":
            compact(lake, TICKS.table, None if offset % 2 else DAY)
        elif step == "withdraw" and offset in good:
            take_out(lake, offset)
            good.remove(offset)
            out.add(offset)
        elif step == "undo" and offset in out:
            reinstate(lake, TICKS, 0, offset)
            out.remove(offset)
            good.add(offset)
        assert holds(lake)
        assert {offset for _, _, offset in accepted(lake)} == good
        assert all(number == 1 for number in accepted(lake).values())
