"""raw ticks as they are landed -> micro-batches.

Belongs here: the streaming query, its checkpoint, and what no batch tells (looked for between batches). Run by ``spark-submit`` as a
driver of its own: Spark Connect hands the function of ``foreachBatch`` a session of another user (SPARK-44462).
Does not belong here: what a batch comes to (``batch``), the command that starts this (``commands.stream``).

The checkpoint holds nothing but how far the query has read. Without one the stream begins at what is landed next, and computes whole
what raw ticks hold of today and of the sessions that the windows lag behind.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ in (None, ""):  # spark-submit puts this folder on the path, not the project
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from stock_assets.domain.errors import StockAssetsError
from stock_assets.domain.live_tables import WINDOW_PROGRESS
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_table, table_uri, table_version
from stock_assets.live.batch import build_differing, take_batch
from stock_assets.live.sessions import build_session
from stock_assets.live.state import StreamState, write_state
from stock_assets.live.store import MicroBatch, read_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

log = logging.getLogger("stock_assets.stream")

POLL_S = 2
LONGEST_PAUSE_S = 60.0
ERROR_LINE = re.compile(r"(?:Caused by: |: )?((?:[\w.$]+\.)?\w*(?:Error|Exception|Conflict|Unavailable|Table\w+): .*)")
BATCH_BYTES = 512 << 20
"""Of raw ticks' files in a batch: a stream that was away catches up in parts."""


class Stream:
    """The query over one lake."""

    def __init__(self, spark: SparkSession, lake_root: str, checkpoint: Path, trigger_s: float) -> None:
        self._spark, self._lake, self._checkpoint, self._trigger_s = spark, lake_root, checkpoint, trigger_s
        self._alone = threading.Lock()
        self._seen: int | None = None
        self._state = StreamState(time.time())

    def run(self, stop: threading.Event) -> None:
        """Take batches until ``stop`` is set. A fault is told in a sentence; the query then begins again where it ended, ever later.

        Raises:
            Py4JError: Java has ended.
        """
        faults, java = 0, _java_errors()
        while not stop.is_set():
            try:
                self._read(stop)
            except java:
                raise
            except Exception as broken:  # noqa: BLE001  of Spark, Delta, the object store, the disk
                if stop.is_set():
                    return
                faults = 1 if self._state.batch_at > self._state.failed_at else faults + 1
                pause = min(LONGEST_PAUSE_S, 2.0**faults) * random.uniform(0.5, 1.0)
                sentence = _sentence(broken)
                self._tell(failed=sentence, failed_at=time.time())
                log.error("%s; again in %.0f s", sentence, pause)
                stop.wait(pause)

    def _read(self, stop: threading.Event) -> None:
        while open_table(self._lake, RAW_TICKS) is None:  # the first landing makes it
            self._tell()
            if stop.wait(POLL_S):
                return
        query = self._begin()
        self._tell(reads=True)
        looked = time.monotonic()
        try:
            while not stop.is_set() and query.isActive:
                query.awaitTermination(POLL_S)
                self._tell()
                if time.monotonic() - looked > self._trigger_s:
                    self._look()
                    looked = time.monotonic()
            failure = query.exception()
            if failure is not None:
                raise failure
        finally:
            with self._alone:  # not in the middle of a batch
                query.stop()

    def _begin(self) -> StreamingQuery:
        version = table_version(self._lake, RAW_TICKS)
        options = {
            "skipChangeCommits": "true", "failOnDataLoss": "true", "maxBytesPerTrigger": str(BATCH_BYTES),
            "startingVersion": str(version),
        }  # fmt: skip
        if not (self._checkpoint / "metadata").exists():
            self._catch_up()
        ticks = self._spark.readStream.format("delta").options(**options).load(table_uri(self._lake, RAW_TICKS))
        writer = ticks.writeStream.foreachBatch(self._take).option("checkpointLocation", str(self._checkpoint))
        query = writer.trigger(processingTime=f"{self._trigger_s} seconds").start()
        log.info("reading %s from version %s on", RAW_TICKS.path, version)
        return query

    def _catch_up(self) -> None:
        """What a stream without a checkpoint does not hear of."""
        progress = read_rows(self._lake, WINDOW_PROGRESS).to_pylist()
        done = set(build_differing(self._spark, self._lake, progress, None))
        today = datetime.now(UTC).astimezone(EXCHANGE_ZONE).date()
        if today not in done:
            build_session(self._spark, self._lake, today)

    def _take(self, ticks: DataFrame, number: int) -> None:
        began = time.monotonic()
        query = json.loads((self._checkpoint / "metadata").read_text())["id"]
        with self._alone:
            taken = take_batch(ticks.sparkSession, self._lake, ticks, MicroBatch(query, number))
        seconds = time.monotonic() - began
        if taken is not None:
            self._tell(
                batch=number, batch_at=time.time(), batch_seconds=seconds, ticks=self._state.ticks + taken.ticks,
                late=self._state.late + taken.late,
            )  # fmt: skip
            log.info(
                "batch %d: %d ticks in %d minutes, %d late, %d windows stored%s, %.1f s", number, taken.ticks, taken.minutes,
                taken.late, taken.windows, _told(taken.whole), seconds,
            )  # fmt: skip

    def _tell(self, **changed: Any) -> None:
        self._state = replace(self._state, at=time.time(), **changed)
        with suppress(OSError):  # on a full disk, too, the stream goes on
            write_state(self._checkpoint.with_name("state.json"), self._state)

    def _look(self) -> None:
        """Changes of raw ticks that come without new ones."""
        version = table_version(self._lake, RAW_TICKS)
        if version == self._seen:
            return
        with self._alone:
            progress = read_rows(self._lake, WINDOW_PROGRESS).to_pylist()
            whole = build_differing(self._spark, self._lake, progress)
        self._seen = version
        if whole:
            log.info("raw ticks changed%s", _told(whole))


def _told(whole: Sequence[date]) -> str:
    return f", {', '.join(map(str, whole))} computed whole" if whole else ""


def _java_errors() -> tuple[type[Exception], ...]:
    """What a call to a Java that has ended raises."""
    from py4j.protocol import Py4JNetworkError

    return (Py4JNetworkError, ConnectionError)


def _sentence(error: Exception) -> str:
    """An error raised on purpose in its own words; of Java's its last cause; of another one its first line."""
    if isinstance(error, StockAssetsError):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [found[1] for line in lines if (found := ERROR_LINE.match(line))]
    return [*lines[:1], type(error).__name__, *causes][-1 if causes else 0][:500]


def main(arguments: Sequence[str] | None = None) -> int:
    """Stream until a signal comes; one sentence and exit status 1 when that is impossible."""
    import signal

    from stock_assets.json_lines import begin
    from stock_assets.live.session import stream_session
    from stock_assets.settings.process import load_and_export

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, type=Path, help="folder of the checkpoint")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between micro-batches")
    asked = parser.parse_args(arguments)
    settings = load_and_export()
    begin(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.getLogger("py4j").setLevel(logging.WARNING)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        Stream(stream_session(), settings.lake_root, asked.checkpoint, asked.every).run(stop)
    except _java_errors():
        if not stop.is_set():
            log.error("Java has ended; the stream goes on when it is started again")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
