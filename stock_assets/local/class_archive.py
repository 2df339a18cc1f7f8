"""a Java and the jars of Spark -> an archive of loaded classes, with which Spark's server starts in a quarter of the time.

Belongs here: naming the archive by all that it depends on, making it in the background, and discarding older ones.
Does not belong here: the server's command (``spark``), and the builds whose classes it holds (``warm_spark``).

A JVM reads, checks and links some 25,000 classes before Spark has built anything; an archive of them is mapped instead. It
fits one JVM and one list of jars. The JVM ignores any other one, and its name changes with them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from stock_assets.local.java import Java

FOLDER = "classes"
"""Within the folder of jars, which all checkouts and tests of a machine may share."""
KEPT = 2
"""Archives of other Javas, and of other checkouts that share the folder; one takes 200 MB."""
_DUMP_DEADLINE_S = 300

Start = Callable[[list[str]], "subprocess.Popen[bytes]"]


def archive_of(java: Java, jars: list[Path], place: Path) -> Path:
    """Where the archive for this Java and the jars in these folders lies, or would lie.

    Its name holds a digest of the Java's program and of every jar's path, size and time, in the order in which Java reads them.
    """
    files: list[str | os.PathLike[str]] = [java.binary.resolve()]
    for folder in jars:
        files += (entry for entry in os.scandir(folder) if entry.name.endswith(".jar")) if folder.is_dir() else ()
    facts = [f"{os.fspath(file)} {_stamp(file)}" for file in files]
    return place / FOLDER / f"spark-{hashlib.sha256(chr(10).join(facts).encode()).hexdigest()[:16]}.jsa"


def _stamp(file: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:  # the caller that needs the file reports it
        return None
    return status.st_size, status.st_mtime_ns


def options(archive: Path) -> list[str]:
    """Options of a JVM that uses the archive; none while there is no archive."""
    if not archive.is_file():
        return []
    base = _own_base(archive)
    used = f"{base}:{archive}" if base.is_file() else str(archive)
    return [f"-XX:SharedArchiveFile={used}"]


def make(java: Java, archive: Path, start: Start, use: Callable[[], None]) -> bool:
    """Run a server that notes its classes, use it, and keep what it leaves at its end; tells whether the archive is there.

    Nothing is done when the archive exists, another process makes it, or the folder cannot be written.

    Args:
        start: starts the server with some further options of Java; best at the lowest priority, so that nobody is held up.
        use: what its classes are needed for.
    """
    if archive.is_file():
        return True
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        lock = archive.with_suffix(".lock").open("w")
    except OSError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return archive.is_file()
        return _make(java, archive, start, use)


def _make(java: Java, archive: Path, start: Start, use: Callable[[], None]) -> bool:
    for old in sorted(archive.parent.glob("*.jsa"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink()  # a JVM that has mapped it goes on with it
    given = _dump_base(java, archive)
    unfinished = archive.with_suffix(".jsa.part")
    process = start([*given, f"-XX:ArchiveClassesAtExit={unfinished}"])
    try:
        use()
        process.send_signal(signal.SIGTERM)
        process.wait(_DUMP_DEADLINE_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if unfinished.is_file():
        unfinished.rename(archive)
    return archive.is_file()


def _own_base(archive: Path) -> Path:
    return archive.with_suffix(".base.jsa")


def _dump_base(java: Java, archive: Path) -> list[str]:
    """The archive of Java's own classes; slim runtimes come without one, and no further archive goes without it."""
    home = java.binary.resolve().parent.parent
    if any(home.glob("lib/server/classes*.jsa")):
        return []
    base = _own_base(archive)
    subprocess.run(
        ["nice", "-n", "19", str(java.binary), "-Xshare:dump", f"-XX:SharedArchiveFile={base}"],
        check=True, capture_output=True, timeout=_DUMP_DEADLINE_S,
    )  # fmt: skip
    return [f"-XX:SharedArchiveFile={base}"]
