"""observations -> turns of facts, again and again.

Belongs here: which looks are followed, what a fact that is not told any more means, and that a collector which tells nothing is
itself a fact.
Does not belong here: the rule for one fact (``standing``), sending (``sender``), looking at the platform (``collector``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.observability.alerting.standing import Standing, Turn, follow
from stock_assets.observability.alerting.store import Standings, Store
from stock_assets.observability.fact import Fact, duration
from stock_assets.observability.kept import newest
from stock_assets.observability.observation import Observation, late_after_s

COLLECTOR = Fact("collector", "", False, "the collector tells what it sees")
NEVER_TOLD = frozenset({"alerts"})
"""That nothing can be sent is not sent."""
WORTH_TELLING = frozenset({"withheld_rows"})
"""Facts that are no fault of the platform, and told once all the same: while their value is not 0."""
BY_AGE = frozenset({"daemon_heartbeat_age"})
"""Facts that are wrong by an age, where they have one as their value: it has lasted when it is first seen, and one look suffices."""
ALWAYS_TOLD = frozenset({COLLECTOR.name, "settings", "machine"})
PART_OF = {
    "records_waiting": "topics",
    "oldest_record_waiting": "topics",
    "stale_sessions": "sessions",
    "service_level": "promise",
    "withheld_rows": "rows",
    "marts": "marts",
    "serving": "serving",
    "stream": "stream",
    "schema": "schemas",
    "failed_runs": "runs",
    "queued_run_age": "runs",
    "daemon_heartbeat_age": "runs",
    "sensor": "runs",
    "completeness": "runs",
}
"""The part of the platform that tells a fact, as ``facts`` names parts; those that are not here are always told."""


class Watch:
    """Follows what the collector keeps.

    Args:
        every_s: how often the collector looks.
        monotonic: a clock that nobody sets, in seconds.
        now: seconds since 1970, for people.
    """

    def __init__(
        self, observed: Path, store: Store, every_s: float, monotonic: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._observed, self._store, self._every_s = observed, store, every_s
        self._monotonic, self._now = monotonic, now
        self._heard = self._said = monotonic()

    def look(self, remind_s: float, tells: bool) -> list[Turn]:
        """Follow what was collected since the last call, and store where it leads to; returns the turns.

        Args:
            remind_s: after how long a fact that stays wrong is told again.
            tells: whether there is a channel.
        """
        try:
            seen = newest(self._observed)
        except ServiceUnavailable:
            seen = None
        if seen is None or seen.at == self._store.looked_at():
            return self._silence(seen, remind_s, tells)
        self._heard = self._monotonic()
        return self._follow(seen, remind_s, tells)

    def _silence(self, seen: Observation | None, remind_s: float, tells: bool) -> list[Turn]:
        silent = self._monotonic() - self._heard
        if silent <= late_after_s(self._every_s, 0.0 if seen is None else seen.seconds):
            return []
        before, key = self._store.standings(), (COLLECTOR.name, COLLECTOR.about)
        known = before.get(key, Standing())
        if known.told:
            known = replace(known, told_s=self._monotonic() - self._said)
        fact = replace(
            COLLECTOR,
            problem=True,
            sentence=f"it has told nothing for {duration(silent)}; what is wrong since then is not known",
            cure="`stock-assets up collector`; its log is collector.log in the folder of logs.",
        )
        after, turn = follow(known, fact, self._now(), 0.0, remind_s, tells, sure=True)
        if turn is None and known.wrong:
            return []
        self._said = self._monotonic()
        turns = [turn] if turn is not None else []
        self._store.keep(before, before | {key: after}, turns, None)
        return turns

    def _follow(self, seen: Observation, remind_s: float, tells: bool) -> list[Turn]:
        before, last = self._store.standings(), self._store.looked_at()
        passed = 0.0 if last is None else seen.at - last
        turns: list[Turn] = []
        after: Standings = {}
        for fact in looked_at(seen.facts, before):
            key = (fact.name, fact.about)
            if key not in before and not fact.problem:
                continue
            pause = math.inf if fact.name in WORTH_TELLING else remind_s
            sure = fact.name in BY_AGE and fact.value is not None
            standing, turn = follow(before.get(key, Standing()), fact, seen.at, passed, pause, tells, sure)
            if not standing.forgettable:
                after[key] = standing
            turns += [turn] if turn is not None else []
        unsaid = untold(seen.facts)
        unknown = {key: each for key, each in before.items() if unsaid(key[0])}
        self._store.keep(before, unknown | after, turns, seen.at)
        return turns


def looked_at(facts: Iterable[Fact], before: Iterable[tuple[str, str]]) -> list[Fact]:
    """What a look says of each fact, those included that it does not name any more: they are well, unless they cannot be told."""
    told = {(fact.name, fact.about): _weighed(fact) for fact in (*facts, COLLECTOR) if fact.name not in NEVER_TOLD}
    unsaid = untold(told.values())
    gone = [key for key in before if key not in told and not unsaid(key[0])]
    return [*told.values(), *(Fact(*key, False, "nothing is wrong with it any more") for key in gone)]


def _weighed(fact: Fact) -> Fact:
    return replace(fact, problem=bool(fact.value)) if fact.name in WORTH_TELLING else fact


def untold(facts: Iterable[Fact]) -> Callable[[str], bool]:
    """Whether a look without a fact of some name says nothing of it: what it rests on is away, or settings cannot be read."""
    facts = list(facts)
    missing = {fact.about for fact in facts if fact.name == "untold"}
    broken = any(fact.name == "settings" and fact.problem for fact in facts)

    def unsaid(name: str) -> bool:
        if name in ALWAYS_TOLD:
            return False
        return broken or PART_OF.get(name, "") in missing

    return unsaid
