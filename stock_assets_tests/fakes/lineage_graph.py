"""a few small assets -> runs of every outcome in an instance of Dagster, and the sensor that tells of them.

Belongs here: assets under keys of the platform that do what a test asks of them; looking until there is nothing to tell.
Does not belong here: expectations (the tests).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from stock_assets.defs.lineage_sensor import lineage_sensor
from stock_assets.settings.platform import Settings

TICKS, MINUTES = dg.AssetKey(["raw", "ticks"]), dg.AssetKey(["bars", "minute_bars"])
DAYS = ("2013-03-01", "2013-03-02", "2013-03-03")
PARTITIONS = dg.DailyPartitionsDefinition(DAYS[0], end_date="2013-03-10")
Body = Callable[[dg.AssetExecutionContext], Iterator[Any]]


def lands(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """As a drain does: two sessions, each with its own rows."""
    for day, rows in zip(DAYS, (30, 12), strict=False):
        context.log_event(
            dg.AssetMaterialization(context.asset_key, partition=day, metadata={"dagster/row_count": rows})
        )
    yield from ()


def builds(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """As a build does: one result with all rows of its partitions."""
    yield dg.MaterializeResult(metadata={"dagster/row_count": 42})


def assets(ticks: Body = builds, minutes: Body = builds) -> list[Any]:
    """Ticks, and minute bars made from them."""

    policy = dg.BackfillPolicy.single_run()

    @dg.asset(
        key=TICKS,
        deps=[dg.AssetKey(["kafka", "realtime"])],
        partitions_def=PARTITIONS,
        output_required=False,
        backfill_policy=policy,
    )
    def raw(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from ticks(context)

    @dg.asset(key=MINUTES, deps=[TICKS], partitions_def=PARTITIONS, backfill_policy=policy)
    def bars(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from minutes(context)

    return [raw, bars]


def run(instance: dg.DagsterInstance, made: list[Any], **given: Any) -> str:
    """Run these assets in this process; the run's id."""
    return dg.materialize(made, instance=instance, raise_on_error=False, **given).run_id


class Looks:
    """Evaluations of the sensor, one after another, each with the cursor that the one before stored."""

    def __init__(self, instance: dg.DagsterInstance, **settings: str) -> None:
        self._instance = instance
        self._sensor = lineage_sensor(Settings(settings), dg.DefaultSensorStatus.RUNNING, assets())
        self.cursor: str | None = None
        self.said = ""

    def look(self, keep: bool = True) -> str:
        """Evaluate once; without ``keep`` the process is killed before it stores its cursor."""
        context = dg.build_sensor_context(instance=self._instance, cursor=self.cursor)
        result: Any = self._sensor(context)
        if isinstance(result, dg.SkipReason):
            return str(result.skip_message)
        self.cursor = result.cursor if keep else self.cursor
        return str(result.skip_reason.skip_message)

    def no_wait(self) -> None:
        """As if the time to wait had passed."""
        self.cursor = json.dumps(json.loads(self.cursor or "{}") | {"again": 0.0})

    def look_until_told(self) -> int:
        """Evaluate, without waiting between, until there is nothing to tell; how often something was told."""
        for number in range(100):
            if self.look() == "there is nothing to tell":
                return number
            self.no_wait()
        raise AssertionError(self.cursor)
