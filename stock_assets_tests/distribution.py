"""Which tests run on one worker, and in which order.

A platform and a Spark server take minutes of the processor before they are quick, so that two of them cost more than a
second worker gains.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).parent
SPARK = re.compile(r"\bspark_connect\b|\bspark: SparkSession\b")
"""How a test's file names the shared server, or the shared session of it."""


class ByShared(LoadFileScheduling):
    """Tests of a file run on one worker, and so do all that share the platform, and all that share Spark's server."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return shared(TESTS.parent / file) or file


@cache
def shared(file: Path) -> str:
    """What its tests share with those of other files; empty for nothing that takes long."""
    if file.parent.name == "platform":
        return "platform"
    return "spark" if SPARK.search(file.read_text(encoding="utf-8")) else ""


def turn(path: Path, late: set[Path]) -> int:
    """The longest first, so that no worker is left alone with one of them: platforms, Spark, MinIO, and what needs nothing."""
    if shared(path):
        return 0
    if path in late:
        return 3
    order = {"services": 1, "browser": 1, "pipeline": 2}
    return order.get(path.parent.name, 4)
