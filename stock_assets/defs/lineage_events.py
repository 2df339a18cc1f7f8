"""what a run did -> events of OpenLineage.

Belongs here: OpenLineage's words: a run with its steps as runs of their own, datasets, facets. The client is imported here and in
``lineage_receiver``, when something is to be told.
Does not belong here: reading Dagster's records (``lineage_runs``), names of datasets (``lineage_datasets``), sending.

A run is told by the id that it has in Dagster, a step by one made from that and its key. Whatever is told twice is therefore the
same event, byte by byte.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from stock_assets.defs.lineage_datasets import Datasets
from stock_assets.defs.lineage_runs import Sessions, Step, Written, outcome_of, sessions_of, steps_of
from stock_assets.domain.redaction import redacted
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.observability.orchestration import causes_in_one_line, job_title
from stock_assets.release import release
from stock_assets.settings.platform import Settings
from stock_assets.settings.secret_files import secret_values

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

LONGEST_MESSAGE = 2000
NAMED_SESSIONS = 300
"""Up to so many sessions are named one by one; of more, the first and last are enough."""
Facets = dict[str, Any]


class Teller:
    """Tells of runs what these settings allow."""

    def __init__(self, settings: Settings, datasets: Datasets) -> None:
        self._namespace, self._datasets = settings.lineage.namespace, datasets
        self._secrets = secret_values(settings.values)

    def events(self, instance: dg.DagsterInstance, record: dg.RunRecord) -> list[RunEvent]:
        """All events of a run so far, in order; later ones only follow these."""
        outcome = outcome_of(record)
        if record.start_time is None and outcome is None:
            return []
        run, run_id = record.dagster_run, str(_uuid(record.dagster_run.run_id))
        began = record.start_time or record.create_timestamp.timestamp()
        job = self._job(job_title(run), "JOB")
        facets = self._run_facets(sessions_of(run))
        told = [self._event("START", began, run_id, facets, job)]
        if outcome is None:
            return told
        for step in steps_of(instance, record):
            told += self._step(run, step)
        if outcome == "FAIL":
            facets = facets | self._error(causes_in_one_line(instance, run.run_id))
        return [*told, self._event(outcome, record.end_time or began, run_id, facets, job)]

    def _step(self, run: dg.DagsterRun, step: Step) -> Iterator[RunEvent]:
        from openlineage.client.facet_v2 import parent_run

        name, run_id = job_title(run), str(_uuid(run.run_id))
        own_id = str(uuid.uuid5(_uuid(run.run_id), step.key))
        job = self._job(f"{name}.{step.key}", "STEP")
        above, top = parent_run.Run(run_id), parent_run.Job(self._namespace, name)
        root = parent_run.Root(parent_run.RootRun(run_id), parent_run.RootJob(self._namespace, name))
        facets = {"parent": parent_run.ParentRunFacet(above, top, root)}
        facets |= self._run_facets(step.sessions or sessions_of(run))
        read = self._inputs(self._datasets.read(step.planned or step.written))
        began, ended = step.began or 0.0, step.ended or step.began or 0.0
        planned = self._outputs(dict.fromkeys(sorted(step.planned or step.written)))
        yield self._event("START", began, own_id, facets, job, read, planned)
        if step.outcome == "FAIL":
            facets = facets | self._error(step.cause)
        yield self._event(step.outcome or "ABORT", ended, own_id, facets, job, read, self._outputs(step.written))

    def _event(
        self, kind: str, at: float, run_id: str, facets: Facets, job: Any, read: Any = (), written: Any = ()
    ) -> RunEvent:
        from openlineage.client.event_v2 import Run, RunEvent, RunState

        return RunEvent(
            eventType=RunState(kind),
            eventTime=datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds"),
            run=Run(runId=run_id, facets=facets),
            job=job,
            inputs=list(read),
            outputs=list(written),
        )

    def _job(self, name: str, kind: str) -> Any:
        from openlineage.client.event_v2 import Job
        from openlineage.client.facet_v2 import job_type_job

        facet = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="DAGSTER", jobType=kind)
        return Job(namespace=self._namespace, name=name, facets={"jobType": facet})

    def _run_facets(self, sessions: Sessions | None) -> Facets:
        from openlineage.client.facet_v2 import nominal_time_run, processing_engine_run, tags_run

        engine = processing_engine_run.ProcessingEngineRunFacet(dg.__version__, "Dagster", release())
        if sessions is None:
            return {"processing_engine": engine}
        first, last = sessions
        named = str(first) if first == last else f"{first} to {last}"
        return {
            "processing_engine": engine,
            "nominalTime": nominal_time_run.NominalTimeRunFacet(_midnight(first), _midnight(last + timedelta(days=1))),
            "tags": tags_run.TagsRunFacet([tags_run.TagsRunFacetFields("sessions", named, "DAGSTER")]),
        }

    def _error(self, message: str) -> Facets:
        from openlineage.client.facet_v2 import error_message_run

        # shortened last: half a secret would not be found
        said = redacted(message or "unknown", self._secrets)[:LONGEST_MESSAGE]
        return {"errorMessage": error_message_run.ErrorMessageRunFacet(said, "python")}

    def _inputs(self, keys: Iterable[dg.AssetKey]) -> list[Any]:
        from openlineage.client.event_v2 import InputDataset

        return [InputDataset(*self._datasets.named(key)) for key in keys]

    def _outputs(self, written: dict[dg.AssetKey, Any]) -> list[Any]:
        from openlineage.client.event_v2 import OutputDataset

        return [
            OutputDataset(*self._datasets.named(key), outputFacets=_written_facets(each) if each else {})
            for key, each in sorted(written.items())
        ]


def _written_facets(written: Written) -> Facets:
    from openlineage.client.facet_v2 import base_subset_dataset, output_statistics_output_dataset

    facets: Facets = {}
    if written.rows is not None:
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=written.rows)
        facets["outputStatistics"] = statistics
    if 0 < len(written.sessions) <= NAMED_SESSIONS:
        parts = [base_subset_dataset.Partition({"trading_day": str(day)}) for day in sorted(written.sessions)]
        condition = base_subset_dataset.PartitionSubsetCondition(parts)
        facets["subset"] = base_subset_dataset.OutputSubsetOutputDatasetFacet(condition)
    return facets


def _uuid(run_id: str) -> uuid.UUID:
    """Dagster's own id; whoever starts a run in a program may have given it another one."""
    try:
        return uuid.UUID(run_id)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, run_id)


def _midnight(day: date) -> str:
    """Where Dagster's partition of the session begins."""
    return datetime(day.year, day.month, day.day, tzinfo=EXCHANGE_ZONE).isoformat()
