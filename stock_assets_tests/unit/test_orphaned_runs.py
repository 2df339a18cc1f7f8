"""Runs whose process is gone fail; all others are left alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from stock_assets.defs import orphaned_runs
from stock_assets.defs.orphaned_runs import LAUNCHED_BY, LOST, SLACK_S, fail_orphans
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.fakes.dagster_records import open_records

PORT = 4000


@dg.op
def never_end() -> None:
    """Say that it began, and wait to be killed."""
    print("began", flush=True)
    threading.Event().wait()


@dg.job
def endless() -> None:
    never_end()


def execute(home: str) -> None:
    """Run the job in this process, with Dagster's records in a folder."""
    with open_records(home) as instance:
        endless.execute_in_process(instance=instance, tags={LAUNCHED_BY: json.dumps({"host": "code", "port": PORT})})


@pytest.fixture(scope="module")
def home(empty_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of ``worker``."""
    return Path(shutil.copytree(empty_records, tmp_path_factory.mktemp("worker"), dirs_exist_ok=True))


@pytest.fixture(scope="module")
def worker(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the midst of a run, until a test kills it."""
    command = f"from {__name__} import execute; execute({str(home)!r})"
    with subprocess.Popen([sys.executable, "-c", command], cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"began\n"
        yield process
        process.kill()


@pytest.fixture
def instance(home: Path, worker: subprocess.Popen[bytes], tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A copy of the records, in which the run goes on whatever another test found out of it."""
    with open_records(str(shutil.copytree(home, tmp_path / "records"))) as opened:
        yield opened


def only_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    (record,) = instance.get_run_records()
    return record.dagster_run


def test_another_process_that_got_the_number_is_not_taken_for_the_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = only_run(instance).run_id
    said_at = max(entry.timestamp for entry in instance.all_logs(run_id))
    monkeypatch.setattr(orphaned_runs, "_began_at", lambda _: said_at + SLACK_S + 1)
    assert fail_orphans(instance, PORT) == [run_id]


def test_a_run_fails_once_its_process_is_gone(instance: dg.DagsterInstance, worker: subprocess.Popen[bytes]) -> None:
    run_id = only_run(instance).run_id
    assert fail_orphans(instance, PORT) == [] and only_run(instance).status is dg.DagsterRunStatus.STARTED
    worker.kill()
    assert worker.stdout is not None
    worker.stdout.read()  # to its end: the process is gone, though nobody has asked for its status
    assert fail_orphans(instance, PORT + 1) == []  # another server's, whose processes may be elsewhere
    assert fail_orphans(instance, PORT) == [run_id]
    assert only_run(instance).status is dg.DagsterRunStatus.FAILURE
    (told,) = instance.all_logs(run_id, of_type=dg.DagsterEventType.PIPELINE_FAILURE)
    assert LOST in told.user_message + str(told.dagster_event)
    assert fail_orphans(instance, PORT) == []


def test_a_run_of_which_nobody_has_said_who_executes_it_stays(
    instance: dg.DagsterInstance, worker: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.kill()
    worker.wait()
    monkeypatch.setattr(orphaned_runs, "_worker", lambda *_: None)
    assert fail_orphans(instance, PORT) == []
