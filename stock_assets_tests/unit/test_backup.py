"""A backup and its restore, on folders as services leave them; none of them runs here."""

from __future__ import annotations

import json
import re
import shutil
import stat
from pathlib import Path

import pytest

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.local import backup as backup_module
from stock_assets.local import backup_contents
from stock_assets.local.backup import back_up
from stock_assets.local.backup_contents import LIST
from stock_assets.local.holdings import DOWNLOADS, POSITIONS, REBUILT, files_of, parts
from stock_assets.local.preconditions import unfinished_restore
from stock_assets.local.restore import check, restore
from stock_assets.local.services import Services
from stock_assets.local.states import ServiceState
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT

HELD = {
    "kafka/meta.properties": 0o644,
    "kafka/stock-market-realtime-0/00000000000000000000.log": 0o644,
    "postgres/passwords": 0o600,
    "postgres/data/PG_VERSION": 0o600,
    "lake/raw/ticks/_delta_log/00000000000000000000.json": 0o644,
    "warehouse/STOCKMARKETBATCH.db": 0o600,
    "dagster/storage/run/compute_logs/a.out": 0o644,
    "publishers/yahoo_stream.position": 0o600,
    "rate_budgets/alpha_vantage-1.json": 0o600,
    "observed/facts.db": 0o644,
    "alerts/state.db": 0o600,
}


@pytest.fixture
def filled(own_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a platform with something in each folder, and an ``.env`` of its own."""
    return fill(tmp_path / "home", own_settings, monkeypatch)


def fill(home: Path, own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    home.mkdir()
    (home / ".env").write_text("ALPHA_VANTAGE_API_KEY=planted\n")
    monkeypatch.setenv("STOCK_ASSETS_HOME", str(home))
    for name, mode in HELD.items():
        file = own_settings.local_dir / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content of {name}")
        file.chmod(mode)
    (own_settings.local_dir / "postgres" / "data" / "pg_tblspc").mkdir()
    (own_settings.local_dir / "postgres" / "data").chmod(0o700)
    for rebuilt in REBUILT:
        (own_settings.local_dir / rebuilt).mkdir()
        (own_settings.local_dir / rebuilt / "scratch").write_text("rubbish")
    return Settings.load()


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Rights and content of all that is below a folder, by path."""
    return {
        str(each.relative_to(folder)): (stat.S_IMODE(each.lstat().st_mode), each.read_text() if each.is_file() else "")
        for each in files_of(folder)
    }


def held(settings: Settings) -> dict[str, dict[str, tuple[int, str]]]:
    return {part.name: tree(part.place) for part in parts(settings)}


def test_everything_comes_back_with_its_rights_and_nothing_that_can_be_made_again(
    filled: Settings, tmp_path: Path
) -> None:
    before, folder = held(filled), tmp_path / "backup"
    done = back_up(filled, folder)
    assert done.files == len(HELD) + 1 and not done.left_out
    assert held(filled) == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "settings").stat().st_mode) == 0o600
    shutil.rmtree(filled.local_dir)
    (filled.home / ".env").unlink()

    contents = restore(filled, folder)

    found = held(filled)
    assert found.pop("settings") == {".": (0o600, "ALPHA_VANTAGE_API_KEY=planted\n")}
    assert found == {name: files for name, files in before.items() if name != "settings"}
    assert set(contents.parts) == {*found, "settings"} - {"minio"}
    assert {each.name for each in filled.local_dir.iterdir()} - {"run"} == {name.split("/")[0] for name in HELD}
    assert "planted" not in (folder / LIST).read_text()


def test_a_half_written_backup_is_refused(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            back_up(filled, tmp_path / "backup")
    assert (tmp_path / "backup" / "postgres" / "passwords").is_file()
    before = held(filled)
    with pytest.raises(PermanentError, match="was broken off while it was written"):
        restore(filled, tmp_path / "backup", replace=True)
    with pytest.raises(PermanentError, match="not empty"):
        back_up(filled, tmp_path / "backup")
    assert held(filled) == before


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda folder: (folder / "kafka" / "meta.properties").write_text("content of kafka/meta.propertieS"),
            "damaged",
        ),
        (lambda folder: (folder / "observed" / "facts.db").unlink(), "missing"),
        (lambda folder: (folder / LIST).write_text((folder / LIST).read_text()[:-20]), "damaged"),
        (lambda folder: replace_form(folder / LIST), "does not know"),
    ],
)
def test_a_damaged_backup_changes_nothing(filled: Settings, tmp_path: Path, damage: object, said: str) -> None:
    folder = tmp_path / "backup"
    back_up(filled, folder)
    check(folder)
    assert callable(damage)
    damage(folder)
    before = held(filled)
    with pytest.raises(PermanentError, match=said):
        check(folder)
    with pytest.raises(PermanentError, match=said):
        restore(filled, folder, replace=True)
    assert held(filled) == before


def replace_form(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | {"form": 99}))


def test_data_is_replaced_only_when_that_is_asked_for(filled: Settings, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "backup")
    before = held(filled)
    newer = filled.local_dir / "lake" / "newer.parquet"
    newer.write_text("newer")
    with pytest.raises(PermanentError, match=r"There is data in .*/kafka.*--replace"):
        restore(filled, tmp_path / "backup")
    assert newer.exists()
    restore(filled, tmp_path / "backup", replace=True)
    assert held(filled) == before and not newer.exists()
    (filled.home / ".env").write_text("SYMBOLS=IBM\n")
    told: list[str] = []
    restore(filled, tmp_path / "backup", replace=True, say=told.append)
    assert (filled.home / ".env").read_text() == "SYMBOLS=IBM\n"
    assert any("stays as it is" in line for line in told)


@pytest.mark.parametrize("step", range(3, 12, 4))
def test_a_restore_that_is_broken_off_starts_nothing_and_is_made_whole(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    back_up(filled, tmp_path / "backup")
    before = held(filled)
    (filled.local_dir / "lake" / "newer.parquet").write_text("newer")
    left, rename = [step], Path.rename

    def broken(self: Path, target: Path) -> Path:
        left[0] -= 1
        if not left[0]:
            raise OSError("the power went")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", broken)
        with pytest.raises(OSError, match="power"):
            restore(filled, tmp_path / "backup", replace=True)
    assert unfinished_restore(filled).is_file()
    with pytest.raises(PermanentError, match="run: stock-assets restore"):
        Services(filled).up(["kafka"])
    restore(filled, tmp_path / "backup")
    assert held(filled) == before and not unfinished_restore(filled).exists()
    assert not [each for each in filled.local_dir.iterdir() if each.suffix in (".restored", ".replaced")]


def test_what_is_written_to_meanwhile_is_no_backup(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(source: Path, target: Path, mode: int | None = None) -> object:
        done = backup_contents.copy(source, target, mode)
        if source.name == "facts.db":
            source.write_text("something else, and longer")
        return done

    monkeypatch.setattr(backup_module, "copy", slow)
    with pytest.raises(ServiceUnavailable, match=r"facts\.db was written to"):
        back_up(filled, tmp_path / "backup")
    assert not (tmp_path / "backup" / LIST).exists()


@pytest.mark.parametrize("inside", ["backup", "lake/backup"])
def test_a_backup_within_what_it_copies_is_refused(filled: Settings, inside: str) -> None:
    with pytest.raises(PermanentError, match="is no place for a backup"):
        back_up(filled, filled.local_dir / inside)


def test_too_little_room_is_told_before_anything_stops(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stock_assets.local.backup.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(PermanentError, match=r"are needed at .*, 0.0 MB are free"):
        back_up(filled, tmp_path / "backup")


def test_what_is_kept_elsewhere_is_named(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {
        "LAKE_ROOT": "s3://bucket/lake", "KAFKA_BOOTSTRAP_SERVERS": "broker:9092", "SNOWFLAKE_ACCOUNT": "ours",
        "DAGSTER_PG_URL": "postgresql://dagster@host/dagster", "SNOWFLAKE_PASSWORD_FILE": __file__,
    }  # fmt: skip
    for name, text in elsewhere.items():
        monkeypatch.setenv(name, text)
    settings = Settings.load()
    from stock_assets.local.holdings import left_out

    told = "\n".join(left_out(settings))
    assert all(
        word in told for word in ("topics:", "s3://bucket/lake", "warehouse:", "pg_dump", "SNOWFLAKE_PASSWORD_FILE")
    )
    assert {part.name for part in parts(settings)} == {"dagster", *POSITIONS, "settings"}


def test_each_folder_of_local_data_is_backed_up_or_known_to_be_made_again(own_settings: Settings) -> None:
    text = "\n".join(file.read_text() for file in (PROJECT / "stock_assets").rglob("*.py"))
    used = set(re.findall(r"local_dir / \"([a-z_]+)\"", text))
    assert len(used) >= 8
    known = {part.name for part in parts(own_settings)} | {"minio", *REBUILT, DOWNLOADS}
    assert used <= known, "put it into local/holdings.py"


def test_on_an_empty_machine_the_backup_s_own_settings_count(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from stock_assets.cli import app

    (filled.home / ".env").write_text("DAGSTER_HOME=records\n")
    monkeypatch.delenv("DAGSTER_HOME")
    (filled.home / "records").mkdir()
    (filled.home / "records" / "dagster.yaml").write_text("mine")
    done = CliRunner().invoke(app, ["backup", str(tmp_path / "backup")])
    assert done.exit_code == 0, done.output
    shutil.rmtree(filled.home)
    shutil.rmtree(filled.local_dir)
    filled.home.mkdir()
    done = CliRunner().invoke(app, ["restore", str(tmp_path / "backup")])
    assert done.exit_code == 0, done.output
    assert (filled.home / "records" / "dagster.yaml").read_text() == "mine"


def test_services_that_ran_run_again_also_after_a_failure(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    class Stub:
        def __init__(self, *_: object) -> None: ...

        def status(self) -> list[ServiceState]:
            states = (("kafka", "running", 7), ("spark", "stopped", 0))
            return [ServiceState(name, state, pid, "", 0) for name, state, pid in states]

        def down(self) -> None:
            asked.append("down")

        def up(self, names: list[str]) -> None:
            asked.append(names)

    monkeypatch.setattr(backup_module, "Services", Stub)
    back_up(filled, tmp_path / "first")
    monkeypatch.setattr(backup_module, "write", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        back_up(filled, tmp_path / "second")
    assert asked == ["down", ["kafka"]] * 2
