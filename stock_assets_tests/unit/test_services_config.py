"""What is rendered for supervisor, and what is refused before anything starts."""

from __future__ import annotations

import configparser
import hashlib
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import checkup
from local.jars import FOLDERS, fetch, listed, present
from local.java import Java
from local.programs import programs
from local.services import ALL, Services
from local.supervision import configuration
from stock_assets.domain.errors import PermanentError
from stock_assets.settings import PROJECT, Settings

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
        services = Services(settings)
        with pytest.raises(PermanentError, match=rf"Port {port}, wanted by warehouse.*WAREHOUSE_PORT"):
            services._check_ports([each for each in programs(settings, JAVA) if each.name == "warehouse"])


def test_too_little_room_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1024**3))
    with pytest.raises(PermanentError, match=r"Only 1\.0 GB .* STOCK_ASSETS_LOCAL"):
        Services(Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)})).up(["warehouse"])


def test_the_list_of_jars_names_each_once_with_a_whole_sum() -> None:
    jars = listed()
    assert len({(jar.folder, jar.name) for jar in jars}) == len(jars)
    assert {jar.folder for jar in jars} == set(FOLDERS)
    assert all(len(jar.sha256) == 64 for jar in jars)


def jars_of(tmp_path: Path, content: bytes, pinned: bytes) -> tuple[Settings, Path]:
    list_file = tmp_path / "list"
    list_file.write_text(f"# comment\n{hashlib.sha256(pinned).hexdigest()}  kafka  org:thing:1.0\n")
    settings = Settings({"STOCK_ASSETS_JARS": str(tmp_path / "jars")})
    (tmp_path / "jars" / "kafka").mkdir(parents=True)
    (tmp_path / "jars" / "kafka" / "thing-1.0.jar").write_bytes(content)
    return settings, list_file


def test_a_jar_that_differs_is_named_and_removed(tmp_path: Path) -> None:
    settings, list_file = jars_of(tmp_path, b"changed on the way", b"good")
    with pytest.raises(PermanentError, match=r"kafka/thing-1\.0\.jar is not the jar that was pinned"):
        fetch(settings, list_file=list_file)
    assert not (settings.jars_dir / "kafka" / "thing-1.0.jar").exists()
    assert not present(settings, list_file)


def test_jars_that_are_there_need_no_fetch_and_no_second_proof(tmp_path: Path) -> None:
    settings, list_file = jars_of(tmp_path, b"good", b"good")
    stranger = settings.jars_dir / "kafka" / "thing-0.9.jar"
    stranger.write_bytes(b"older")
    said: list[str] = []
    fetch(settings, said.append, list_file)
    assert (said, stranger.exists(), present(settings, list_file)) == ([], False, True)
    list_file.write_text(list_file.read_text() + "\n# another list\n")
    assert not present(settings, list_file)


def test_doctor_names_settings_that_cannot_work(tmp_path: Path) -> None:
    values = {"STOCK_ASSETS_LOCAL": str(tmp_path), "PATH": "/nonexistent"}
    findings = checkup.examine(Settings({**values, "SPARK_PORT": "9093"}))
    assert (findings[-1].part, findings[-1].ok) == ("settings", False)
    assert "KAFKA_PORT" in findings[-1].cure
    findings = checkup.examine(Settings({**values, "LANDING_MAX_ROWS": "many"}))
    assert "LANDING_MAX_ROWS" in findings[-1].found


def test_doctor_on_a_machine_where_nothing_runs_gives_every_cure(tmp_path: Path) -> None:
    from stock_assets_tests.conftest import free_ports

    names = ("KAFKA_PORT", "CONTROLLER", "SPARK_PORT", "WAREHOUSE_PORT", "DAGSTER_PORT")
    ports = {name: str(port) for name, port in zip(names, free_ports(5), strict=True)}
    found = checkup.examine(Settings({**ports, "STOCK_ASSETS_LOCAL": str(tmp_path), "PATH": "/nonexistent"}))
    wrong = {each.part for each in found if not each.ok}
    assert wrong == {"jars", *ALL}
    assert all(each.cure for each in found if not each.ok)


def test_an_error_is_one_sentence_without_a_traceback() -> None:
    command = [sys.executable, "-m", "stock_assets.cli", "up", "kafak"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [f"There is no service 'kafak'; there are {', '.join(ALL)}."]


def test_help_starts_without_the_heavy_libraries() -> None:
    code = "import sys, stock_assets.cli; print(sorted({'pandas', 'pyarrow', 'pyspark', 'dagster'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"
