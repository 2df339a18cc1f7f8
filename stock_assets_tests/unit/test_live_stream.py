"""What the stream of windows says of a fault, and of itself."""

import threading
from pathlib import Path
from typing import Any

import pytest

from stock_assets.domain.errors import LandingConflict
from stock_assets.live import stream
from stock_assets.live.state import file_of, read_state

OF_JAVA = """An error occurred while calling o61.load.
: java.lang.RuntimeException: java.lang.ClassNotFoundException: Class S3AFileSystem not found
\tat org.apache.hadoop.conf.Configuration.getClass(Configuration.java:2737)
Caused by: java.lang.ClassNotFoundException: Class S3AFileSystem not found
\t... 21 more"""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Exception(OF_JAVA), "java.lang.ClassNotFoundException: Class S3AFileSystem not found"),
        (OSError("Generic S3 error\n  ↳ tcp connect error\n  ↳ Connection refused"), "Generic S3 error"),
        (LandingConflict("others kept committing: give way"), "others kept committing: give way"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_fault_is_one_sentence_its_cause(error: Exception, sentence: str) -> None:
    assert stream._sentence(error) == sentence


def test_it_tells_that_it_waits_for_the_first_ticks_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    spark: Any = None  # not asked before there are ticks
    waiting = stream.Stream(spark, str(tmp_path / "lake"), tmp_path / "stream" / "checkpoint", 60.0)
    stop = threading.Event()
    stop.set()
    waiting._read(stop)
    told = read_state(file_of(tmp_path))
    assert told is not None and not told.reads and not told.failed
