"""the platform -> observations, one after the other, in the file that pages read.

Belongs here: when to look, what besides the facts is looked at, and what need not be looked at again because its table has not
changed.
Does not belong here: the facts (``facts``), storing (``kept``), showing.

Looking costs: it takes at most a tenth of a processor, so that a large lake is looked at less often, and a warehouse that is paid
for by the minute is not asked. The first look, which also imports, is no measure.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from stock_assets.domain.errors import StockAssetsError
from stock_assets.domain.quality_tables import AVAILABILITY, QUALITY_TABLES
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TABLES
from stock_assets.lake.tables import table_version
from stock_assets.local.services import Services
from stock_assets.observability.facts import facts
from stock_assets.observability.held import count_duplicates, counted_words, held
from stock_assets.observability.kept import Kept, file_of
from stock_assets.observability.observation import Equation, Held, Observation, RunSeen, ServiceSeen
from stock_assets.observability.publishing import publishers
from stock_assets.raw.completeness import prove
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import Topic, topics_of

log = logging.getLogger(__name__)
TABLES = (*RAW_TABLES.values(), MINUTE_BARS, DAILY_BARS, *QUALITY_TABLES, DAILY_METRICS)
PAUSE_FACTOR = 9.0
Answer = TypeVar("Answer")


class Collector:
    """Looks again and again; of what a table tells, only when the table has another version."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept = Kept(file_of(settings))
        self._told: dict[str, tuple[object, object]] = {}

    def collect(self) -> Observation:
        """Look once, keep what was found, and return it. What cannot be asked is told by the facts, and left out of the rest."""
        settings, at, began = self._settings.now(), time.time(), time.monotonic()
        found = facts(settings, wake=False)
        seen = Observation(
            at=at,
            seconds=0.0,
            facts=found,
            services=self._part("services", lambda: list(_services(settings))),
            held=self._part("tables", lambda: list(self._held(settings))),
            equations=self._part("completeness", lambda: list(self._equations(settings))),
            runs=self._part("runs", lambda: _runs(settings, self._kept)),
            publishers=self._part("publishers", lambda: publishers(settings)),
            availability=dict(self._part("availability", lambda: self._words(settings))),
            duplicates=next(iter(self._part("duplicates", lambda: [self._duplicates(settings)])), None),
        )
        seen = Observation(**{**vars(seen), "seconds": time.monotonic() - began})
        self._kept.keep(seen)
        return seen

    def run(self, wait: Callable[[float], object] = time.sleep) -> None:
        """Collect until ended; a look that fails is logged, and the next one comes."""
        first = True
        while True:
            began, spent = time.monotonic(), time.process_time()
            try:
                self.collect()
            except Exception:
                log.exception("This look failed; the next one comes.")
            pause = 0.0 if first else PAUSE_FACTOR * (time.process_time() - spent)
            first = False
            wait(max(self._settings.now().dashboard.collect_every_s - (time.monotonic() - began), pause, 1.0))

    def _part(self, name: str, look: Callable[[], list[Answer]]) -> list[Answer]:
        try:
            return look()
        except StockAssetsError as away:
            log.warning("%s cannot be told: %s", name, away)
            return []

    def _held(self, settings: Settings) -> Iterator[Held]:
        for table in TABLES:
            yield self._once(settings, table, "held", partial(held, settings, table))

    def _equations(self, settings: Settings) -> Iterator[Equation]:
        for topic in topics_of(settings.broker).values():
            yield from self._once(settings, topic.table, "equations", partial(_equations, settings, topic))

    def _words(self, settings: Settings) -> list[tuple[str, int]]:
        return self._once(settings, AVAILABILITY, "words", partial(counted_words, settings))

    def _duplicates(self, settings: Settings) -> int:
        return self._once(settings, DAILY_BARS, "duplicates", partial(count_duplicates, settings))

    def _once(self, settings: Settings, table: Table, what: str, look: Callable[[], Answer]) -> Answer:
        """What was found for this version of the table."""
        version = (settings.lake_root, table_version(settings.lake_root, table))
        known = self._told.get(f"{what} {table.path}")
        if known is None or known[0] != version:
            known = version, look()
            self._told[f"{what} {table.path}"] = known
        return known[1]  # type: ignore[return-value]


def _equations(settings: Settings, topic: Topic) -> list[Equation]:
    found = []
    for proof in prove(settings.lake_root, topic):
        wrong = "" if proof.holds else str(proof)
        found.append(
            Equation(proof.topic, proof.partition, proof.offsets, proof.accepted, proof.rejected, proof.gaps, wrong)
        )
    return found


def _runs(settings: Settings, kept: Kept) -> list[RunSeen]:
    from stock_assets.observability.history import recent_runs

    return recent_runs(settings, kept.known_runs())


def _services(settings: Settings) -> Iterable[ServiceSeen]:
    if settings.local.container:
        return  # nobody here knows more of them than that they answer, which the facts tell
    memory = memory_by_service(settings.local_dir)
    for each in Services(settings).status():
        held = memory.get(each.name) if each.pid else None
        yield ServiceSeen(each.name, each.state, each.pid, each.address, each.uptime_s, held)


def memory_by_service(local_dir: Path, processes: Path = Path("/proc")) -> dict[str, int]:
    """Bytes of memory that the processes of each service of ``local_dir`` hold, children included; empty where none can be told."""
    place, mark = f"STOCK_ASSETS_LOCAL={local_dir}", "STOCK_ASSETS_SERVICE="
    found: dict[str, int] = {}
    for entry in processes.glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it ended meanwhile, or belongs to someone else
            variables = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
            name = next((each.removeprefix(mark) for each in variables if each.startswith(mark)), "")
            if name and place in variables:
                pages = int((entry / "statm").read_text().split()[1])
                found[name] = found.get(name, 0) + pages * 4096
    return found
