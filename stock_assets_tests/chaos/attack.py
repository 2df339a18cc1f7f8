"""A seed -> hundreds of thousands of records of every wrong kind among good ones, and the proof of what became of each.

Services and a lake of its own. Between batches of records there are landings, builds and corrections; some are broken off and
tried again. The last line counts what went wrong, and the status is 0 only if nothing did.

Run: python -m stock_assets_tests.chaos.attack SEED [RECORDS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from stock_assets.local.services import Services
from stock_assets.raw.withdrawal import withdraw
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import create_topics, topics_of
from stock_assets_tests.chaos.expected import SOURCES
from stock_assets_tests.chaos.kinds import batches
from stock_assets_tests.chaos.reckoning import Reckoning, reckon
from stock_assets_tests.chaos.target import Target
from stock_assets_tests.conftest import place

RECORDS = 210_000
BATCHES = 6
SHOWN = 20
ENVIRONMENT = {
    "FIRST_SESSION": "2013-11-25",
    "BAR_SOURCES": ",".join(SOURCES),
    "SNOWFLAKE_SCHEMA": "ATTACK",
}


def attack(settings: Settings, seed: int, records: int, count: int) -> Reckoning:
    """Send the records in so many batches, and reckon; the services run."""
    create_topics(settings.broker, settings.kafka.partitions)
    target = Target(settings, seed)
    for number, made in enumerate(batches(seed, records, count), 1):
        began = time.monotonic()
        target.send(made)
        target.land(fault=number % 2 == 0)
        if number == 1:
            _withdraw_one(target)
        if number in (count // 2, count):
            target.build(fault=number == count // 2)
        print(f"batch {number}: {len(target.sent):,} records sent, {time.monotonic() - began:.0f} s", flush=True)
    found = reckon(target)
    kinds = Counter(record.kind for record in target.sent.values())
    print(f"{len(target.sent):,} records of {len(kinds)} kinds; {target.broken_off} landings and builds broken off")
    for fault in found.faults[:SHOWN]:
        print(fault)
    return found


def _withdraw_one(target: Target) -> None:
    """Somebody takes an accepted record out."""
    at = min(at for at, record in target.sent.items() if at[0] == "ticks" and record.fields is not None)
    stage, partition, offset = at
    topic = topics_of(target.settings.broker)[stage]
    withdraw(target.settings.lake_root, target.settings.broker, topic, partition, offset, "of an attack")
    target.sent[at] = replace(target.sent[at], fields=None, reasons=("withdrawn",))


def main(seed: int, records: int, folder: Path) -> int:
    """An attack on services of its own; the exit status."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        place(patch, folder / "local")
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        settings = Settings.load()
        services = Services(settings, lambda line: print(line, flush=True))
        stack.callback(services.down)
        services.up(["kafka", "spark", "warehouse"])
        found = attack(settings, seed, records, BATCHES)
    print(found)
    return 1 if found.faults else 0


if __name__ == "__main__":
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else RECORDS
    with tempfile.TemporaryDirectory(prefix="stock-assets-attack-") as place_of_attack:
        sys.exit(main(int(sys.argv[1]), wanted, Path(place_of_attack)))
