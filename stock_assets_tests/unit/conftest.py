"""Dagster's records for the tests that need more of them than an ephemeral instance has."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import dagster as dg


@pytest.fixture(scope="session")
def empty_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Dagster's tables and nothing in them, to be copied."""
    from stock_assets_tests.fakes.dagster_records import open_records

    folder = tmp_path_factory.mktemp("records")
    with open_records(str(folder)) as instance:
        assert instance.all_instigator_state() == []  # the tables of sensors are made at the first look
    return folder


@pytest.fixture
def records(empty_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test's own with Dagster's tables."""
    own = tmp_path_factory.mktemp("records")
    return Path(shutil.copytree(empty_records, own, dirs_exist_ok=True))


@pytest.fixture
def instance(records: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster without a run, opened on ``records``."""
    from stock_assets_tests.fakes.dagster_records import open_records

    with open_records(str(records)) as opened:
        yield opened
