"""The list of jars, and fetching them."""

from __future__ import annotations

import fcntl
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from stock_assets.domain.errors import PermanentError
from stock_assets.local import jars
from stock_assets.local.jars import FOLDERS, fetch, listed, present
from stock_assets.settings.platform import Settings


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


def test_a_second_fetch_waits_for_the_first_and_finds_its_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, list_file = jars_of(tmp_path, b"good", b"good")
    prove, flock = jars._prove, fcntl.flock
    proofs: list[Path] = []
    asked: list[int] = []
    both_asked = threading.Event()

    def ask(file: IO[str], operation: int) -> None:
        asked.append(operation)
        if len(asked) == 2:
            both_asked.set()
        flock(file, operation)

    def prove_when_both_asked(target: Path, given: list[jars.Jar]) -> None:
        proofs.append(target)
        assert both_asked.wait(30)
        prove(target, given)

    monkeypatch.setattr("stock_assets.local.jars.fcntl.flock", ask)
    monkeypatch.setattr(jars, "_prove", prove_when_both_asked)
    with ThreadPoolExecutor(2) as both:
        fetched = [both.submit(fetch, settings, list_file=list_file) for _ in range(2)]
        assert [each.result(60) for each in fetched] == [settings.jars_dir] * 2
    assert len(proofs) == 1 and present(settings, list_file)
