"""command line -> one stage of ``jobs``, for ``spark-submit spark/submit.py``.

Belongs here: arguments, what the settings require, and a session suited to the stages.
Does not belong here: what a stage does.

With ``REQUIRE_AGREEMENT=true``, metrics leave out what the stored reconciliation says vendors disagree about, as Dagster's
do; this does not reconcile anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

if __package__ in (None, ""):  # spark-submit puts this folder on the path, not the project
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spark.jobs import StageReport, build_daily_bars, build_daily_metrics, build_minute_bars, disagreeing
from stock_assets.domain.universe import renames_of
from stock_assets.settings.platform import Settings

STAGES = ("minute_bars", "daily_bars", "daily_metrics")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage and print what it did."""
    asked = _parser().parse_args(arguments)
    report = run(session(f"stock_assets {asked.stage}"), asked)
    print(
        f"{asked.stage}: {sum(report.rows.values())} rows of {len(report.rows)} sessions, "
        f"{len(report.changed)} changed, {report.seconds:.1f} s"
    )


def session(name: str) -> SparkSession:
    """The session of ``spark-submit``, or of the server that SPARK_REMOTE names."""
    return SparkSession.builder.appName(name).getOrCreate()


def run(spark: SparkSession, asked: argparse.Namespace) -> StageReport:
    """Run the asked stage."""
    if asked.stage == "minute_bars":
        return build_minute_bars(spark, asked.lake, asked.first, asked.last)
    if asked.stage == "daily_bars":
        return build_daily_bars(spark, asked.lake, asked.first, asked.last)
    settings = Settings.load()
    refused = disagreeing(spark, asked.lake) if settings.quality.require_agreement else frozenset()
    renames = renames_of(settings.universe)
    return build_daily_metrics(spark, asked.lake, asked.bar_sources, asked.first, asked.last, refused, renames)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="folder or URL of the lake")
    parser.add_argument("--stage", required=True, choices=STAGES)
    parser.add_argument("--first", required=True, type=date.fromisoformat, help="first session, YYYY-MM-DD")
    parser.add_argument("--last", required=True, type=date.fromisoformat, help="last session, YYYY-MM-DD")
    parser.add_argument("--bar-sources", nargs="*", default=[], help="sources of daily bars, the preferred first")
    return parser


if __name__ == "__main__":
    main()
