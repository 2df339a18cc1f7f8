"""With LOG_FORMAT=json whatever a service logs, prints or dies of is one JSON object per line, without secrets."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stock_assets.json_lines import SESSIONS_TAG, JsonLines
from stock_assets.local.json_program import ITSELF, in_json
from stock_assets.local.programs import programs
from stock_assets.observability import runs
from stock_assets.settings.platform import Settings
from stock_assets.settings.secret_files import SECRETS, secret_values
from stock_assets_tests.checkout import PROJECT

SECRET = "planted-s3cret/+"
PROGRAM = """
import logging, os, sys, warnings
logging.getLogger("other").info("not shown")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
logging.getLogger("kafka").warning("away: %s", os.environ["SNOWFLAKE_PASSWORD"])
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(logging.Formatter("coloured %(message)s"))
logging.getLogger("own").addHandler(handler)
logging.getLogger("own").propagate = False
logging.getLogger("own").error("two\\nlines")
print("INFO:     127.0.0.1 asks with", os.environ["SNOWFLAKE_PASSWORD"])
print('{"time": "now", "message": "planted-s3cret/+"}')
print("no end of a line", end="")
print()
warnings.warn("old")
try:
    raise KeyError("planted-s3cret/+")
except KeyError:
    logging.exception("caught")
raise ValueError("dies of planted-s3cret/+")
"""


def speak(tmp_path: Path, **given: str) -> tuple[list[str], int]:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "stock_assets.local.json_program", str(tmp_path / "program.py")],
        capture_output=True, text=True, check=False, cwd=PROJECT, timeout=300,
        env={**os.environ, "SNOWFLAKE_PASSWORD": SECRET, "STOCK_ASSETS_SERVICE": "collector", **given},
    )  # fmt: skip
    return (done.stdout + done.stderr).splitlines(), done.returncode


def test_every_line_of_a_process_is_an_object_and_no_secret_is_in_it(tmp_path: Path) -> None:
    lines, status = speak(tmp_path, LOG_FORMAT="json")
    told = [json.loads(line) for line in lines]
    assert status == 1 and len(told) >= 8
    assert all({"time", "message"} <= set(each) for each in told)
    assert SECRET not in "\n".join(lines) and "***" in "\n".join(lines)
    by_message = {each["message"]: each for each in told}
    assert by_message["away: ***"]["level"] == "WARNING" and by_message["away: ***"]["logger"] == "kafka"
    assert by_message["two\nlines"]["level"] == "ERROR" and by_message["two\nlines"]["service"] == "collector"
    assert by_message["INFO:     127.0.0.1 asks with ***"]["level"] == "INFO"
    assert by_message["no end of a line"]["level"] == "INFO"
    assert "KeyError" in by_message["caught"]["exception"]
    assert "Traceback" in by_message["ValueError: dies of ***"]["exception"]


def test_without_the_setting_lines_are_text(tmp_path: Path) -> None:
    lines, _ = speak(tmp_path, LOG_FORMAT="text")
    assert "coloured two" in lines


def test_a_record_of_a_run_tells_run_asset_and_sessions() -> None:
    record = logging.LogRecord("dagster", logging.INFO, __file__, 1, "build - 17 - long form", (), None)
    event: Any = SimpleNamespace(
        asset_key=SimpleNamespace(to_user_string=lambda: "bars/daily_bars"), partition="2013-03-01",
        event_specific_data=None,
    )  # fmt: skip
    tags = {SESSIONS_TAG: "2013-02-28 to 2013-03-01"}
    meta = {"run_id": "17", "job_name": "build", "orig_message": "written", "step_key": "bars__daily_bars"}
    lines = JsonLines("dagster-code")
    for about, asset, sessions in (
        ({"dagster_event": event, "job_tags": tags}, "bars/daily_bars", "2013-03-01"),
        ({"dagster_event": None, "job_tags": tags}, "bars__daily_bars", tags[SESSIONS_TAG]),
    ):
        record.dagster_meta = {**meta, **about}
        told = json.loads(lines.format(record))
        assert (told["run"], told["job"], told["message"]) == ("17", "build", "written")
        assert (told["asset"], told["sessions"]) == (asset, sessions)
    assert SESSIONS_TAG == runs.SESSIONS_TAG


@pytest.mark.parametrize("name", SECRETS)
def test_each_secret_is_known_as_one(name: str) -> None:
    assert secret_values({name: SECRET}) == [SECRET]
    assert secret_values({"DAGSTER_PG_URL": "postgresql://dagster:planted@host/dagster"}) == ["planted"]


def test_every_program_of_ours_speaks_it_and_the_others_their_own_way(own_settings: Settings) -> None:
    from stock_assets.local.java import find_java

    own = Settings.load(LOG_FORMAT="json", PUBLISHERS="simulator")
    found = {each.name: each.command for each in programs(own, find_java(own))}
    foreign = {"kafka", "spark", "postgres"}
    for name, command in found.items():
        assert ("stock_assets.local.json_program" in command) == (name not in foreign), name
    for name in ("kafka", "spark"):
        assert any("log4j2-json.xml" in word for word in found[name])
    assert "log_destination=jsonlog" in found["postgres"]
    plain = {each.name: each.command for each in programs(own_settings, find_java(own_settings))}
    assert not any("json" in word for command in plain.values() for word in command)
    assert in_json(["/usr/bin/env", "java"]) == ["/usr/bin/env", "java"]


def test_scripts_of_the_shell_that_lie_beside_python_are_left_to_it() -> None:
    beside = Path(sys.executable).parent
    for name in ("spark-submit", "spark-class"):
        assert in_json([str(beside / name), "--version"]) == [str(beside / name), "--version"]
    assert in_json([str(beside / "dagster-daemon"), "run"])[1:] == [*ITSELF[1:], str(beside / "dagster-daemon"), "run"]
