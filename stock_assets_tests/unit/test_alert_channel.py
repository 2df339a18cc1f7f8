"""Whoever is told: addresses, what is said of a channel that fails, and that the address is said nowhere."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.observability.alerting.channel import send, wrong_address
from stock_assets.observability.alerting.message import Message
from stock_assets.observability.alerting.standing import Turn
from stock_assets.observability.alerting.store import Store, file_of
from stock_assets.observability.alerting.webhook import Webhook, local_port
from stock_assets.observability.channel import channel_facts
from stock_assets.settings.platform import Settings
from stock_assets_tests.conftest import free_ports

SECRET = "hunter2hunter2"
HELLO = Message("stock_assets: a test", "Alerts arrive here.", bad=False)


def test_a_message_reaches_a_webhook() -> None:
    from threading import Thread

    webhook = Webhook(0)
    try:
        got: list[tuple[str, str] | None] = []
        thread = Thread(target=lambda: got.append(webhook.wait(lambda: 30.0)))
        thread.start()
        assert send(f"json://127.0.0.1:{webhook.port}/", HELLO) == ""
        thread.join()
        assert got == [(HELLO.title, HELLO.body)]
    finally:
        webhook.close()


def test_a_channel_that_is_away_is_one_sentence_without_its_address(caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    with caplog.at_level(logging.DEBUG):
        said = send(f"json://user:{SECRET}@127.0.0.1:{port}/{SECRET}", HELLO)
    assert said.startswith("the channel (JSON) did not take the message") and SECRET not in said
    assert SECRET not in caplog.text


@pytest.mark.parametrize("url", [f"htps://{SECRET}", SECRET, f"slack://{SECRET}", "://", "json://"])
def test_a_bad_address_is_one_sentence_in_doctor(url: str, tmp_path: Path) -> None:
    (fact,) = channel_facts(Settings({"ALERTS_URL": url, "STOCK_ASSETS_LOCAL": str(tmp_path)}))
    assert fact.problem and fact.cure and SECRET not in fact.sentence
    assert fact.sentence == wrong_address(url) == send(url, HELLO)


def test_without_an_address_nobody_is_told_and_doctor_says_so(tmp_path: Path) -> None:
    (fact,) = channel_facts(Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)}))
    assert not fact.problem and "ALERTS_URL" in fact.cure


def test_what_waits_is_a_fact(tmp_path: Path) -> None:
    settings = Settings({"ALERTS_URL": "json://127.0.0.1:1", "STOCK_ASSETS_LOCAL": str(tmp_path)})
    store = Store(file_of(settings))
    assert not next(channel_facts(settings)).problem
    store.keep({}, {}, [Turn("service", "kafka", "wrong", 0.0, "stopped")], 1.0)
    store.failed("the channel (JSON) did not take the message: it answered 500", 0.0)
    (fact,) = channel_facts(settings)
    assert fact.problem and "it answered 500" in fact.sentence and fact.value == 1


def test_the_address_is_a_secret_that_a_file_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("json://127.0.0.1:9099\n")
    monkeypatch.setenv("ALERTS_URL_FILE", str(tmp_path / "url"))
    monkeypatch.delenv("ALERTS_URL", raising=False)
    settings = Settings.load()
    assert settings.alerts.url == "json://127.0.0.1:9099" and "9099" not in repr(settings.alerts)


def test_a_port_that_is_taken_or_elsewhere_is_not_listened_at() -> None:
    webhook = Webhook(0)
    try:
        assert local_port(f"json://127.0.0.1:{webhook.port}") is None
        assert local_port("json://example.com:9099") is None and local_port("slack://x") is None
    finally:
        webhook.close()
    assert local_port(f"json://127.0.0.1:{webhook.port}/x") == webhook.port


def test_list_and_wait_say_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "STOCK_ASSETS_LOCAL": str(tmp_path),
        "STOCK_ASSETS_HOME": str(tmp_path),
        "ALERTS_URL": "",
    }.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["alerts", "list"])
    assert done.exit_code == 0 and "nothing is wrong" in done.stdout and "ALERTS_URL is not set" in done.stdout
    assert "No alert within 0 s" in str(CliRunner().invoke(app, ["alerts", "wait", "--within", "0"]).exception)
    assert "ALERTS_URL is not set" in str(CliRunner().invoke(app, ["alerts", "test"]).exception)
