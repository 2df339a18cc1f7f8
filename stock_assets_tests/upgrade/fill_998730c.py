"""one commit's own code -> a lake and a warehouse as that commit left them, packed for ``test_upgrade``.

Run from a checkout of 998730c with that checkout's environment, on a machine without services of its own::

    PYTHONPATH=. .venv/bin/python .../fill_998730c.py OUT.tar.xz

Everything is written by the checkout: landings through its decoder and commit, builds through its assets on its own Spark
and warehouse. Only the topics are made up, as a broker would have handed their records out.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from deltalake import DeltaTable
from local.services import Services
from stock_assets.lake.compaction import compact
from stock_assets.lake.judging import Judging
from stock_assets.lake.quality_state import stale_stages

from stock_assets.definitions import build_definitions
from stock_assets.defs.jobs import build_config, build_partition
from stock_assets.domain.messages import Action, Bar, Tick, encode, instant
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.settings import Settings
from stock_assets.topic.topics import ACTIONS, BARS
from stock_assets_tests.conftest import place
from stock_assets_tests.pipeline.raw_lake import land

DAYS = sessions_between(date(2013, 9, 3), date(2013, 10, 8))
TICK_DAYS, MINUTE_DAY, SPLIT_DAY = DAYS[-2:], DAYS[-3], DAYS[-5]


def main(out: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        settings = place(patch, Path(folder) / "local")
        patch.setenv("FIRST_SESSION", str(DAYS[0]))
        settings = Settings.load()
        lake = settings.lake_root
        services = Services(settings, print)
        try:
            services.up(["spark", "warehouse"])
            fill(lake)
            for _ in range(2):  # the second build is one of a late tick
                build(settings)
                land(lake, [tick("IBM", TICK_DAYS[0], 500, size=7, source="simulator")], 1)
            build(settings)
            tidy(lake)
            stale = stale_stages(lake, Judging.of(settings))
            assert not any(stale.values()), stale
        finally:
            services.down()
        with tarfile.open(out, "w:xz") as archive:
            archive.add(lake, "lake")
            archive.add(settings.local_dir / "warehouse", "warehouse")


def fill(lake: str) -> None:
    """Landings of three topics, with records that this commit rejects, and gaps."""
    land(lake, [encode(each) for each in actions()], topic=ACTIONS)
    bars = [encode(each) for each in daily_bars()]
    fractional = bars[0].replace(b'"volume":', b'"volume":0.5,"was":')
    for number, part in enumerate((bars[:60], bars[60:])):
        land(lake, [*part, fractional, b'{"symbol":"IBM"'], partition=number, topic=BARS, gap=1)
    land(lake, [encode(each) for each in minute_bars()], topic=BARS)
    for day in TICK_DAYS:
        for symbol in ("IBM", "AAPL"):
            of_day = [tick(symbol, day, number, size=number % 300, source="simulator") for number in range(200)]
            of_day += [tick(symbol, day, n, day_volume=1000 * n, source="yahoo_stream") for n in range(60)]
            bad = [tick(symbol, day, 300, size=1, source="simulator").replace(b'"size":1', b'"size":' + size)
                   for size in (b"0.35", b"100.0", b"1e999", b"-4")]  # fmt: skip
            land(lake, [*of_day, *bad, b"{bad"], partition=len(symbol) % 2, gap=2)


def tick(
    symbol: str, day: date, number: int, source: str, size: int | None = None, day_volume: int | None = None
) -> bytes:
    return encode(
        Tick(
            symbol=symbol,
            event_time=instant(session(day).open_time + timedelta(seconds=20 * number)),
            price=180.0 + number % 17 / 8,
            currency="USD",
            source=source,
            event_id=f"{symbol} {day} {number} {source}",
            size=size,
            day_volume=day_volume,
            conditions=[["@"], None][number % 2],
        )
    )


def daily_bars() -> Iterator[Bar]:
    for source, differs in (("yahoo", 0.0), ("alpha_vantage", 0.25)):
        for number, day in enumerate(DAYS):
            for symbol, close in (("IBM", 180.0), ("AAPL", 70.0)):
                at = close + number % 7 + (differs if day == DAYS[3] else 0.0)
                adjusted = source == "yahoo" and symbol == "AAPL"
                yield Bar(
                    symbol=symbol, interval="1d", trading_day=day, start_time=instant(session(day).open_time),
                    open=at - 0.5, high=at + 1, low=at - 1, close=at, volume=1_000_003 * (number + 1), currency="USD",
                    price_basis="split_adjusted" if adjusted else "as_traded", final=True, source=source,
                    known_at=instant(session(DAYS[-1]).close_time),
                )  # fmt: skip


def minute_bars() -> Iterator[Bar]:
    opened = session(MINUTE_DAY).open_time
    for number in range(90):
        at = 180.0 + number % 11 / 4
        yield Bar(
            symbol="IBM", interval="1m", trading_day=MINUTE_DAY, start_time=instant(opened + timedelta(minutes=number)),
            open=at, high=at + 0.5, low=at - 0.5, close=at, volume=1000 + number, currency="USD",
            price_basis="as_traded", final=True, source="alpha_vantage",
            known_at=instant(session(DAYS[-1]).close_time),
        )  # fmt: skip


def actions() -> Iterator[Action]:
    known_at = instant(session(DAYS[-1]).close_time)
    yield Action(symbol="AAPL", ex_date=SPLIT_DAY, kind="split", value=3.0, source="yahoo", known_at=known_at)
    yield Action(
        symbol="IBM", ex_date=DAYS[10], kind="dividend", value=0.95, currency="USD", source="yahoo", known_at=known_at
    )


def build(settings: Settings) -> None:
    """As the staleness sensor asks for it."""
    first, last = DAYS[0], DAYS[-1]
    result = (
        build_definitions(settings)
        .resolve_job_def("build")
        .execute_in_process(
            run_config=build_config(first, last),
            partition_key=build_partition(last),
            instance=dg.DagsterInstance.ephemeral(),
        )
    )
    assert result.success


def tidy(lake: str) -> None:
    """Compact and vacuum the ticks as the nightly maintenance does, but that it would leave the files of a week."""
    for day in TICK_DAYS:
        compact(lake, RAW_TICKS, day)
    ticks = DeltaTable(f"{lake}/{RAW_TICKS.path}")
    ticks.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


if __name__ == "__main__":
    os.umask(0o022)
    main(Path(sys.argv[1]).resolve())
