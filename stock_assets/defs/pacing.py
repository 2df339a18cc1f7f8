"""runs that were, records that wait -> whether another run is due.

Belongs here: runs in flight, backoff after failures, and how long records wait to be landed together.
Does not belong here: what is to be run (``sensors``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import dagster as dg

from stock_assets.observability.orchestration import UNFINISHED, failed_in_a_row

FIRST_DELAY_S, LONGEST_DELAY_S = 10, 600


def in_flight(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """Id of a run of the job that has not ended."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED), limit=1)
    return records[0].dagster_run.run_id if records else None


def last_end(instance: dg.DagsterInstance, job_name: str) -> float:
    """When the job's newest run ended, in seconds since 1970; 0 of one that never ran."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job_name), limit=1)
    return float(records[0].end_time or 0.0) if records else 0.0


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
    """A landing waits for enough records or for the longest delay, so that commits do not come in showers.

    ``max_delay_s`` tells it of each topic, by its stage; the first that has waited so long takes the others along.
    """

    min_rows: int
    max_delay_s: Callable[[str], float]

    def seconds_left(self, lags: Mapping[str, int], since: Mapping[str, float], now: float) -> float:
        """How long to wait on; nothing or less when a landing is due.

        Args:
            lags: by stage, the records that wait, of one topic at least.
            since: by stage, when a look first found some, in seconds since 1970.
        """
        if sum(lags.values()) >= self.min_rows:
            return 0.0
        return min(since[stage] + self.max_delay_s(stage) - now for stage in lags)
