"""what settings name, what supervisor says, what services answer -> facts.

Belongs here: each service that the settings name, embedded or not; publishers; schemas.
Does not belong here: how a service is asked (``questions``), starting services (``local.services``), Dagster's daemon (``runs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from stock_assets.domain.errors import StockAssetsError, TransientError
from stock_assets.local import readiness
from stock_assets.local.services import Services
from stock_assets.local.states import ServiceState, publishers_of
from stock_assets.observability.fact import Fact, in_one_line
from stock_assets.observability.questions import Question, import_for, questions
from stock_assets.observability.side_by_side import side_by_side
from stock_assets.settings.platform import Settings

SERVICE = "service"
READY_IS_ENOUGH = dict.fromkeys(
    ("dagster-code", "dagster-webserver", "collector", "dashboard", "metrics", "alerts", "stream")
).keys()
"""Embedded ones that are ours: that they are ready is all there is to ask."""
PATIENCE_S = 15.0
"""For what takes a connection and then says nothing; whoever is away is told sooner."""


def service_facts(
    settings: Settings, states: Mapping[str, ServiceState], asleep: AbstractSet[str] = frozenset()
) -> list[Fact]:
    """Each named service: whether it runs, where that is ours to know, and whether it can be used; all are asked at once.

    Those ``asleep`` are not asked.
    """
    services = Services(settings)
    idle = {
        each.name: _idle(settings, each, services.log(each.name))
        for each in states.values()
        if each.state != "running" and each.name != "dagster-daemon" and each.verdict is None
    }
    asked = {each.name: each for each in questions(settings)}
    open_questions = {
        name: each for name, each in asked.items() if name not in asleep and (each.setting or name not in idle)
    }
    import_for(open_questions.values())
    ready = {
        name: (lambda name=name: readiness.READY[name](settings))
        for name in READY_IS_ENOUGH & states.keys()
        if not settings.local.container and name not in idle
    }
    answers = side_by_side({name: each.ask for name, each in open_questions.items()} | ready, PATIENCE_S)
    found: list[Fact] = []
    for name in (*asked, *READY_IS_ENOUGH):
        if name in open_questions:
            found.append(_answered(open_questions[name], answers[name], services.log(name)))
        elif name in asleep:
            found.append(Fact(SERVICE, name, False, "not asked, so that it may sleep; `stock-assets doctor` asks it"))
        elif name in ready:
            found.append(_ready(states[name], answers[name] is True, services.log(name)))
        elif name in idle and (name in asked or not settings.local.container):
            found.append(idle[name])
    return found


def _idle(settings: Settings, state: ServiceState, log: Path) -> Fact:
    """An embedded service that does not run, and whether anything is in its way."""
    ports = {
        "kafka": ("KAFKA_PORT", settings.local.kafka_port, settings.local.kafka_port + 1),
        "minio": ("MINIO_PORT", settings.local.minio_port),
        "spark": ("SPARK_PORT", settings.local.spark_port),
        "postgres": ("POSTGRES_PORT", settings.local.postgres_port),
        "warehouse": ("WAREHOUSE_PORT", settings.local.warehouse_port),
        "dagster-webserver": ("DAGSTER_PORT", settings.local.dagster_port),
        "dashboard": ("DASHBOARD_PORT", settings.local.dashboard_port),
        "metrics": ("METRICS_PORT", settings.local.metrics_port),
    }
    setting, *wanted = ports.get(state.name, ("",))
    taken = [port for port in wanted if not readiness.port_free(int(port))]
    if taken:
        cure = f"End that program or set {setting} to a free port, then `stock-assets up`."
        return Fact(SERVICE, state.name, True, f"{state.state}, and another program has port {taken[0]}", cure)
    return Fact(SERVICE, state.name, True, state.state, f"`stock-assets up {state.name}`; its log is {log}.")


def _answered(question: Question, answer: object, log: Path) -> Fact:
    if not isinstance(answer, Exception):
        named = f" ({question.setting})" if question.setting else ""
        return Fact(SERVICE, question.name, False, f"answers at {question.where}{named}")
    if question.setting:
        cure = f"Start it, or mend {question.setting}."
    else:
        cure = f"See {log}; `stock-assets down` and `up` start it afresh."
    return Fact(SERVICE, question.name, True, f"{question.where}: {in_one_line(answer)}", cure)


def _ready(state: ServiceState, ready: bool, log: Path) -> Fact:
    if ready:
        where = f"answers at {state.address}" if state.address != "-" else "runs"
        return Fact(SERVICE, state.name, False, where)
    cure = f"See {log}; `stock-assets down` and `up` start it afresh."
    return Fact(SERVICE, state.name, True, f"runs as {state.pid} but does not answer at {state.address}", cure)


def definitions_facts(settings: Settings, states: Mapping[str, ServiceState]) -> Iterator[Fact]:
    """Whether Dagster could load the definitions, as a running web server tells it."""
    state = states.get("dagster-webserver")
    if state is None or state.state != "running":
        return
    error = readiness.code_location_error(settings)
    cure = "`.venv/bin/dagster definitions validate -w workspace.yaml` shows all of it." if error else ""
    yield Fact(SERVICE, "definitions", bool(error), error or "loaded", cure)


def key_facts(settings: Settings) -> Iterator[Fact]:
    """The key that signs in to Snowflake, when one does, and how to exchange it."""
    from stock_assets.warehouse.sign_in import fingerprint

    snowflake = settings.snowflake
    if not snowflake.key_path:
        return
    try:
        text = (
            f"{snowflake.user} signs in with {fingerprint(snowflake)}; to exchange it, set RSA_PUBLIC_KEY_2 of the user, "
            "then SNOWFLAKE_PRIVATE_KEY_PATH, then unset RSA_PUBLIC_KEY"
        )
        yield Fact("key", "warehouse", False, text)
    except StockAssetsError as error:
        yield Fact("key", "warehouse", True, str(error), "Fix this; nothing is loaded until then.")


def registry_facts(settings: Settings) -> Iterator[Fact]:
    """How our schemas stand to those of the schema registry, when one is set."""
    if settings.broker.registry is None:
        return
    from stock_assets.topic.schema_registry import standing
    from stock_assets.topic.topics import topics_of

    for topic in topics_of(settings.broker).values():
        try:
            yield Fact("schema", f"schema-registry {topic.name}", False, standing(settings.broker.registry, topic))
        except TransientError as error:
            yield Fact("schema", "schema-registry", True, str(error), "Start it, or mend SCHEMA_REGISTRY_URL.")
            return  # it would say the same of each topic
        except StockAssetsError as error:
            yield Fact("schema", f"schema-registry {topic.name}", True, str(error), "Its sentence names what to mend.")


def publisher_facts(settings: Settings, states: Mapping[str, ServiceState]) -> Iterator[Fact]:
    """How each publisher that the settings name does, by its own word."""
    for name in publishers_of(settings):
        state, log = states[name], Services(settings).log(name)
        verdict = state.verdict
        found = verdict.because if verdict is not None else state.state
        if verdict:
            yield Fact("publisher", name, False, found)
            continue
        cures = {
            "stopped": f"`stock-assets up {name}` starts it.",
            "exited": f"Mend that, then `stock-assets up {name}`; its log is {log}.",
            "fatal": f"Mend that, then `stock-assets up {name}`; its log is {log}.",
        }
        yield Fact(
            "publisher", name, True, found, cures.get(state.state, f"It goes on trying by itself; its log is {log}.")
        )
