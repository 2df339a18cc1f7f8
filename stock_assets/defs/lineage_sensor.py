"""Dagster's runs -> OpenLineage, event by event.

Belongs here: which runs have something to tell, what was taken already, and when to try again.
Does not belong here: the events (``lineage_events``), sending one (``lineage_receiver``).

The cursor holds how many events of which run were taken, and up to when all runs are told. It moves past an event once the
receiver has taken it. A process that is killed between both sends the same event again, under the same id.
"""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from stock_assets.defs.lineage_datasets import Datasets, parents_of
from stock_assets.defs.lineage_runs import outcome_of
from stock_assets.defs.pacing import FIRST_DELAY_S, LONGEST_DELAY_S
from stock_assets.settings.platform import Settings

LINEAGE_SENSOR: Final = "openlineage_sensor"
INTERVAL_S = 15
AT_ONCE = 100
"""Events of one evaluation."""
LONGEST_S = 20.0
"""An evaluation sends for so long; Dagster ends one after 60 s."""
OVERLAP_S = 120.0
"""A run may be stored later than the instant it is stored with: what is so far back is looked at again."""
PAGE = 200


@dataclass
class Cursor:
    """What was taken.

    Attributes:
        until: instant up to which every run is told, in seconds since 1970.
        taken: events taken of each run that may have more, or that ended within the overlap; and when it ended.
        tries: attempts in a row that were in vain.
        again: instant before which nothing is tried.
    """

    until: float
    taken: dict[str, tuple[int, float | None]] = field(default_factory=dict)
    tries: int = 0
    again: float = 0.0

    @classmethod
    def of(cls, text: str | None, now: float) -> "Cursor":
        """The stored one; at the very first look, what was before is not told."""
        if not text:
            return cls(now)
        stored = json.loads(text)
        return cls(**stored | {"taken": {run: (count, ended) for run, (count, ended) in stored["taken"].items()}})

    def text(self) -> str:
        """As it is stored, without what is no longer looked at."""
        kept = {run: each for run, each in self.taken.items() if each[1] is None or each[1] > self.until - OVERLAP_S}
        return json.dumps(asdict(self) | {"taken": kept})


def lineage_sensor(settings: Settings, status: dg.DefaultSensorStatus, assets: Iterable[Any]) -> dg.SensorDefinition:
    """Tells OPENLINEAGE_URL of runs, their steps and what these read and wrote."""
    parents = parents_of(assets)

    @dg.sensor(
        name=LINEAGE_SENSOR,
        minimum_interval_seconds=INTERVAL_S,
        default_status=status,
        description="Sends runs, their steps, and what these read and wrote, as events of OpenLineage; asks for no run.",
    )
    def _lineage_sensor(context: dg.SensorEvaluationContext) -> Any:
        now = settings.now()
        if not now.lineage.url:
            return dg.SkipReason("OPENLINEAGE_URL is not set any more")
        cursor = Cursor.of(context.cursor, time.time())
        if cursor.again > time.time():
            return dg.SkipReason(f"the receiver took nothing; again in {cursor.again - time.time():.0f} s")
        failed_before = cursor.tries
        sent, refused = _send(context.instance, now, Datasets(now, parents), cursor)
        if refused:
            cursor.tries = 1 if sent else cursor.tries + 1
            delay = min(FIRST_DELAY_S * 2.0 ** (cursor.tries - 1), LONGEST_DELAY_S)
            cursor.again = time.time() + delay
            if not failed_before:
                context.log.warning(f"{refused}; what it did not take is kept, and sent again")
        elif failed_before and sent:
            cursor.tries, cursor.again = 0, 0.0
            context.log.info("the receiver of OpenLineage takes events again")
        said = f"{sent} events were taken" if sent else "there is nothing to tell"
        said = f"{refused}; {sent} events were taken before; again in {delay:.0f} s" if refused else said
        return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=cursor.text())

    return _lineage_sensor


def _send(instance: dg.DagsterInstance, settings: Settings, datasets: Datasets, cursor: Cursor) -> tuple[int, str]:
    """Send what was not taken yet, and move the cursor; returns how many were taken, and why no more were."""
    sent, end, receiver = 0, time.monotonic() + LONGEST_S, None
    with ExitStack() as opened:
        for record in _updated(instance, cursor.until - OVERLAP_S):
            run_id, updated = record.dagster_run.run_id, record.update_timestamp.timestamp()
            taken, ended = cursor.taken.get(run_id, (0, None))
            if ended is None and (record.start_time is not None or outcome_of(record)):
                from stock_assets.defs.lineage_events import Teller
                from stock_assets.defs.lineage_receiver import Receiver

                for event in Teller(settings, datasets).events(instance, record)[taken:]:
                    if sent >= AT_ONCE or time.monotonic() > end:
                        return sent, ""
                    receiver = receiver or opened.enter_context(Receiver(settings))
                    if refused := receiver.send(event):
                        return sent, refused
                    sent, taken = sent + 1, taken + 1
                    cursor.taken[run_id] = (taken, None)
                if outcome_of(record):
                    cursor.taken[run_id] = (taken, updated)
            cursor.until = max(cursor.until, updated)
    return sent, ""


def _updated(instance: dg.DagsterInstance, since: float) -> Iterator[dg.RunRecord]:
    """Runs that changed since, in the order of their last change."""
    while True:
        wanted = dg.RunsFilter(updated_after=datetime.fromtimestamp(since, UTC))
        page = instance.get_run_records(wanted, limit=PAGE, order_by="update_timestamp", ascending=True)
        yield from page
        # from a little earlier, should runs have changed in the same instant: what was told is not told again
        following = page[-1].update_timestamp.timestamp() - 0.001 if page else since
        if len(page) < PAGE or following <= since:
            return
        since = following
