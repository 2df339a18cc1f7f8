"""Doctor asks the services that settings name, says soon who is away, and waits for nobody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.local.services import Services
from stock_assets.observability import facts as everything
from stock_assets.observability import machine, services
from stock_assets.observability.fact import Fact, command_in, duration
from stock_assets.observability.questions import Question, questions
from stock_assets.observability.side_by_side import side_by_side
from stock_assets.settings.platform import Settings


def test_who_does_not_answer_is_given_up_and_the_others_are_heard() -> None:
    never = threading.Event()

    def refuse() -> str:
        raise PermanentError("no")

    asked = {"well": lambda: "yes", "hangs": lambda: str(never.wait()), "refuses": refuse}
    found = side_by_side(asked, 0.2)
    never.set()
    assert found["well"] == "yes"
    assert isinstance(found["hangs"], ServiceUnavailable) and "0 s" in str(found["hangs"])
    assert isinstance(found["refuses"], PermanentError)


def named(settings: Settings) -> dict[str, tuple[str, str]]:
    return {each.name: (each.where, each.setting) for each in questions(settings)}


def test_the_services_asked_are_those_that_the_settings_name() -> None:
    embedded = named(Settings({"STOCK_ASSETS_LOCAL": "/x", "STORE": "minio", "SPARK_PORT": "15555"}))
    assert set(embedded) == {"kafka", "minio", "spark", "warehouse", "postgres"}
    assert {setting for _, setting in embedded.values()} == {""}
    assert embedded["spark"][0] == "127.0.0.1:15555"
    elsewhere = {
        "KAFKA_BOOTSTRAP_SERVERS": "a:9092,b:9092",
        "LAKE_ROOT": "s3://bucket/lake",
        "AWS_ENDPOINT_URL": "https://store.corp",
        "SPARK_REMOTE": "sc://spark:15002/;token=hidden",
        "SNOWFLAKE_ACCOUNT": "org-account",
        "DAGSTER_PG_URL": "postgresql://me:hidden@database:5433/dagster",
    }
    found = named(Settings(elsewhere))
    assert found == {
        "kafka": ("a:9092,b:9092", "KAFKA_BOOTSTRAP_SERVERS"),
        "object store": ("https://store.corp", "LAKE_ROOT and AWS_ENDPOINT_URL"),
        "spark": ("spark:15002", "SPARK_REMOTE"),
        "warehouse": ("account org-account", "SNOWFLAKE_ACCOUNT"),
        "postgres": ("database:5433/dagster", "DAGSTER_PG_URL"),
    }
    assert "hidden" not in str(found)


@pytest.fixture
def silent() -> Iterator[str]:
    """Address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_a_service_elsewhere_that_is_away_is_told_by_its_setting_and_the_embedded_one_is_not_looked_at(
    tmp_path: Path, closed: str
) -> None:
    host, port = closed.split(":")
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").touch()
    settings = Settings(
        {
            "STOCK_ASSETS_LOCAL": str(tmp_path),
            "STOCK_ASSETS_CONTAINER": "true",
            "KAFKA_BOOTSTRAP_SERVERS": closed,
            "SPARK_REMOTE": f"sc://{closed}",
            "SNOWFLAKE_HOST": host,
            "SNOWFLAKE_PORT": port,
            "DAGSTER_PG_URL": f"postgresql://me:secret@{closed}/dagster",
        }
    )
    found = {fact.about: fact for fact in everything.facts(settings)}
    for about, setting in {
        "kafka": "KAFKA_BOOTSTRAP_SERVERS",
        "spark": "SPARK_REMOTE",
        "warehouse": "SNOWFLAKE_HOST",
        "postgres": "DAGSTER_PG_URL",
    }.items():
        assert found[about].problem and closed in found[about].sentence, about
        assert found[about].cure == f"Start it, or mend {setting}."
    assert not {"java", "jars", "dagster-code", "dagster-webserver"} & set(found)
    assert "while kafka does not answer" in found["topics"].sentence and not found["topics"].problem
    assert "while postgres does not answer" in found["runs"].sentence
    assert "secret" not in str(found)


def test_a_server_that_takes_connections_and_says_nothing_is_not_waited_for(
    tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PATIENCE_S", 0.5)
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path), "KAFKA_BOOTSTRAP_SERVERS": silent})
    monkeypatch.setattr(services, "questions", lambda of: [each for each in questions(of) if each.name == "kafka"])
    states = {each.name: each for each in Services(settings).status()}
    kafka = next(fact for fact in services.service_facts(settings, states) if fact.about == "kafka")
    assert kafka.problem and kafka.sentence == f"{silent}: no answer within 0 s"


@pytest.mark.parametrize("broken", [None, PermanentError("it refuses user me"), RuntimeError("odd\ntrace")])
def test_an_answer_is_a_fact_whatever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Exception | None
) -> None:
    def ask() -> None:
        if broken is not None:
            raise broken

    monkeypatch.setattr(services, "questions", lambda _: [Question("kafka", "here:1", "KAFKA_BOOTSTRAP_SERVERS", ask)])
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path), "KAFKA_BOOTSTRAP_SERVERS": "here:1"})
    states = {each.name: each for each in Services(settings).status()}
    kafka = next(fact for fact in services.service_facts(settings, states) if fact.about == "kafka")
    assert kafka.problem == (broken is not None)
    assert kafka.sentence in (
        "answers at here:1 (KAFKA_BOOTSTRAP_SERVERS)", "here:1: it refuses user me", "here:1: RuntimeError: odd"
    )  # fmt: skip


def test_each_disk_is_told_with_its_room_and_the_setting_that_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path / "local"), "LAKE_ROOT": str(tmp_path / "lake")})

    def told(free: int) -> dict[str, Fact]:
        monkeypatch.setattr(
            "stock_assets.observability.machine.shutil.disk_usage", lambda _: type("Usage", (), {"free": free})
        )
        return {fact.about: fact for fact in machine.disk_facts(settings)}

    assert {about: fact.problem for about, fact in told(10 * 1024**3).items()} == {
        "local data": False, "lake": False, "temporary files": False
    }  # fmt: skip
    full = told(10 * 1024**2)
    assert all(fact.problem and fact.value == 10 * 1024**2 for fact in full.values())
    assert [fact.cure.split()[-4] for fact in full.values()] == ["STOCK_ASSETS_LOCAL", "LAKE_ROOT", "TMPDIR"]


def test_a_lake_that_does_not_answer_is_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise RuntimeError("odd\ntrace")

    monkeypatch.setattr("stock_assets.observability.facts.sessions.stale_sessions", broken)
    monkeypatch.setattr(services, "questions", lambda _: [])
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path), "PATH": "/nonexistent"})
    found = {fact.about: fact for fact in everything.facts(settings)}
    assert found["sessions"].problem and found["sessions"].sentence == "cannot be told: RuntimeError: odd"


def test_words() -> None:
    assert [duration(s) for s in (-1, 0, 119, 120, 7200, 172_800)] == ["0 s", "0 s", "119 s", "2 min", "2 h", "2 days"]
    assert command_in("it is so. If that is right, run: stock-assets adopt-topic x") == "stock-assets adopt-topic x"
    assert command_in("a run: of bad luck") == ""
