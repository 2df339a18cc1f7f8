"""one look at the platform -> what of it is kept.

Belongs here: the shape of what the collector keeps beside the facts, and pages show.
Does not belong here: looking (``collector``), keeping (``kept``), what is a problem (facts say that).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from stock_assets.observability.fact import Fact


@dataclass(frozen=True)
class ServiceSeen:
    """An embedded service: supervisor's word, and what its processes hold.

    Attributes:
        pid, uptime_s: 0 unless it runs.
        memory: bytes that its processes hold together; None where that cannot be told.
        restarts: how often it was seen with another process, as long as the store remembers.
    """

    name: str
    state: str
    pid: int
    address: str
    uptime_s: int
    memory: int | None = None
    restarts: int = 0


@dataclass(frozen=True)
class Held:
    """What a table holds: sessions that have rows, rows that readers see, and the newest of the sessions."""

    stage: str
    sessions: int
    rows: int
    newest: date | None


@dataclass(frozen=True)
class Equation:
    """The completeness equation of one topic partition, in offsets; ``wrong`` is empty when it holds."""

    topic: str
    partition: int
    offsets: int
    accepted: int
    rejected: int
    gaps: int
    wrong: str


@dataclass(frozen=True)
class StepSeen:
    """A step of a run; ``rows`` are those its materializations report, None when they report none."""

    name: str
    seconds: float
    rows: int | None


@dataclass(frozen=True)
class CheckSeen:
    """One evaluation of an asset check; ``at`` is seconds since 1970."""

    asset: str
    name: str
    at: float
    passed: bool
    severity: str
    text: str


@dataclass(frozen=True)
class RunSeen:
    """A run of Dagster; instants are seconds since 1970, ``ended`` is None while it goes on."""

    run_id: str
    job: str
    status: str
    requested: float
    ended: float | None
    sessions: str
    steps: tuple[StepSeen, ...] = ()
    checks: tuple[CheckSeen, ...] = ()


@dataclass(frozen=True)
class Observation:
    """All that one look found; ``at`` and ``seconds`` are when it began (since 1970) and how long it took."""

    at: float
    seconds: float
    facts: Sequence[Fact]
    services: Sequence[ServiceSeen] = ()
    held: Sequence[Held] = ()
    equations: Sequence[Equation] = ()
    runs: Sequence[RunSeen] = ()
