"""What is rendered for supervisor, and what is refused before anything starts."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from supervisor.options import ServerOptions

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_or_create_table
from stock_assets.landing.pace import longest_delay_s
from stock_assets.local.dagster import create_dagster_tables
from stock_assets.local.java import Java
from stock_assets.local.preconditions import check_ports
from stock_assets.local.programs import programs
from stock_assets.local.services import ALL, Services
from stock_assets.local.states import state_of
from stock_assets.local.supervision import configuration
from stock_assets.observability.facts import facts
from stock_assets.publishers.health import ENDED_FOR_GOOD, HealthFile
from stock_assets.settings.platform import Settings
from stock_assets.settings.publishing import runs_fictional_market
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import own_ports

JAVA = Java(Path("/somewhere/java"), 21, "PATH")


def rendered(settings: Settings) -> configparser.ConfigParser:
    text = configuration(settings, programs(settings, JAVA), Path("/s.sock"))
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def test_every_service_is_a_program_that_takes_its_children_along() -> None:
    parser = rendered(Settings({}))
    for name in (*ALL, "spark-warm"):
        section = parser[f"program:{name}"]
        assert (section["stopasgroup"], section["killasgroup"], section["autostart"]) == ("true", "true", "false")
        assert f'STOCK_ASSETS_SERVICE="{name}"' in section["environment"]


def test_publishers_are_programs_started_again_unless_they_ended_for_good_and_stopped_first() -> None:
    parser = rendered(Settings({"PUBLISHERS": "Yahoo-Stream, simulator,simulator"}))
    names = [name.removeprefix("program:") for name in parser.sections() if name.startswith("program:publisher-")]
    assert names == ["publisher-yahoo-stream", "publisher-simulator"]
    section = parser["program:publisher-simulator"]
    assert shlex.split(section["command"])[1:] == [
        *["-m", "stock_assets.cli", "produce", "simulator", "--seconds", "0", "--rate", "100"]
    ]
    assert (section["autorestart"], section["exitcodes"]) == ("unexpected", str(ENDED_FOR_GOOD))
    assert int(section["priority"]) > 999 and "priority" not in parser["program:kafka"]  # 999 is the default
    assert not [name for name in rendered(Settings({"LIVE_DEMO": "0"})).sections() if "publisher" in name]


def test_a_fictional_market_runs_where_no_vendor_is_named_and_the_broker_is_ours() -> None:
    section = rendered(Settings({}))["program:publisher-simulator"]
    assert shlex.split(section["command"])[-5:] == ["--seconds", "0", "--rate", "4", "--only-sessions"]
    for values in ({"PUBLISHERS": "yahoo-stream"}, {"KAFKA_BOOTSTRAP_SERVERS": "broker:9092"}, {"LIVE_DEMO": "false"}):
        assert not runs_fictional_market(Settings(values))
        assert "program:publisher-simulator" not in rendered(Settings(values)).sections()


def test_its_ticks_may_wait_for_longer_than_what_somebody_watches() -> None:
    def delays(**values: str) -> list[float]:
        return [longest_delay_s(Settings(values), stage) for stage in ("ticks", "bars")]

    assert delays() == [60, 4] and delays(LIVE_DEMO="false") == [4, 4]
    assert delays(KAFKA_BOOTSTRAP_SERVERS="broker:9092") == [30, 30]
    assert delays(LANDING_MAX_DELAY_S="7") == [7, 7]


def test_an_unknown_publisher_is_a_sentence_that_names_the_others() -> None:
    settings = Settings({"PUBLISHERS": "simulator,simulater"})
    with pytest.raises(
        PermanentError, match=r"^PUBLISHERS: there is no 'simulater'; there are yahoo-stream, .*simulator$"
    ):
        Services(settings).up()
    told = facts(settings)[-1]
    assert told.about == "settings" and told.problem and "'simulater'" in told.sentence
    with pytest.raises(PermanentError, match="publishers are those of PUBLISHERS"):
        Services(Settings({"LIVE_DEMO": "0"})).up(["publisher-simulator"])


def test_a_publisher_that_only_mending_helps_ends_with_a_status_that_says_so(tmp_path: Path) -> None:
    given = {**os.environ, "STOCK_ASSETS_LOCAL": str(tmp_path), "ALPHA_VANTAGE_API_KEY": "", "LAKE_ROOT": str(tmp_path)}
    command = [sys.executable, "-m", "stock_assets.cli", "produce", "alpha-vantage"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False, env=given)
    assert done.returncode == ENDED_FOR_GOOD and "Traceback" not in done.stderr
    verdict = HealthFile(tmp_path, "alpha_vantage").healthy(datetime.now(UTC))
    assert not verdict and verdict.because.startswith("alpha_vantage failed: ")
    assert done.stderr.strip().splitlines()[-1] == verdict.because.removeprefix("alpha_vantage failed: ")


def test_the_verdict_on_a_publisher_that_does_not_run_is_never_well(tmp_path: Path) -> None:
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path), "PUBLISHERS": "simulator"})
    file = HealthFile(tmp_path, "simulator")
    file.state.state = "connected"
    file.write()
    told = {
        name: state_of(settings, "publisher-simulator", {"statename": name, "pid": 7, "now": 9, "start": 1})
        for name in ("RUNNING", "STARTING", "BACKOFF", "FATAL")
    }
    assert [bool(each.verdict) for each in told.values()] == [True, True, False, False]
    assert told["FATAL"].verdict is not None and "does not run: it is fatal" in told["FATAL"].verdict.because
    assert (told["RUNNING"].uptime_s, told["BACKOFF"].uptime_s) == (8, 0)


def test_no_secret_is_written() -> None:
    settings = Settings({"SNOWFLAKE_PASSWORD": "hunter2", "ALPHA_VANTAGE_KEY": "hunter2"})
    every = programs(settings, JAVA)
    text = configuration(settings, every, Path("/s.sock")) + "".join(t for each in every for t in each.files.values())
    assert "hunter2" not in text


def test_services_listen_on_loopback_only() -> None:
    every = {each.name: each for each in programs(Settings({}), JAVA)}
    (kafka,), (spark,) = every["kafka"].files.values(), every["spark"].files.values()
    listeners = [line.split("=", 1)[1] for line in kafka.splitlines() if "listeners=" in line]
    assert listeners
    assert all(address.startswith("127.0.0.1:") for each in listeners for address in each.split("//")[1:])
    assert "spark.connect.grpc.binding.address=127.0.0.1" in spark.splitlines()
    assert every["dagster-webserver"].command[1:3] == ["-h", "127.0.0.1"]


def test_a_folder_with_odd_characters_survives_rendering(tmp_path: Path) -> None:
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path / 'a 50% "x"')})
    section = rendered(settings)["program:warehouse"]
    words = shlex.split(section["command"].replace("%%", "%"))
    assert words[words.index("--db-path") + 1] == str(settings.local_dir / "warehouse")


def test_supervisor_reads_the_same_places_out_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "Zoë’s feature%2Fx"
    for name in ("logs", "run"):
        (folder / name).mkdir(parents=True)
    settings = Settings({"STOCK_ASSETS_LOCAL": str(folder)})
    (file := folder / "supervisord.conf").write_text(configuration(settings, programs(settings, JAVA), Path("/s.sock")))
    options = ServerOptions()
    options.realize(["-n", "-c", str(file)])
    for group in options.process_group_configs:
        for read in group.process_configs:
            assert read.stdout_logfile == str(folder / "logs" / f"{read.name}.log")
    assert Path(options.logfile).parent == folder / "logs"


def test_java_reads_any_folder_out_of_its_properties(tmp_path: Path) -> None:
    folder = tmp_path / "Zoë’s 50%25 \\ 😀"
    every = {each.name: each for each in programs(Settings({"STOCK_ASSETS_LOCAL": str(folder)}), JAVA)}
    (text,) = every["kafka"].files.values()
    (line,) = [line for line in text.splitlines() if line.startswith("log.dirs=")]
    assert line.isascii()
    codes = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found.group(1), 16)), line.removeprefix("log.dirs="))
    units = codes.encode("utf-16", "surrogatepass").decode("utf-16").replace("\\\\", "\\")
    assert units == str(folder / "kafka")


def test_every_service_has_the_same_language_and_reaches_loopback_directly() -> None:
    parser = rendered(Settings({"NO_PROXY": ".corp"}))
    for name in ALL:
        environment = parser[f"program:{name}"]["environment"]
        assert 'NO_PROXY=".corp,127.0.0.1,localhost,::1"' in environment
        assert sys.platform != "linux" or 'LC_ALL="C.UTF-8"' in environment
    for name in ("kafka", "spark"):
        assert "-Duser.language=en" in parser[f"program:{name}"]["command"]


@pytest.mark.parametrize("folder", ["a,b", "a:b", "a%2Fb"])
def test_a_folder_that_java_would_misread_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(PermanentError, match="in its name.*STOCK_ASSETS_LOCAL"):
        Services(Settings({"STOCK_ASSETS_LOCAL": str(tmp_path / folder)})).up(["warehouse"])


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/nowhere"])
def test_a_lake_that_cannot_be_written_is_a_sentence(place: str) -> None:
    with pytest.raises(PermanentError, match=f"^The lake at {place} cannot be written: .*; set LAKE_ROOT.$"):
        open_or_create_table(place, RAW_TICKS)


def test_a_data_folder_that_cannot_be_written_is_refused_and_told_by_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)})
    with pytest.raises(PermanentError, match=f"^{tmp_path} cannot be written .*set STOCK_ASSETS_LOCAL.$"):
        Services(settings).up(["warehouse"])
    (disk,) = [fact for fact in facts(settings) if fact.name == "free_space" and fact.about == "local data"]
    assert (disk.problem, disk.sentence) == (True, f"{tmp_path} cannot be written")


def test_a_changed_file_changes_the_program() -> None:
    before, after = (rendered(Settings({"KAFKA_PORT": port}))["program:kafka"] for port in ("9092", "9192"))
    assert before["environment"] != after["environment"]


def test_a_path_too_long_for_a_socket_is_moved(tmp_path: Path) -> None:
    usual = Services(Settings({"STOCK_ASSETS_LOCAL": "/tmp/x"}))._socket()
    moved = Services(Settings({"STOCK_ASSETS_LOCAL": "/tmp/" + "x" * 100}))._socket()
    assert usual == Path("/tmp/x/run/supervisor.sock").resolve()
    assert len(str(moved)) < 90


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(PermanentError, match="'kafak'"):
        Services(Settings({})).up(["kafak"])


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path), "WAREHOUSE_PORT": str(port)})
        with pytest.raises(PermanentError, match=rf"Port {port}, wanted by warehouse.*WAREHOUSE_PORT"):
            check_ports([each for each in programs(settings, JAVA) if each.name == "warehouse"])


def test_too_little_room_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1024**3))
    with pytest.raises(PermanentError, match=r"Only 1\.0 GB .* STOCK_ASSETS_LOCAL"):
        Services(Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)})).up(["warehouse"])


def test_doctor_names_settings_that_cannot_work(tmp_path: Path) -> None:
    values = {"STOCK_ASSETS_LOCAL": str(tmp_path), "PATH": "/nonexistent"}
    told = facts(Settings({**values, "SPARK_PORT": "9093"}))[-1]
    assert (told.about, told.problem) == ("settings", True)
    assert "KAFKA_PORT" in told.cure
    assert "LANDING_MAX_ROWS" in facts(Settings({**values, "LANDING_MAX_ROWS": "many"}))[-1].sentence


def test_doctor_on_a_machine_where_nothing_runs_gives_every_cure(tmp_path: Path) -> None:
    found = facts(
        Settings({**own_ports(), "STOCK_ASSETS_LOCAL": str(tmp_path), "PATH": "/nonexistent", "LIVE_DEMO": "0"})
    )
    assert {each.about for each in found if each.problem} == {"jars", *ALL}
    assert all(each.cure for each in found if each.problem)
    assert "nothing has run yet" in {each.sentence for each in found}
    assert not list(tmp_path.iterdir())  # looking creates nothing


def test_an_error_is_one_sentence_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM", "true")  # which a platform of the same worker may have turned off
    monkeypatch.setenv("LIVE_DEMO", "false")
    command = [sys.executable, "-m", "stock_assets.cli", "up", "kafak"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [f"There is no service 'kafak'; there are {', '.join(ALL)}."]


def test_help_starts_without_the_heavy_libraries() -> None:
    code = "import sys, stock_assets.cli; print(sorted({'pandas', 'pyarrow', 'pyspark', 'dagster'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


def test_publishers_are_stopped_first_and_the_database_last() -> None:
    parser = rendered(Settings({"PUBLISHERS": "simulator"}))
    by_turn = sorted(
        (int(parser[name].get("priority", "999")), name) for name in parser.sections() if name.startswith("program:")
    )
    assert (by_turn[0][1], by_turn[-1][1]) == ("program:postgres", "program:publisher-simulator")


def test_tables_are_created_once_and_records_of_before_in_sqlite_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)})
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (settings.dagster_home / "history").mkdir(parents=True)
    (settings.dagster_home / "history" / "runs.db").touch()
    calls, said = list[list[str]](), list[str]()

    def run(command: list[str], **_: object) -> SimpleNamespace:
        calls.append(command)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr("stock_assets.local.dagster.subprocess.run", run)
    create_dagster_tables(settings, said.append)
    assert str(settings.dagster_home) in said[0] and "stock-assets report" in said[1]
    create_dagster_tables(settings, said.append)
    assert len(calls) == 1 and len(said) == 2
    monkeypatch.setattr(
        "stock_assets.local.dagster.subprocess.run", lambda *_, **__: SimpleNamespace(returncode=1, stderr="no room")
    )
    shutil.rmtree(tmp_path / "postgres" / "data")  # another database is asked again
    with pytest.raises(PermanentError, match="could not create its tables: no room"):
        create_dagster_tables(settings, said.append)
