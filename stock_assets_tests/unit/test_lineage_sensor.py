"""Events of OpenLineage are sent until they are taken: nothing is lost, and nothing doubled, whatever the receiver does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from stock_assets.definitions import build_definitions
from stock_assets.defs import lineage_sensor
from stock_assets.defs.lineage_sensor import LINEAGE_SENSOR, OVERLAP_S
from stock_assets.domain.errors import PermanentError
from stock_assets.settings.platform import Settings
from stock_assets.settings.secret_files import secret_values
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import free_ports
from stock_assets_tests.fakes.lineage_graph import DAYS, Looks, assets, run
from stock_assets_tests.fakes.lineage_receiver import FakeReceiver

OF_A_RUN = 6
"""Events of a run of two assets: its own and those of two steps."""


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with FakeReceiver().listening() as listening:
        yield listening


def once(receiver: FakeReceiver, runs: int) -> list[tuple[str, str]]:
    """Job and kind of what was taken; all of so many runs is there, nothing twice."""
    told = [(each["run"]["runId"], each["eventType"]) for each in receiver.events]
    assert len(told) == len(set(told)) == runs * OF_A_RUN
    return [(each["job"]["name"], each["eventType"]) for each in receiver.events]


def test_a_receiver_that_is_away_loses_and_doubles_nothing(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    looks = Looks(instance, OPENLINEAGE_URL=f"http://127.0.0.1:{port}")
    looks.look()
    for day in DAYS:
        run(instance, assets(), partition_key=day)
        assert "cannot be reached" in looks.look()
        assert "the receiver took nothing; again in" in looks.look()
        looks.no_wait()
    receiver = FakeReceiver()
    with receiver.listening(port):
        looks.look_until_told()
    once(receiver, 3)
    sentences = [line for line in "".join(capfd.readouterr()).splitlines() if "receiver of OpenLineage" in line]
    assert len(sentences) == 2 and "cannot be reached" in sentences[0] and "again" in sentences[1]


def test_delays_grow_and_are_forgotten(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    looks = Looks(instance, OPENLINEAGE_URL=receiver.url)
    run(instance, assets(), partition_key=DAYS[0])
    delays = []
    receiver.answers = [500] * 8
    for _ in range(8):
        delays.append(float(looks.look().rpartition("again in ")[2].removesuffix(" s")))
        asked = receiver.requests
        assert "again in" in looks.look() and receiver.requests == asked
        looks.no_wait()
    assert delays == [10, 20, 40, 80, 160, 320, 600, 600]
    looks.look_until_told()
    once(receiver, 1)
    assert json.loads(looks.cursor or "")["tries"] == 0


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503, 302])
def test_what_is_not_taken_is_sent_again_from_where_it_broke_off(
    instance: dg.DagsterInstance, receiver: FakeReceiver, status: int
) -> None:
    looks = Looks(instance, OPENLINEAGE_URL=receiver.url)
    for day in DAYS[:2]:
        run(instance, assets(), partition_key=day)
    receiver.answers = [201, 201, 201, status, status, 201, status]
    said = looks.look()
    assert ("redirects" if status == 302 else str(status)) in said and "3 events were taken" in said
    looks.no_wait()
    looks.look_until_told()
    once(receiver, 2)


def test_an_evaluation_sends_so_many_and_the_next_goes_on(
    instance: dg.DagsterInstance, receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage_sensor, "AT_ONCE", 4)
    monkeypatch.setattr(lineage_sensor, "PAGE", 2)
    looks = Looks(instance, OPENLINEAGE_URL=receiver.url)
    for day in (*DAYS, DAYS[0]):
        run(instance, assets(), partition_key=day)
    assert looks.look_until_told() == 4 * OF_A_RUN / 4
    kinds = once(receiver, 4)
    assert kinds[:2] == [("materialization", "START"), ("materialization.raw__ticks", "START")]
    assert kinds[OF_A_RUN - 1] == ("materialization", "COMPLETE")


def test_a_killed_process_sends_the_same_again_byte_by_byte(
    instance: dg.DagsterInstance, receiver: FakeReceiver
) -> None:
    looks = Looks(instance, OPENLINEAGE_URL=receiver.url)
    run(instance, assets(), partition_key=DAYS[0])
    looks.look(keep=False)
    looks.look()
    assert receiver.bodies[:OF_A_RUN] == receiver.bodies[OF_A_RUN:] and len(receiver.bodies) == 2 * OF_A_RUN


def test_a_run_is_told_when_it_starts_and_again_when_it_ends(
    instance: dg.DagsterInstance, receiver: FakeReceiver
) -> None:
    looks = Looks(instance, OPENLINEAGE_URL=receiver.url)
    looks.look()

    def looked(context: dg.AssetExecutionContext) -> Iterator[Any]:
        assert (looks.look(), looks.look()) == ("1 events were taken", "there is nothing to tell")
        yield dg.MaterializeResult()

    run(instance, assets(minutes=looked), partition_key=DAYS[0])
    assert [each["eventType"] for each in receiver.events] == ["START"]
    looks.look_until_told()
    assert ("materialization.bars__minute_bars", "COMPLETE") in once(receiver, 1)


def test_a_run_that_was_stored_late_is_told_nevertheless(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    looks = Looks(instance, OPENLINEAGE_URL=receiver.url)
    run(instance, assets(), partition_key=DAYS[0])
    looks.look_until_told()
    stored = json.loads(looks.cursor or "")
    looks.cursor = json.dumps(stored | {"until": stored["until"] + OVERLAP_S / 2})  # another run's later instant
    run(instance, assets(), partition_key=DAYS[1])
    looks.look_until_told()
    once(receiver, 2)


def test_what_was_told_long_ago_is_forgotten(instance: dg.DagsterInstance, receiver: FakeReceiver) -> None:
    looks = Looks(instance, OPENLINEAGE_URL=receiver.url)
    run(instance, assets(), partition_key=DAYS[0])
    looks.look_until_told()
    stored = json.loads(looks.cursor or "")
    assert len(stored["taken"]) == 1
    looks.cursor = json.dumps(stored | {"until": stored["until"] + 2 * OVERLAP_S})
    looks.look()
    assert not json.loads(looks.cursor)["taken"]


@pytest.mark.parametrize("url", ["marquez:5000", "ftp://marquez", "http://", "http://user:hunter2@"])
def test_an_address_that_is_none_is_a_sentence_without_it(instance: dg.DagsterInstance, url: str) -> None:
    run(instance, assets(), partition_key=DAYS[0])
    with pytest.raises(PermanentError, match="^OPENLINEAGE_URL must be ") as refused:
        Looks(instance, OPENLINEAGE_URL=url).look()
    assert "hunter2" not in str(refused.value)


def test_a_path_in_the_address_is_kept() -> None:
    assert Settings({"OPENLINEAGE_URL": "http://hub:8080/openapi/openlineage"}).lineage.address().endswith("lineage/")


def test_a_password_in_the_address_is_a_secret() -> None:
    settings = Settings({"OPENLINEAGE_URL": "https://user:hunter2@marquez", "OPENLINEAGE_API_KEY": "of-the-receiver"})
    assert set(secret_values(settings.values)) == {"hunter2", "of-the-receiver"}
    assert "hunter2" not in repr(settings.lineage) and "of-the-receiver" not in repr(settings.lineage)


def test_there_is_a_sensor_only_where_somebody_is_to_be_told() -> None:
    def names(**given: str) -> set[str]:
        defs = build_definitions(Settings({"STOCK_ASSETS_LOCAL": "/nowhere", **given}))
        return {each.name for each in defs.sensors or ()}

    without, told = names(), names(OPENLINEAGE_URL="http://127.0.0.1:1")
    assert told - without == {LINEAGE_SENSOR} and without < told


def test_the_client_is_not_imported_before_there_is_something_to_tell() -> None:
    script = (
        "import sys, dagster as dg\n"
        "from stock_assets.definitions import build_definitions\n"
        "from stock_assets.settings.platform import Settings\n"
        "settings = Settings({'STOCK_ASSETS_LOCAL': '/nowhere', 'OPENLINEAGE_URL': 'http://127.0.0.1:1'})\n"
        "sensor = next(each for each in build_definitions(settings).sensors if each.name == 'openlineage_sensor')\n"
        "sensor(dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral()))\n"
        "sys.exit(', '.join(each for each in sys.modules if each.startswith(('openlineage', 'httpx2'))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
