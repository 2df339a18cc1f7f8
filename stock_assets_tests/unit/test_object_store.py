"""A lake on S3 or MinIO: what the settings imply, what is rendered, how the program is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.lake import store
from stock_assets.local import minio
from stock_assets.local.jars import folders
from stock_assets.local.java import Java
from stock_assets.local.programs import programs
from stock_assets.local.services import ALL, names_of
from stock_assets.local.supervision import configuration
from stock_assets.local.with_store_keys import keys
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import export, s3_environment
from stock_assets_tests.checkout import PROJECT

JAVA = Java(Path("/somewhere/java"), 21, "PATH")
EMBEDDED = Settings({"STORE": "minio", "MINIO_PORT": "9107"})
AMAZON = Settings({"LAKE_ROOT": "s3://prices/lake", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hunter2"})
FOLDER = Settings({"STOCK_ASSETS_LOCAL": "/nowhere", "AWS_SECRET_ACCESS_KEY": "hunter2"})


def test_the_embedded_store_implies_everything_its_clients_need() -> None:
    assert EMBEDDED.lake_root == "s3://stock-assets/lake"
    assert s3_environment(EMBEDDED) == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9107",
        "AWS_ACCESS_KEY_ID": "stock-assets",
        "AWS_SECRET_ACCESS_KEY": "stock-assets-local",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_CONDITIONAL_PUT": "etag",
    }


def test_what_is_set_is_not_overruled() -> None:
    given = {"AWS_ENDPOINT_URL": "https://elsewhere", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_REGION": "eu-west-1"}
    found = s3_environment(Settings({"STORE": "minio", **given}))
    assert {name: found[name] for name in given} == given
    assert "AWS_ALLOW_HTTP" not in found  # it is not http


def test_amazon_s_own_store_needs_its_keys_and_the_conditional_put_only() -> None:
    keys_given = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hunter2"}
    assert s3_environment(AMAZON) == {**keys_given, "AWS_CONDITIONAL_PUT": "etag"}


def test_a_lake_in_a_folder_leaves_the_environment_alone() -> None:
    assert FOLDER.lake_root == "/nowhere/lake"
    assert s3_environment(FOLDER) == {}


def test_a_program_tells_the_clients_and_loading_settings_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"STORE": "minio", "MINIO_PORT": "9107"}
    monkeypatch.setattr(os, "environ", dict(given))
    settings = Settings.load()
    assert os.environ == given
    export(settings)
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9107"
    assert os.environ["AWS_CONDITIONAL_PUT"] == "etag"


def test_an_unknown_store_is_named() -> None:
    with pytest.raises(PermanentError, match="STORE must be 'folder' or 'minio', not 'gcs'"):
        _ = Settings({"STORE": "gcs"}).lake


@pytest.mark.parametrize(
    ("settings", "services", "jars"),
    [(FOLDER, False, ("kafka", "spark")), (AMAZON, False, ("kafka", "spark", "s3a")), (EMBEDDED, True, None)],
)
def test_only_what_the_lake_needs_is_fetched_and_started(
    settings: Settings, services: bool, jars: tuple[str, ...] | None
) -> None:
    assert ("minio" in names_of(settings)) == services
    assert [name for name in names_of(settings) if name != "minio"] == list(ALL)
    assert folders(settings) == (jars or folders(AMAZON))
    every = {each.name: each for each in programs(settings, JAVA)}
    assert ("minio" in every) == services
    on_s3 = settings is not FOLDER
    (properties,) = every["spark"].files.values()
    assert ("fs.s3.impl=" in properties) == on_s3
    class_path = every["spark"].command[every["spark"].command.index("-cp") + 1]
    assert ("/s3a/*" in class_path) == on_s3
    assert ("stock_assets.local.with_store_keys" in every["spark"].command) == on_s3


def test_spark_finds_the_embedded_store_by_path_and_without_tls() -> None:
    (properties,) = {each.name: each for each in programs(EMBEDDED, JAVA)}["spark"].files.values()
    lines = properties.splitlines()
    assert "spark.hadoop.fs.s3a.endpoint=http://127.0.0.1:9107" in lines
    assert "spark.hadoop.fs.s3a.path.style.access=true" in lines
    assert "spark.hadoop.fs.s3a.connection.ssl.enabled=false" in lines


@pytest.mark.parametrize("store_name", ["minio", "folder"])
def test_no_key_is_written_for_supervisor(store_name: str) -> None:
    settings = Settings({**AMAZON.values, "STORE": store_name, "AWS_SESSION_TOKEN": "hunter2"})
    every = programs(settings, JAVA)
    text = configuration(settings, every, Path("/s.sock")) + "".join(t for each in every for t in each.files.values())
    text += " ".join(word for each in every for word in each.command)
    assert "hunter2" not in text and "stock-assets-local" not in text
    assert f'STORE="{store_name}"' in text and 'LAKE_ROOT="s3://prices/lake"' in text


def test_minio_lets_in_whom_its_clients_are() -> None:
    assert keys(AMAZON) == s3_environment(AMAZON)
    own = keys(Settings({"STORE": "minio", "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hunter2"}))
    assert (own["MINIO_ROOT_USER"], own["MINIO_ROOT_PASSWORD"]) == ("me", "hunter2")


def test_a_command_gets_the_keys_in_its_environment() -> None:
    code = "import os; print(os.environ['MINIO_ROOT_PASSWORD'], os.environ['AWS_ENDPOINT_URL'])"
    done = subprocess.run(
        [sys.executable, "-m", "stock_assets.local.with_store_keys", sys.executable, "-c", code],
        env={**os.environ, **EMBEDDED.values, "AWS_SECRET_ACCESS_KEY": "hunter2", "LAKE_ROOT": ""},
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert done.stdout.split() == ["hunter2", "http://127.0.0.1:9107"]


def test_roots_are_taken_apart() -> None:
    assert store.bucket_and_prefix("s3://prices/a/lake/") == ("prices", "a/lake/")
    assert store.bucket_and_prefix("s3://prices") == ("prices", "")
    with pytest.raises(PermanentError, match="LAKE_ROOT"):
        store.bucket_and_prefix("s3:///lake")


def test_files_of_a_folder(tmp_path: Path) -> None:
    assert list(store.files(str(tmp_path / "none"))) == []
    assert (store.create_bucket(str(tmp_path / "lake")), store.create_bucket(str(tmp_path / "lake"))) == (True, False)
    (tmp_path / "lake" / "b").mkdir()
    for name in ("b/2", "a", "b/1"):
        (tmp_path / "lake" / name).write_text("x" * 3)
    assert [(f.path, f.size) for f in store.files(str(tmp_path / "lake"))] == [("a", 3), ("b/1", 3), ("b/2", 3)]
    assert [f.path for f in store.files(str(tmp_path / "lake"), "b/")] == ["b/1", "b/2"]


class Build:
    """Stands for uv and go: makes what they make, or fails as they fail."""

    def __init__(self, failing: str = "", words: str = "") -> None:
        self.failing, self.words, self.ran = failing, words, []  # type: ignore[var-annotated]

    def run(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        name = Path(command[0]).name
        self.ran.append((command, options))
        if name == self.failing:
            return subprocess.CompletedProcess(command, 1, "", self.words)
        if name == "go":
            environment: dict[str, str] = options["env"]  # type: ignore[assignment]
            (Path(environment["GOPATH"]) / "pkg").mkdir(parents=True)
            program = Path(environment["GOBIN"]) / "minio"
            program.parent.mkdir()
            program.write_text("program")
        return subprocess.CompletedProcess(command, 0, "", "")


def building(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: Build) -> Settings:
    monkeypatch.setattr("stock_assets.local.minio.subprocess.run", build.run)
    monkeypatch.setattr("stock_assets.local.minio.shutil.disk_usage", lambda _: SimpleNamespace(free=5 * 1024**3))
    return Settings({"STOCK_ASSETS_JARS": str(tmp_path), "GOFLAGS": "-mod=vendor"})


def test_the_program_is_compiled_once_and_nothing_else_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build, said = Build(), list[str]()
    settings = building(monkeypatch, tmp_path, build)
    (tmp_path / "minio" / "build-killed" / "path").mkdir(parents=True)
    program = minio.build(settings, said.append)
    assert program.read_text() == "program"
    assert {path.name for path in (tmp_path / "minio").iterdir()} == {program.name, "lock", "build.log"}
    (_, (command, options)) = build.ran
    assert command[-1] == f"github.com/minio/minio@{minio.VERSION}"
    environment: dict[str, str] = options["env"]
    given = ("GOFLAGS", "GOTOOLCHAIN", "CGO_ENABLED")
    assert [environment[name] for name in given] == ["-modcacherw", "local", "0"]
    assert any("once, 4-5 minutes" in line for line in said)
    assert minio.build(settings, said.append) == program
    assert len(build.ran) == 2


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (
            Build("uv", "error: dns error"),
            ServiceUnavailable,
            r"^Go could not be fetched: error: dns error; check the net",
        ),
        (Build("go", "go: dial tcp: no route"), ServiceUnavailable, r"^MinIO could not be fetched: go: dial tcp"),
        (Build("go", "main.go:1: syntax"), PermanentError, r"^MinIO could not be compiled: main.go:1: syntax \(log: "),
    ],
)
def test_a_failed_build_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: Build, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        minio.build(building(monkeypatch, tmp_path, build))
    assert {path.name for path in (tmp_path / "minio").iterdir()} == {"lock", "build.log"}


def test_too_little_room_to_compile_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(minio, "LEAST_FREE_BYTES", 1 << 60)
    with pytest.raises(PermanentError, match="STOCK_ASSETS_JARS"):
        minio.build(building(monkeypatch, tmp_path, Build()))


def test_removing_strange_jars_leaves_the_program(tmp_path: Path) -> None:
    from stock_assets.local.jars import _remove_strangers, listed

    kept = tmp_path / "minio" / f"minio-{minio.VERSION}"
    strange = tmp_path / "s3a" / "strange-1.jar"
    for path in (kept, strange):
        path.parent.mkdir()
        path.write_text("x")
    _remove_strangers(tmp_path, listed())
    assert (kept.exists(), strange.exists()) == (True, False)
