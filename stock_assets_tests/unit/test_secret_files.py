"""Secrets come from files as well as from variables, and Dagster's database from a URL and a secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export
from stock_assets.settings.secret_files import SECRETS, secrets_of_files


@pytest.mark.parametrize("name", SECRETS)
def test_each_secret_may_be_in_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("a secret\n")
    assert secrets_of_files({f"{name}_FILE": str(tmp_path / "secret"), name: "another"}) == {name: "a secret"}


def test_other_settings_that_are_files_are_left_alone() -> None:
    assert secrets_of_files({"SSL_CERT_FILE": "/nowhere", "KAFKA_SSL_KEY_FILE": "/nowhere"}) == {}


def test_a_file_wins_over_what_an_earlier_load_left_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("new")
    monkeypatch.setattr(os, "environ", {"LAKE_ROOT": "s3://bucket/lake", "AWS_ACCESS_KEY_ID": "old"})
    os.environ["AWS_ACCESS_KEY_ID_FILE"] = str(tmp_path / "key")
    load_and_export()
    assert os.environ["AWS_ACCESS_KEY_ID"] == "new"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file or directory"), (b"\n", "is empty"), (b"\xff\xfe", "it is no text")]
)
def test_what_cannot_be_read_is_told_with_its_variable(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PermanentError, match=f"^SNOWFLAKE_PASSWORD_FILE: {path} .*{said}$"):
        secrets_of_files({"SNOWFLAKE_PASSWORD_FILE": str(path)})


def test_a_folder_in_the_place_of_a_secret_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="SNOWFLAKE_PASSWORD_FILE.*Is a directory"):
        secrets_of_files({"SNOWFLAKE_PASSWORD_FILE": str(tmp_path)})


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_any_password_reaches_the_database_unchanged(password: str) -> None:
    given = {"DAGSTER_PG_URL": "postgresql://dagster@postgres/dagster", "DAGSTER_PG_PASSWORD": password}
    url = make_url(Settings(given).dagster_pg_url)
    assert (url.drivername, url.password, url.host, url.port) == ("postgresql+psycopg2", password, "postgres", 5432)


@pytest.mark.parametrize("url", ["mysql://a@b/c", "postgresql://postgres/dagster", "postgres", "postgresql://a@b:c/d"])
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(PermanentError, match="DAGSTER_PG_URL must be postgresql://"):
        _ = Settings({"DAGSTER_PG_URL": url}).dagster_pg_url


def test_without_a_url_it_is_the_embedded_server_s_with_a_file_for_the_password(tmp_path: Path) -> None:
    settings = Settings({"STOCK_ASSETS_LOCAL": str(tmp_path / "a b"), "POSTGRES_PORT": "5444"})
    url = make_url(settings.dagster_pg_url)
    assert (url.host, url.port, url.password) == ("127.0.0.1", 5444, None)
    assert url.query["passfile"] == str(tmp_path / "a b" / "postgres" / "passwords") == str(settings.postgres_passwords)
