"""What is told of facts: every lasting change once, in order, whatever is stopped, away or set back meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, pairwise, repeat

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stock_assets.observability.alerting.message import SHOWN, message
from stock_assets.observability.alerting.sender import BETWEEN_S, FIRST_PAUSE_S, LONGEST_PAUSE_S
from stock_assets.observability.alerting.standing import (
    LONGEST_WELL_FOR_S,
    WELL_FOR_S,
    Standing,
    Turn,
    follow,
    well_for_s,
)
from stock_assets.observability.alerting.store import queued, sent_after, standings, trouble
from stock_assets.observability.fact import Fact
from stock_assets.observability.observation import late_after_s
from stock_assets_tests.fakes.alerted_platform import EVERY_S, REMIND_S, Platform
from stock_assets_tests.fakes.quick_folder import quick_folder

DAEMON = Fact("daemon_heartbeat_age", "dagster-daemon", False, "its oldest heartbeat is 12 s old")
DEAD = replace(DAEMON, problem=True, sentence="stopped", cure="`stock-assets up dagster-daemon`")


@pytest.fixture
def platform() -> Iterator[Platform]:
    with quick_folder() as folder:
        yield Platform(folder)


def test_a_dead_daemon_is_told_with_what_to_do_and_once_more_when_it_lives(platform: Platform) -> None:
    for fact in (DAEMON, DEAD, DEAD, DEAD):
        platform.look(fact)
    (sent,) = platform.taken
    assert sent.title == "stock_assets: wrong: daemon heartbeat age dagster-daemon" and sent.bad
    assert "stopped" in sent.body and DEAD.cure in sent.body and "runbooks.md#daemon_heartbeat_age" in sent.body
    assert "http://page" in sent.body
    for _ in range(4):
        platform.look(DAEMON)
    assert platform.told() == [("wrong", "dagster-daemon"), ("well", "dagster-daemon")]
    assert not platform.taken[-1].bad and "12 s old" in platform.taken[-1].body
    assert not standings(platform.store.file) or not any(each.wrong for each in standings(platform.store.file).values())


def test_a_hiccup_of_one_look_is_not_told(platform: Platform) -> None:
    for fact in (DAEMON, DEAD, DAEMON, DAEMON, DAEMON, DEAD, DAEMON):
        platform.look(fact)
    assert not platform.taken


def followed(looks: Iterable[bool], remind_s: float = REMIND_S, passed_s: Iterable[float] | None = None) -> list[str]:
    """What is told of a fact that is wrong in these looks, one a minute or so many seconds after the last, by the rule alone."""
    standing, told = Standing(), []
    for wrong, passed in zip(looks, repeat(EVERY_S) if passed_s is None else passed_s, strict=False):
        standing, turn = follow(standing, DEAD if wrong else DAEMON, 0.0, passed, remind_s, tells=True)
        told += [turn.kind] if turn is not None else []
    return told


def test_a_fact_that_flaps_all_day_is_few_messages() -> None:
    kinds = followed(bool(number % 2) for number in range(24 * 60))
    assert kinds[0] == "wrong" and set(kinds[1:]) == {"still"} and len(kinds) <= 1 + 24 * 3600 / REMIND_S


@pytest.mark.parametrize("looks", [2, 3, 5, 10])
def test_a_fact_that_flaps_slowly_is_told_ever_more_rarely(looks: int) -> None:
    assert len(followed(bool(number // looks % 2) for number in range(24 * 60))) <= 36
    assert well_for_s(1) == WELL_FOR_S and well_for_s(50) == LONGEST_WELL_FOR_S


def test_what_stays_wrong_is_told_again_after_the_time_that_was_set() -> None:
    assert followed([True] * (2 + 13 * 60)) == ["wrong", "still", "still"]


def test_a_heartbeat_that_is_too_old_has_lasted_and_a_daemon_that_is_just_restarted_has_not(platform: Platform) -> None:
    platform.look(DEAD)
    platform.look(DAEMON)
    assert platform.told() == []
    platform.look(replace(DEAD, sentence="last heartbeat of sensor 151 s ago", value=151.0))
    assert platform.told() == [("wrong", "dagster-daemon")]


def test_ten_thousand_facts_at_once_are_one_message_that_counts_them(platform: Platform) -> None:
    many = [Fact("stale_sessions", f"stage {number}", True, f"{number} sessions") for number in range(10_000)]
    platform.look(*many)
    platform.look(*many)
    (sent,) = platform.taken
    assert "10,000 wrong" in sent.title and len(sent.body) < 10_000
    assert f"And {10_000 - SHOWN:,} more" in sent.body and len(platform.told()) == 10_000


def test_a_clock_that_is_set_back_or_forward_neither_repeats_nor_loses(platform: Platform) -> None:
    platform.look(DEAD)
    platform.look(DEAD)
    for jump in (-86_400.0 * 400, 86_400.0 * 400, -3600.0):
        platform.clock.now += jump
        platform.look(DEAD)
        platform.look(DEAD)
    assert platform.told() == [("wrong", "dagster-daemon")]
    platform.clock.now -= 5000
    for _ in range(3):
        platform.look(DAEMON)
    assert platform.told()[1:] == [("well", "dagster-daemon")]


def test_without_a_channel_states_are_kept_and_told_when_there_is_one(platform: Platform) -> None:
    platform.tells = False
    for _ in range(5):
        platform.look(DEAD)
    assert not platform.taken and not queued(platform.store.file)
    assert [each.wrong for each in standings(platform.store.file).values()] == [True]
    platform.restart()
    platform.tells = True
    platform.look(DEAD)
    assert platform.told() == [("wrong", "dagster-daemon")]


def test_a_channel_that_is_away_gets_everything_in_one_message_when_it_is_back(platform: Platform) -> None:
    platform.away = True
    for fact in (DEAD, DEAD, DEAD, DAEMON, DAEMON, DAEMON):
        platform.look(fact)
    troubled = trouble(platform.store.file)
    assert troubled is not None and troubled.attempts > 1 and "does not answer" in troubled.said
    platform.restart()
    platform.away = False
    platform.clock.pass_s(1)
    platform.work()
    assert platform.told() == [("wrong", "dagster-daemon"), ("well", "dagster-daemon")] and len(platform.taken) == 1
    assert trouble(platform.store.file) is None and not queued(platform.store.file)
    (sent,) = sent_after(platform.store.file, 0)
    assert sent.message == platform.taken[0]


def test_an_away_channel_is_tried_ever_later(platform: Platform) -> None:
    platform.away = True
    platform.look(DEAD)
    platform.look(DEAD)
    tried = []
    for second in range(0, 2400, 5):
        before = trouble(platform.store.file)
        platform.clock.pass_s(5)
        platform.sender.work()
        if trouble(platform.store.file) != before:
            tried.append(second)
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert gaps == sorted(gaps) and gaps[0] >= FIRST_PAUSE_S and gaps[-1] == LONGEST_PAUSE_S


def test_messages_are_not_sent_in_bursts(platform: Platform) -> None:
    for number in range(20):
        facts = [Fact("sensor", str(each), True, "off") for each in range(number)]
        platform.look(*facts, after_s=5)
    assert len(platform.taken) <= 1 + 20 * 5 / BETWEEN_S


def test_a_collector_that_tells_nothing_is_told_and_says_nothing_of_other_facts(platform: Platform) -> None:
    platform.look(DEAD)
    platform.look(DEAD)
    late = late_after_s(EVERY_S, 2.0)
    assert late < 180
    platform.clock.pass_s(late - 1)
    platform.work()
    assert platform.told() == [("wrong", "dagster-daemon")]
    platform.clock.pass_s(2)
    platform.work()
    platform.work()
    assert platform.turns[-1].name == "collector" and len(platform.turns) == 2
    platform.clock.pass_s(REMIND_S + 1)
    platform.work()
    assert [turn.kind for turn in platform.turns] == ["wrong", "wrong", "still"]
    for _ in range(3):
        platform.look(DEAD)
    assert [(turn.name, turn.kind) for turn in platform.turns[3:]] == [
        ("daemon_heartbeat_age", "still"),
        ("collector", "well"),
    ] or [(turn.name, turn.kind) for turn in platform.turns[3:]] == [("collector", "well")]


def test_a_start_gives_the_collector_time_to_look(platform: Platform) -> None:
    platform.look(DAEMON)
    platform.clock.pass_s(86_400)  # the machine was off
    platform.restart()
    platform.work()
    assert not platform.taken
    platform.clock.pass_s(late_after_s(EVERY_S, 2.0) + 1)
    platform.work()
    assert platform.turns[-1].name == "collector"


def test_a_fact_that_is_named_no_more_is_well_unless_it_cannot_be_told(platform: Platform) -> None:
    failed = Fact("failed_runs", "build", True, "no Spark")
    untold = Fact("untold", "runs", False, "cannot be told while postgres does not answer")
    for facts in ((failed,), (failed,), (untold,), (untold,), (untold,), (untold,)):
        platform.look(*facts)
    assert platform.told() == [("wrong", "build")]
    broken = Fact("settings", "settings", True, "KAFKA_PORT must be a whole number")
    for _ in range(4):
        platform.look(broken)
    assert platform.told() == [("wrong", "build"), ("wrong", "settings")]
    for _ in range(4):
        platform.look(DAEMON)
    assert sorted(platform.told()[2:]) == [("well", "build"), ("well", "settings")]


def test_withheld_rows_are_told_once_and_when_they_are_released(platform: Platform) -> None:
    withheld = Fact(
        "withheld_rows", "bars/daily_bars", False, "1 rows break a critical rule", "`stock-assets verify`", 1, "rows"
    )
    for _ in range(5):
        platform.look(withheld, after_s=REMIND_S)
    assert platform.told() == [("wrong", "bars/daily_bars")] and "critical rule" in platform.taken[0].body
    for _ in range(3):
        platform.look(replace(withheld, value=0, sentence="nothing is withheld"))
    assert platform.told()[1:] == [("well", "bars/daily_bars")]


def test_a_message_of_one_good_turn_is_good_and_names_it() -> None:
    sent = message([Turn("service", "kafka", "well", 0.0, "answers at 127.0.0.1:9092")], "http://page")
    assert (sent.title, sent.bad) == ("stock_assets: well again: service kafka", False)


def test_long_sentences_are_cut() -> None:
    assert len(message([Turn("failed_runs", "build", "wrong", 0.0, "x" * 100_000)], "p").body) < 1000


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["look", "look", "look", "restart", "away", "back", "set back", "set forward", "silent"]),
        st.tuples(st.booleans(), st.booleans()),
        st.integers(1, 8),
    ),
    max_size=40,
)


@example([("look", (True, False), 2), ("look", (False, False), 2), ("look", (True, False), 2), ("look", (False, False), 1),
          ("set forward", (False, False), 1), ("look", (False, False), 1)])  # fmt: skip
@settings(deadline=None, max_examples=40)
@given(EVENTS)
def test_every_lasting_change_is_told_once_and_in_order(events: list[tuple[str, tuple[bool, bool], int]]) -> None:
    with quick_folder() as folder:
        platform = Platform(folder)
        states: dict[str, list[bool]] = {"a": [], "b": []}
        looked_at: list[float] = []
        for what, wrong, times in events:
            if what in ("away", "back"):
                platform.away = what == "away"
            elif what.startswith("set"):
                platform.clock.now += -86_400.0 if what == "set back" else 86_400.0
            elif what == "restart":
                platform.restart()
            elif what == "silent":
                platform.clock.pass_s(30)
                platform.work()
            for _ in range(times if what == "look" else 0):
                platform.look(*(Fact("sensor", name, bad, "off") for name, bad in zip("ab", wrong, strict=True)))
                for name, bad in zip("ab", wrong, strict=True):
                    states[name].append(bad)
                looked_at.append(platform.clock.now)
        passed = [0.0, *(later - earlier for earlier, later in pairwise(looked_at))]
        platform.away = False
        platform.clock.pass_s(LONGEST_PAUSE_S)
        platform.work()
        for name in "ab":
            told = [
                turn.kind
                for turn in platform.turns
                if (turn.name, turn.about) == ("sensor", name) and turn.kind != "still"
            ]
            assert told == ["wrong", "well"] * (len(told) // 2) + ["wrong"] * (
                len(told) % 2
            )  # never twice, never out of order
            assert told == followed(states[name], 1e12, passed)  # as who is never stopped, and has no file, would tell


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 90)), min_size=1, max_size=30))
def test_what_lasts_is_told(stretches: list[tuple[bool, int]]) -> None:
    standing, told = Standing(), False
    for bad, looks in [
        (key, sum(count for _, count in group)) for key, group in groupby(stretches, key=lambda each: each[0])
    ]:
        for _ in range(looks):
            standing, turn = follow(standing, Fact("f", "", bad, ""), 0.0, EVERY_S, 1e12, tells=True)
            told = told if turn is None else turn.kind == "wrong"
        if bad and looks >= 2:
            assert told
        if not bad and looks * EVERY_S > LONGEST_WELL_FOR_S + EVERY_S:
            assert not told
