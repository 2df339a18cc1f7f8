"""Dagster's web server -> what is asked of it, and what it tells, by GraphQL as the UI does.

Belongs here: runs, backfills and sensors from outside. Does not belong here: what they should have done (verify.py).
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

UNFINISHED = ["QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING"]
REPOSITORY = {"repositoryLocationName": "stock_assets", "repositoryName": "__repository__"}
LONGEST_RUN_S = 3600
ATTEMPTS = 10


class Dagster:
    """The web server at a port of the loopback interface."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of the answer. A question is asked again when the connection breaks, an order is not.

        Raises:
            RuntimeError: it answers with errors.
            OSError: it does not answer.
        """
        for left in reversed(range(ATTEMPTS if query.startswith("query") else 1)):
            try:
                found = self._post(query, variables)
                break
            except OSError:
                if not left:
                    raise
                time.sleep(2)
        if found.get("errors"):
            raise RuntimeError(f"Dagster refused: {found['errors'][0]['message']}")
        data: dict[str, Any] = found["data"]
        return data

    def _post(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def unfinished(self) -> list[str]:
        """Ids of runs that have not ended."""
        query = "query($s: [RunStatus!]) {runsOrError(filter: {statuses: $s}) {...on Runs {results {runId}}}}"
        return [each["runId"] for each in self.ask(query, s=UNFINISHED)["runsOrError"]["results"]]

    def failed(self) -> list[str]:
        """Ids of failed runs, the newest first."""
        query = "query($s: [RunStatus!]) {runsOrError(filter: {statuses: $s}) {...on Runs {results {runId}}}}"
        return [each["runId"] for each in self.ask(query, s=["FAILURE"])["runsOrError"]["results"]]

    def causes(self, run_id: str) -> str:
        """What the UI shows as the errors of a failed run, every cause beneath included."""
        error = "message cause {message cause {message cause {message}}}"
        query = (
            "query($id: ID!) {logsForRun(runId: $id) {...on EventConnection {events {"
            f"...on ExecutionStepFailureEvent {{error {{{error}}}}} ...on RunFailureEvent {{message error {{{error}}}}}"
            "}}}}"
        )
        return json.dumps([event for event in self.ask(query, id=run_id)["logsForRun"]["events"] if event])

    def set_sensor(self, name: str, running: bool) -> None:
        """Start or stop a sensor."""
        if running:
            query = "mutation($s: SensorSelector!) {startSensor(sensorSelector: $s) {__typename}}"
            self.ask(query, s={**REPOSITORY, "sensorName": name})
            return
        query = "query($s: SensorSelector!) {sensorOrError(sensorSelector: $s) {...on Sensor {sensorState {id}}}}"
        state = self.ask(query, s={**REPOSITORY, "sensorName": name})["sensorOrError"]["sensorState"]["id"]
        self.ask("mutation($id: String) {stopSensor(id: $id) {__typename}}", id=state)

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> float:
        """Run a backfill over these assets and partitions to its end; returns its seconds.

        Raises:
            RuntimeError: it does not complete with success.
        """
        began = time.monotonic()
        query = (
            "mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p) {__typename "
            "...on LaunchBackfillSuccess {backfillId} ...on PythonError {message}}}"
        )
        keys = [{"path": asset.split("/")} for asset in assets]
        given = {"assetSelection": keys, "partitionNames": list(partitions)}
        launched = self.ask(query, p=given)["launchPartitionBackfill"]
        if "backfillId" not in launched:
            raise RuntimeError(f"the backfill was refused: {launched}")
        query = "query($id: String!) {partitionBackfillOrError(backfillId: $id) {...on PartitionBackfill {status}}}"
        while True:
            status = self.ask(query, id=launched["backfillId"])["partitionBackfillOrError"]["status"]
            if status == "COMPLETED_SUCCESS":
                return time.monotonic() - began
            if status.startswith(("FAILED", "COMPLETED", "CANCELED")) or time.monotonic() - began > LONGEST_RUN_S:
                failed = self.failed()
                raise RuntimeError(f"the backfill is {status}: {self.causes(failed[0])[:2000] if failed else ''}")
            time.sleep(1)
