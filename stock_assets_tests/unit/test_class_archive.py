"""The archive of classes: made once, by one process, for one Java and one list of jars."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from stock_assets.local.class_archive import KEPT, archive_of, make, options
from stock_assets.local.java import Java


@pytest.fixture
def java(tmp_path: Path) -> Java:
    """A Java that brings an archive of its own classes."""
    binary = tmp_path / "java" / "bin" / "java"
    for file in (binary, tmp_path / "java" / "lib" / "server" / "classes.jsa"):
        file.parent.mkdir(parents=True)
        file.touch()
    return Java(binary, 17, "PATH")


def start(given: list[str]) -> subprocess.Popen[bytes]:
    """A server that leaves its archive when it is asked to end."""
    target = given[-1].removeprefix("-XX:ArchiveClassesAtExit=")
    script = f"trap 'echo classes > {target}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    return process


def test_another_java_or_another_jar_is_another_archive(java: Java, tmp_path: Path) -> None:
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "a.jar").write_text("a")
    first = archive_of(java, [jars], tmp_path)
    assert archive_of(java, [jars], tmp_path) == first
    (jars / "b.jar").write_text("b")
    second = archive_of(java, [jars], tmp_path)
    os.utime(jars / "b.jar", (1, 1))
    third = archive_of(java, [jars], tmp_path)
    java.binary.write_text("newer")
    assert len({first, second, third, archive_of(java, [jars], tmp_path)}) == 4


def test_it_is_made_once_and_used_from_then_on(java: Java, tmp_path: Path) -> None:
    archive = tmp_path / "classes" / "spark-1.jsa"
    assert options(archive) == []
    used = []
    assert make(java, archive, start, lambda: used.append(1))
    assert options(archive) == [f"-XX:SharedArchiveFile={archive}"]
    assert make(java, archive, start, lambda: used.append(2))
    assert used == [1]


def test_one_that_was_not_finished_is_made_anew(java: Java, tmp_path: Path) -> None:
    archive = tmp_path / "classes" / "spark-1.jsa"
    with pytest.raises(RuntimeError):
        make(java, archive, start, lambda: (_ for _ in ()).throw(RuntimeError("the build failed")))
    assert options(archive) == []
    assert make(java, archive, start, lambda: None)


def test_only_one_process_makes_it(java: Java, tmp_path: Path) -> None:
    archive = tmp_path / "classes" / "spark-1.jsa"
    archive.parent.mkdir()
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not make(java, archive, start, lambda: None)


def test_a_folder_that_cannot_be_written_has_none(java: Java, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not make(java, tmp_path / "file" / "classes" / "spark-1.jsa", start, lambda: None)


def test_older_ones_go(java: Java, tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        archive = tmp_path / "classes" / f"spark-{number}.jsa"
        assert make(java, archive, start, lambda: None)
        os.utime(archive, (number, number))
    assert {path.name for path in (tmp_path / "classes").glob("*.jsa")} == {"spark-4.jsa", "spark-3.jsa", "spark-2.jsa"}
