"""The rate budget: never more than the vendor allows, whoever asks and however often processes begin anew."""

import multiprocessing
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.errors import PermanentError, VendorThrottled
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.sources.rate_budget import CLOCKS_APART, RateBudget
from stock_assets_tests.fakes.clock import Clock, Stop

NOON = datetime(2026, 3, 6, 17, tzinfo=UTC)
DAY_OVER = datetime(2026, 3, 7, 5, tzinfo=UTC)  # midnight in New York, winter time
NEVER = threading.Event()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budgets" / "vendor.json"


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # which process
        st.sampled_from(["ask", "ask", "ask", "ask", "restart", "spend"]),
        st.sampled_from([0.0, 0.0, 0.3, 0.999, 1.0, 40.0, 7 * 3600.0]),  # then so many seconds pass
    ),
    max_size=60,
)


@given(steps=STEPS, began_s=st.integers(0, 400 * 86400), per_day=st.integers(1, 6))
def test_never_more_than_the_day_s_requests_nor_two_within_a_second(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, str, float]],
    began_s: int,
    per_day: int,
) -> None:
    path = tmp_path_factory.mktemp("budget") / "vendor.json"
    clock = Clock(NOON + timedelta(seconds=began_s))
    budgets = [RateBudget(path, per_second=1, per_day=per_day, now=clock.now) for _ in range(3)]
    asked: list[datetime] = []
    refused_until = clock.at
    for process, action, seconds in steps:
        if action == "restart":
            budgets[process] = RateBudget(path, per_second=1, per_day=per_day, now=clock.now)
        elif action == "spend" and asked:
            refused_until = max(refused_until, budgets[process].spend(asked[-1]))
        elif action == "ask":
            before = Counter(moment.astimezone(EXCHANGE_ZONE).date() for moment in asked)
            try:
                moment = budgets[process].acquire(Stop(clock))
            except VendorThrottled as throttled:
                today = clock.at.astimezone(EXCHANGE_ZONE).date()
                assert before[today] == per_day or clock.at < refused_until
                assert throttled.retry_at is not None and throttled.retry_at > clock.at
            else:
                assert moment == clock.at and moment >= refused_until
                asked.append(moment)
        clock.at += timedelta(seconds=seconds)
    per_local_day = Counter(moment.astimezone(EXCHANGE_ZONE).date() for moment in asked)
    assert all(count <= per_day for count in per_local_day.values())
    assert all(later - earlier >= timedelta(seconds=1) for earlier, later in pairwise(asked))


def test_the_day_begins_anew_at_midnight_in_new_york_also_when_clocks_change(path: Path) -> None:
    clock = Clock(NOON)
    budget = RateBudget(path, per_second=0, per_day=2, now=clock.now)
    for _ in range(2):
        assert budget.acquire(NEVER) == NOON
    with pytest.raises(VendorThrottled, match="today's 2 requests are spent") as refused:
        budget.acquire(NEVER)
    assert refused.value.retry_at == DAY_OVER
    clock.at = DAY_OVER - timedelta(microseconds=1)
    with pytest.raises(VendorThrottled):
        budget.acquire(NEVER)
    clock.at = DAY_OVER
    assert budget.acquire(NEVER) == DAY_OVER
    clock.at = datetime(2026, 3, 8, 17, tzinfo=UTC)  # summer time since that morning
    budget.spend(clock.at)
    with pytest.raises(VendorThrottled) as refused:
        budget.acquire(NEVER)
    assert refused.value.retry_at == datetime(2026, 3, 9, 4, tzinfo=UTC)


def test_the_spacing_is_waited_for_and_a_stop_ends_the_wait_without_a_request(path: Path) -> None:
    clock = Clock(NOON)
    budget = RateBudget(path, per_second=2, per_day=0, now=clock.now)
    waiting = Stop(clock)
    assert budget.acquire(waiting) == NOON and waiting.waits == []
    assert budget.acquire(waiting) == NOON + timedelta(seconds=0.5) and waiting.waits == [0.5]
    stopped = threading.Event()
    stopped.set()
    assert budget.acquire(stopped) is None
    assert RateBudget(path, per_day=5, now=clock.now).left() == 3


def test_the_vendor_s_word_that_the_day_is_spent_holds_for_every_process_until_the_reset(path: Path) -> None:
    clock = Clock(NOON)
    budget = RateBudget(path, per_second=0, per_day=0, now=clock.now)
    assert budget.left() is None
    asked_at = budget.acquire(NEVER)
    assert asked_at is not None and budget.spend(asked_at) == DAY_OVER
    other = RateBudget(path, per_second=0, per_day=25, now=clock.now)
    assert other.left() == 0
    with pytest.raises(VendorThrottled, match="the vendor says") as refused:
        other.acquire(NEVER)
    assert refused.value.retry_at == DAY_OVER
    clock.at = DAY_OVER
    assert other.left() == 25 and other.acquire(NEVER) == DAY_OVER


def test_a_refusal_right_after_midnight_does_not_cost_the_new_day(path: Path) -> None:
    clock = Clock(DAY_OVER + timedelta(seconds=20))
    budget = RateBudget(path, per_second=0, now=clock.now)
    assert budget.spend(clock.at) == clock.at + CLOCKS_APART
    clock.at += CLOCKS_APART
    assert budget.acquire(NEVER) == clock.at


def test_a_clock_set_back_neither_blocks_nor_frees(path: Path) -> None:
    clock = Clock(NOON)
    budget = RateBudget(path, per_second=1, per_day=3, now=clock.now)
    budget.acquire(NEVER)
    clock.at -= timedelta(hours=2)
    waiting = Stop(clock)
    assert budget.acquire(waiting) == NOON - timedelta(hours=2) + timedelta(seconds=1) and waiting.waits == [1.0]
    clock.at = DAY_OVER
    assert budget.acquire(Stop(clock)) is not None
    clock.at = NOON + timedelta(hours=1)
    assert budget.left() == 1  # the day's count is still there


def test_a_file_that_cannot_be_read_is_said_and_not_taken_as_empty(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(PermanentError, match=r"vendor\.json counts requests and cannot be read .* delete it"):
        RateBudget(path).acquire(NEVER)


def test_a_crash_while_storing_leaves_the_old_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = RateBudget(path, per_second=0, per_day=5, now=Clock(NOON).now)
    budget.acquire(NEVER)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", _crash)
        with pytest.raises(KeyboardInterrupt):
            budget.acquire(NEVER)
    assert RateBudget(path, per_second=0, per_day=5, now=Clock(NOON).now).left() == 4


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


def _take(path: Path, tries: int, taken: "multiprocessing.Queue[int]") -> None:
    budget, count = RateBudget(path, per_second=0, per_day=40, now=lambda: NOON), 0
    for _ in range(tries):
        try:
            budget.acquire(NEVER)
            count += 1
        except VendorThrottled:
            break
    taken.put(count)


def test_processes_that_ask_at_the_same_time_share_one_count(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    taken: multiprocessing.Queue[int] = spawn.Queue()
    processes = [spawn.Process(target=_take, args=(path, 40, taken)) for _ in range(3)]
    for process in processes:
        process.start()
    counts = [taken.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert sum(counts) == 40
