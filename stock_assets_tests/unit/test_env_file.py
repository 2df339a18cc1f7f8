"""``.env`` is read to the last line, or refused with file and line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.env_file import read_env_file
from stock_assets.settings.platform import Settings


def read(folder: Path, content: str | bytes, **environment: str) -> dict[str, str]:
    file = folder / ".env"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_env_file(file, environment)


def test_what_editors_leave_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, '\ufeffA=one\r\n# about B\r\nexport B = "two" # why\r\n\r\nC=\r\nD=a#b\r\n') == {
        "A": "one",
        "B": "two",
        "C": "",
        "D": "a#b",
    }
    assert read_env_file(tmp_path / "nowhere", {}) == {}


def test_single_quotes_are_literal_and_others_refer_to_what_is_known(tmp_path: Path) -> None:
    text = "P='a${HOME}b'\nQ=${HOME}/lake\nR=\"${Q}/x\"\nS='it''s'\n".replace("S='it''s'\n", "")
    assert read(tmp_path, text, HOME="/home/ann") == {"P": "a${HOME}b", "Q": "/home/ann/lake", "R": "/home/ann/lake/x"}


@pytest.mark.parametrize(
    ("content", "line", "about"),
    [
        ("A=1\nSNOWFLAKE_ACCOUNT: acme\nB=2\n", 2, "NAME=value"),
        ("A=1\n\n\nSNOWFLAKE_PASSWORD='abc\n", 4, "quote"),
        ('SNOWFLAKE_PASSWORD="abc\nB=1\n', 1, "quote"),
        ("A=1\nSNOWFLAKE_ACCOUNT\n", 2, "NAME=value"),
        (b"A=1\nSNOWFLAKE_PASSWORD=p\xe4ss\n", 2, "UTF-8"),
        ("SNOWFLAKE_ACCOUNT=acme\r\n".encode("utf-16"), 1, "UTF-16"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_nothing_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes, line: int, about: str
) -> None:
    with pytest.raises(PermanentError, match=rf"\.env line {line}: .*{about}") as said:
        read(tmp_path, content)
    assert "abc" not in str(said.value)  # it may be a secret
    monkeypatch.setenv("STOCK_ASSETS_HOME", str(tmp_path))
    with pytest.raises(PermanentError, match="line"):
        Settings.load()


@given(st.text(st.characters(exclude_characters="'\\\r\n", exclude_categories=("Cs",)), max_size=30))
def test_any_secret_survives_single_quotes(tmp_path_factory: pytest.TempPathFactory, secret: str) -> None:
    assert read(tmp_path_factory.mktemp("env"), f"SECRET='{secret}'\nNEXT=1\n") == {"SECRET": secret, "NEXT": "1"}


def test_the_environment_wins_and_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    (tmp_path / ".env").write_text("KAFKA_PORT=9192\nSPARK_PORT=15102\nSTORE=minio\n")
    monkeypatch.setenv("STOCK_ASSETS_HOME", str(tmp_path))
    monkeypatch.setenv("SPARK_PORT", "15202")
    for name in ("KAFKA_PORT", "STOCK_ASSETS_LOCAL", "STORE"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    settings = Settings.load()
    assert (settings.local.kafka_port, settings.local.spark_port) == (9192, 15202)
    assert settings.local_dir == tmp_path / ".local" and settings.lake_root.startswith("s3://")
    assert dict(os.environ) == before


def test_without_a_home_the_working_directory_is_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STOCK_ASSETS_HOME", raising=False)
    monkeypatch.delenv("STOCK_ASSETS_LOCAL", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Settings.load().local_dir == tmp_path.resolve() / ".local"
