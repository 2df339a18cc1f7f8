"""what a collector would have kept -> the file that pages read, with hostile texts in it.

Belongs here: an observation with something of every kind. Does not belong here: the lake (``market_lake``).
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from pathlib import Path

from stock_assets.observability.fact import Fact
from stock_assets.observability.kept import Kept
from stock_assets.observability.observation import (
    CheckSeen,
    Equation,
    Held,
    Observation,
    RunSeen,
    ServiceSeen,
    StepSeen,
)
from stock_assets_tests.fakes.market_lake import HOSTILE

GIB = 1024**3
SERVICES = (
    "kafka",
    "spark",
    "warehouse",
    "dagster-code",
    "dagster-webserver",
    "dagster-daemon",
    "collector",
    "dashboard",
)
FACTS = [
    Fact("machine", "python", False, "3.11.9"),
    Fact("free_space", "local data", False, "20.0 GB free at /somewhere", "", 20.0 * GIB, "bytes"),
    Fact("free_memory", "this machine", False, "8.0 of 16.0 GB can still be had", "", 8.0 * GIB, "bytes"),
    Fact("service", "kafka", False, "answers at 127.0.0.1:9092"),
    Fact("service", "spark", True, "stopped", "`stock-assets up spark`; its log is spark.log."),
    Fact(
        "failed_runs", "build", True, f"{HOSTILE[0]} broke (failed 2 times in a row)", f"See {HOSTILE[2]}", 2.0, "runs"
    ),
    Fact("records_waiting", f"{HOSTILE[0]}/0", False, "7 records wait", "", 7.0, "records"),
    Fact("stale_sessions", "bars/daily_bars", False, "every session is up to date", "", 0.0, "sessions"),
    Fact("completeness", "raw/ticks", False, "the last proof held", "", 0.0),
]


def keep_observation(file: Path, newest: date) -> Observation:
    """Four looks, the last of them now; returns that one."""
    now = time.time()
    seen = Observation(
        at=now,
        seconds=1.4,
        facts=FACTS,
        services=[
            ServiceSeen(name, "stopped" if name == "spark" else "running", 0 if name == "spark" else 100 + place,
                        f"127.0.0.1:{9000 + place}", 3600 * place, 200 * 1024**2)
            for place, name in enumerate(SERVICES)
        ],
        held=[Held("raw/ticks", 4, 120_000, newest), Held("bars/daily_bars", 0, 0, None)],
        equations=[Equation(HOSTILE[0], partition, 40_000 + partition, 39_990 + partition, 9, 1, "") for partition in range(3)],
        runs=[_run(number, now) for number in range(6)],
    )  # fmt: skip
    kept = Kept(file)
    for ago, waiting in ((600, 0.0), (400, 120.0), (200, 30.0), (0, 7.0)):
        facts = [replace(fact, value=waiting) if fact.name == "records_waiting" else fact for fact in FACTS]
        kept.keep(replace(seen, at=now - ago, facts=facts))
    return seen


def _run(number: int, now: float) -> RunSeen:
    requested = now - 3600 * number
    over = number > 0
    checks = (
        CheckSeen("bars/daily_bars", "quality", requested, number % 3 != 0, "warn", f"{HOSTILE[0]} 3 rows"),
        CheckSeen("raw/ticks", "completeness", requested, True, "warn", "12 expectations hold"),
    )
    return RunSeen(
        f"run{number}",
        ("drain", "build")[number % 2],
        ("started", "success", "failure")[min(number, 1 + number % 2)],
        requested,
        requested + 40 if over else None,
        "2024-03-01",
        (StepSeen("bars/daily_bars", 12.5, 140), StepSeen("metrics/daily_metrics", 8.1, None)),
        checks if over else (),
    )
