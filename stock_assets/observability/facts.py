"""settings -> the facts about the whole platform, one list for everybody.

Belongs here: which facts there are and in which order, what need not be asked because what it rests on is away, and that no
part makes the others wait. ``doctor`` and ``status`` show this list, the collector keeps it for pages.
Does not belong here: the facts themselves (the other modules), and showing them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

from stock_assets.lake.milestones import read_milestones
from stock_assets.landing.pace import longest_delay_s
from stock_assets.local.dagster import instance_home
from stock_assets.local.services import Services
from stock_assets.local.states import ServiceState
from stock_assets.observability import channel, machine, marts, runs, services, serving, sessions, stream, topics
from stock_assets.observability.fact import Fact, in_one_line
from stock_assets.observability.side_by_side import side_by_side
from stock_assets.settings.platform import Settings

PATIENCE_S = 60.0
"""For reading tables and records of services that were found to answer: a large lake takes its time."""
STORES = {"minio", "object store"}


def facts(settings: Settings, wake: bool = True) -> list[Fact]:
    """All facts, in the order in which parts depend on each other; never raises for what it finds, and changes nothing.

    Settings that cannot be read end the list: no port and no place below can be told.

    Args:
        wake: whether a warehouse may be asked that is paid for by the minute while it is awake.
    """
    first = [machine.python_fact(), machine.settings_fact(settings)]
    if first[-1].problem:
        return first
    states = {each.name: each for each in Services(settings).status()}
    asleep = frozenset({"warehouse"} if settings.metered_warehouse and not wake else ())
    reached = services.service_facts(settings, states, asleep)
    away = {each.about for each in reached if each.problem}
    return [
        *first,
        *machine.java_facts(settings),
        *machine.disk_facts(settings),
        *machine.memory_facts(),
        *reached,
        *services.key_facts(settings),
        *services.publisher_facts(settings, states),
        *channel.channel_facts(settings),
        *_of_the_data(settings, states, away, asleep),
    ]


def _of_the_data(
    settings: Settings, states: Mapping[str, ServiceState], away: set[str], asleep: AbstractSet[str]
) -> Iterable[Fact]:
    """What waits, what is stale, what is withheld, and what Dagster does about it; of services ``away`` nothing is asked."""
    from stock_assets.observability import orchestration

    store = away & STORES
    records = away & {"postgres"} if instance_home(settings) else set()
    asked: dict[str, tuple[set[str], Callable[[], Any]]] = {
        "definitions": (set(), lambda: list(services.definitions_facts(settings, states))),
        "schemas": (set(), lambda: list(services.registry_facts(settings))),
        "topics": (store | away & {"kafka"}, lambda: topics.waiting_since(settings)),
        "sessions": (store, lambda: sessions.stale_sessions(settings)),
        "promise": (store, lambda: list(sessions.late_facts(read_milestones(settings.lake_root), datetime.now(UTC)))),
        "rows": (store, lambda: list(sessions.withheld_facts(settings.lake_root))),
        "marts": (away & {"warehouse"}, lambda: list(marts.mart_facts(settings))),
        "serving": (away & {"warehouse", "postgres", "serving"}, lambda: list(serving.serving_facts(settings))),
        "stream": (store, lambda: list(stream.stream_facts(settings))),
        "runs": (store | records, lambda: orchestration.look(settings)),
    }
    if asleep:
        del asked["marts"], asked["serving"]
    answers = side_by_side({name: ask for name, (missing, ask) in asked.items() if not missing}, PATIENCE_S)
    for name, (missing, _) in asked.items():
        if missing:
            text = f"cannot be told while {' and '.join(sorted(missing))} does not answer"
            yield Fact("untold", name, False, text)
        elif isinstance(answers[name], Exception):
            yield Fact(
                "untold", name, True, f"cannot be told: {in_one_line(answers[name])}", "Mend that, or look again."
            )
    told = {name: answer for name, answer in answers.items() if not isinstance(answer, Exception)}
    stale, seen = told.get("sessions", {}), told.get("runs")
    for name in ("definitions", "schemas"):
        yield from told.get(name, ())
    for stage, (waiting, age_s) in told.get("topics", {}).items():
        draining = seen is not None and runs.DRAIN in seen.in_flight
        yield from topics.topic_facts(stage, waiting, age_s, longest_delay_s(settings, stage), draining)
    for name in ("promise", "rows"):
        yield from told.get(name, ())
    yield from told.get("marts", ())
    yield from told.get("serving", ())
    yield from told.get("stream", ())
    state = None if settings.local.container else states[runs.DAEMON]
    if "runs" not in told:
        if state is not None and state.state != "running":
            yield runs.daemon_fact(settings, None, state)
        yield from sessions.stale_facts(stale, None)
        return
    daemon = runs.daemon_fact(settings, seen, state)
    yield daemon
    yield from sessions.stale_facts(stale, runs.unbuilt(settings, seen, daemon))
    yield from runs.run_facts(settings, seen, "sessions" not in told or any(stale.values()))
