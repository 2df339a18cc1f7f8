"""a collector, alerts and a channel with one clock -> what was told.

Belongs here: a platform whose facts, clock and channel a test decides. Does not belong here: any rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stock_assets.observability.alerting.message import Message
from stock_assets.observability.alerting.sender import Sender
from stock_assets.observability.alerting.standing import Turn
from stock_assets.observability.alerting.store import Store
from stock_assets.observability.alerting.watch import Watch
from stock_assets.observability.fact import Fact
from stock_assets.observability.kept import Kept
from stock_assets.observability.observation import Observation

EVERY_S = 60.0
REMIND_S = 6 * 3600.0


@dataclass
class Clock:
    """A clock for all: ``now`` may be set back, ``monotonic`` not."""

    now: float = 1_000_000.0
    monotonic: float = 50.0

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds


class Platform:
    """A collector, alerts and a channel, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Clock()
        self.away = False
        self.tells = True
        self.taken: list[Message] = []
        self.turns: list[Turn] = []
        self.kept = Kept(folder / "facts.db")
        self.restart()

    def restart(self) -> None:
        """Alerts alone begin again."""
        self.store = Store(self.folder / "alerts.db")
        clock = self.clock
        self.watch = Watch(self.folder / "facts.db", self.store, EVERY_S, lambda: clock.monotonic, lambda: clock.now)
        self.sender = Sender(self.store, "http://page", self._take, lambda: clock.monotonic, lambda: clock.now)

    def look(self, *facts: Fact, after_s: float = EVERY_S) -> None:
        """The collector looks, then alerts do."""
        self.clock.pass_s(after_s)
        self.kept.keep(Observation(self.clock.now, 2.0, list(facts)))
        self.work()

    def work(self) -> None:
        self.watch.look(REMIND_S, self.tells)
        self.sender.work()

    def _take(self, sent: Message) -> str:
        if self.away:
            return "the channel (JSON) did not take the message: it does not answer"
        self.taken.append(sent)
        self.turns += [turn for _, turn in self.store.queued()]
        return ""

    def told(self) -> list[tuple[str, str]]:
        return [(turn.kind, turn.about) for turn in self.turns]
