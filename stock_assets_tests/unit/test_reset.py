"""`stock-assets reset`: it says what goes, asks, and touches nothing but the platform's own folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.local import reset as reset_module
from stock_assets.local.holdings import files_of
from stock_assets.local.preconditions import unfinished_restore
from stock_assets.settings.platform import Settings
from stock_assets_tests.unit.test_backup import HELD, fill

MINE = "notes of mine.txt"


@pytest.fixture
def filled(own_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a platform with something in each folder, and files beside them that are somebody's own."""
    settings = fill(tmp_path / "home", own_settings, monkeypatch)
    for folder in (settings.local_dir, settings.home, tmp_path):
        (folder / MINE).write_text("mine")
    (settings.local_dir / "jars").mkdir()
    (settings.local_dir / "jars" / "kafka.jar").write_text("fetched")
    return settings


def run(*arguments: str, answer: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, ["reset", *arguments], input=answer)
    return done.exit_code, done.output


def all_files(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in files_of(folder) if each.is_file()}


def test_it_says_what_goes_asks_and_does_nothing_without_a_yes(filled: Settings, tmp_path: Path) -> None:
    before = all_files(tmp_path)
    for answer in ("n\n", ""):  # nobody there to answer means no
        status, told = run(answer=answer)
        assert status == 1 and "for good?" in told
        assert all_files(tmp_path) == before
    for name in ("kafka", "lake", "postgres", "warehouse", "dagster", "publishers", "logs"):
        assert any(line.startswith("deletes") and line.endswith(f"/{name}") for line in told.splitlines()), told
    assert "0.0 MB        1 files" in told


@pytest.mark.parametrize("answer", [["--yes"], []])
def test_what_is_not_the_platform_s_stays(filled: Settings, tmp_path: Path, answer: list[str]) -> None:
    unfinished_restore(filled).touch()
    assert run(*answer, answer="y\n")[0] == 0
    assert all_files(filled.local_dir) == {MINE, "jars/kafka.jar"}
    assert all_files(filled.home) == {MINE, ".env"} and (tmp_path / MINE).exists()
    status, told = run("--yes")
    assert status == 0 and "nothing to delete" in told


def test_places_outside_and_links_are_left_alone(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my-lake").mkdir()
    (tmp_path / "my-lake" / "table").write_text("mine")
    (filled.local_dir / "logs" / "scratch").unlink()
    (filled.local_dir / "logs").rmdir()
    (filled.local_dir / "logs").symlink_to(tmp_path / "my-lake")
    monkeypatch.setenv("LAKE_ROOT", str(tmp_path / "my-lake"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "my-lake"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    status, told = run("--yes")
    assert status == 0
    assert (tmp_path / "my-lake" / "table").read_text() == "mine"
    assert f"stays      lake in {tmp_path / 'my-lake'}" in told and "stays      topics, kept elsewhere" in told
    assert (filled.local_dir / "kafka" / "meta.properties").exists()  # no data of these settings


def test_one_that_is_broken_off_is_finished_by_the_next(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr("stock_assets.local.reset.shutil.rmtree", stop)
        with pytest.raises(OSError, match="power"):
            reset_module.reset(filled, reset_module.going(filled))
    assert not any((filled.local_dir / name).exists() for name in HELD)
    assert run("--yes")[0] == 0
    assert all_files(filled.local_dir) - {"run/lock"} == {MINE, "jars/kafka.jar"}
