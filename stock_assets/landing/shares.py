"""range of a topic -> files of its rows, by one process or by several that share its partitions.

Belongs here: who reads which partitions. Each process reads, checks and writes files for partitions of its own; the one
that asked for them commits the files of all together, so that a range is one commit however many prepared it.
Does not belong here: what is read and how (``prepare``), and the commit (``commit``).
"""

from __future__ import annotations

import multiprocessing
import os
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any

from stock_assets.domain.errors import ServiceUnavailable, StockAssetsError
from stock_assets.landing.plan import Plan
from stock_assets.landing.prepare import Limits, Prepared, Reading, prepare_range
from stock_assets.topic.bulk import CHUNK_RECORDS, BulkReader
from stock_assets.topic.consume import RangeReader, Reader

_IMPORTED = [
    "stock_assets.landing.shares",
    "stock_assets.topic.batch_consumer",
    "confluent_kafka",
    "deltalake",
    "pyarrow.parquet",
]
_ENDING_S = 10.0


def read_range(reading: Reading) -> Generator[Prepared]:
    """The range in bounded parts. Whoever asks for the next one has committed the one before.

    Raises:
        LostOffsets: the broker no longer holds an offset of the range.
        ServiceUnavailable: the broker does not answer, the lake takes no file, or a process was killed.
    """
    shares = _shares(reading.plan, reading.limits)
    if len(shares) > 1:
        yield from _read_by_several(reading, shares)
        return
    with closing(_reader(reading)) as reader:
        for prepared in prepare_range(reading, reader):
            yield prepared
            reader.commit_group(prepared.next)


def _reader(reading: Reading) -> Reader:
    plan, limits = reading.plan, reading.limits
    if plan.lag < limits.bulk_from:
        return RangeReader(reading.broker, reading.topic, plan.start, plan.end)
    chunk_records = min(CHUNK_RECORDS, limits.max_rows)
    return BulkReader(reading.broker, reading.topic, plan.start, plan.end, chunk_records)


def _shares(plan: Plan, limits: Limits) -> list[Plan]:
    """The partitions that have something to read, dealt out so that each process reads about as much."""
    waiting = {p: plan.end[p] - plan.start[p] for p in plan.start if plan.end[p] > plan.start[p]}
    count = min(limits.processes, len(waiting)) if plan.lag >= limits.share_from else 1
    dealt: list[list[int]] = [[] for _ in range(count)]
    for partition in sorted(waiting, key=lambda p: -waiting[p]):
        min(dealt, key=lambda share: sum(waiting[p] for p in share)).append(partition)
    return [Plan(plan.topic_id, {p: plan.start[p] for p in s}, {p: plan.end[p] for p in s}) for s in dealt]


def _read_by_several(reading: Reading, shares: list[Plan]) -> Iterator[Prepared]:
    """The parts of all processes, joined; while one is committed they prepare the next."""
    bounds, count = reading.limits, len(shares)
    limits = replace(bounds, max_rows=bounds.max_rows // count or 1, max_bytes=bounds.max_bytes // count or 1)
    with ExitStack() as running:
        shown = running.enter_context(closing(RangeReader(reading.broker, reading.topic, {}, {})))
        processes = [
            running.enter_context(closing(_Process(replace(reading, plan=share, limits=limits)))) for share in shares
        ]
        _order(processes)
        while processes:
            heard = {process: process.hear() for process in processes}
            processes = [process for process, part in heard.items() if part is not None]
            _order(processes)
            parts = [part for part in heard.values() if part is not None]
            if parts:
                joined = Prepared.joined(parts)
                yield joined
                shown.commit_group(joined.next)


def _order(processes: list[_Process]) -> None:
    """Let each prepare its next part, all under one landing id."""
    landing_id = uuid.uuid4().hex
    for process in processes:
        process.order(landing_id)


class _Process:
    """One process that prepares its share, a part for each order.

    Forked from a process that has imported what it needs: a forked copy of this one would inherit threads of librdkafka
    and delta-rs that do not run in it.
    """

    def __init__(self, reading: Reading) -> None:
        forking: ForkServerContext = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload(_IMPORTED)
        self._wire, theirs = forking.Pipe()
        self._process = forking.Process(target=_serve, args=(theirs, reading, dict(os.environ)), daemon=True)
        self._process.start()
        theirs.close()

    def order(self, landing_id: str) -> None:
        """Let it prepare a part under this id."""
        try:
            self._wire.send(landing_id)
        except OSError as broken:
            raise self._killed() from broken

    def hear(self) -> Prepared | None:
        """The part that was ordered; None when the share is read to its end."""
        try:
            heard = self._wire.recv()
        except (EOFError, OSError) as broken:
            raise self._killed() from broken
        if isinstance(heard, Exception):
            raise heard
        assert heard is None or isinstance(heard, Prepared)
        return heard

    def close(self) -> None:
        """End the process, whatever it does; files that it wrote and nobody committed are no part of the table."""
        self._wire.close()
        self._process.terminate()
        self._process.join(_ENDING_S)

    def _killed(self) -> ServiceUnavailable:
        self._process.join(_ENDING_S)
        return ServiceUnavailable(
            f"a process that prepared a landing ended with status {self._process.exitcode}; nothing of its part was stored"
        )


def _serve(wire: Connection[Any, Any], reading: Reading, environment: dict[str, str]) -> None:
    """Prepare a part for each order, until the share is read or nobody listens any more."""
    os.environ.update(environment)  # the process this one was forked from may have started with another
    try:
        try:
            with closing(_reader(reading)) as reader:
                for prepared in prepare_range(reading, reader, wire.recv):
                    wire.send(prepared)
                wire.recv()
                wire.send(None)
        except StockAssetsError as broken:
            wire.send(broken)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # whoever asked is gone, and with it everything this part was for
