"""runs that were, records that wait -> whether another run is due.

Belongs here: runs in flight, backoff after failures, and how long records wait to be landed together.
Does not belong here: what is to be run (``sensors``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from stock_assets.observability.orchestration import UNFINISHED, failed_in_a_row

FIRST_DELAY_S, LONGEST_DELAY_S = 10, 600


def in_flight(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """Id of a run of the job that has not ended."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED), limit=1)
    return records[0].dagster_run.run_id if records else None


def seconds_to_wait(
    instance: dg.DagsterInstance, job_name: str, now: float, tags: Mapping[str, str] | None = None, since: float = 0.0
) -> float:
    """How long to leave the job alone after it failed several times in a row; 0 when its last run did not.

    Args:
        tags: of the runs that count.
        since: instant, in seconds since 1970, before which failures count no more.
    """
    failed = failed_in_a_row(instance, job_name, tags, since)
    if not failed:
        return 0.0
    delay = min(FIRST_DELAY_S * 2.0 ** (len(failed) - 1), LONGEST_DELAY_S)
    ended: float = failed[0].end_time or now
    return max(0.0, min(ended, now) + delay - now)


@dataclass(frozen=True)
class Pacing:
    """A landing waits for enough records or for the longest delay, so that commits do not come in showers."""

    min_rows: int
    max_delay_s: float

    def due(self, lag: int, waiting_since: float, now: float) -> bool:
        """Whether to land now."""
        return lag >= self.min_rows or now - waiting_since >= self.max_delay_s
