"""one look at the platform -> what of it is kept.

Belongs here: the shape of what the collector keeps beside the facts, and pages show.
Does not belong here: looking (``collector``), keeping (``kept``), what is a problem (facts say that).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    """What a table holds: sessions that have rows, rows that readers see, and the newest of the sessions.

    Attributes:
        files, bytes: of its newest version.
        commit_s: seconds that this version's commit took, where the engine that wrote it says so.
    """

    stage: str
    sessions: int
    rows: int
    newest: date | None
    files: int = 0
    bytes: int = 0
    commit_s: float | None = None


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
class PublisherSeen:
    """A publisher by its own word; numbers are since it started.

    Attributes:
        requests_left: that its vendor grants today; None where that is not limited.
    """

    name: str
    fetched: int = 0
    acknowledged: int = 0
    refused: int = 0
    reconnects: int = 0
    requests_left: int | None = None


@dataclass(frozen=True)
class Observation:
    """All that one look found; ``at`` and ``seconds`` are when it began (since 1970) and how long it took.

    Attributes:
        availability: how many symbols' sessions have each word.
        duplicates: ticks that bars dropped because they came before; None where that cannot be told.
    """

    at: float
    seconds: float
    facts: Sequence[Fact]
    services: Sequence[ServiceSeen] = ()
    held: Sequence[Held] = ()
    equations: Sequence[Equation] = ()
    runs: Sequence[RunSeen] = ()
    publishers: Sequence[PublisherSeen] = ()
    availability: Mapping[str, int] = field(default_factory=dict)
    duplicates: int | None = None


LATE_SLACK_S = 30.0


def late_after_s(every_s: float, seconds: float) -> float:
    """Seconds after which an observation without a successor says that the collector is dead or stuck.

    The collector rests nine times as long as a look took a processor, at least until ``every_s`` is over; then it looks again,
    which takes about as long as the last one did.

    Args:
        every_s: how often it looks.
        seconds: how long the last look took.
    """
    return every_s + 11 * seconds + LATE_SLACK_S
