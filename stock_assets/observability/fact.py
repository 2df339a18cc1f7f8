"""an observation -> a fact that everybody can show.

Belongs here: what a fact is. Whoever tells the state of the platform (``doctor``, ``status``, metrics, alerts, a page) shows
facts and computes none.
Does not belong here: observing (the other modules), and how a fact is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from stock_assets.domain.errors import StockAssetsError


@dataclass(frozen=True)
class Fact:
    """One thing that is known of the platform.

    Attributes:
        name: which fact it is; the same for every subject, fit for the name of a metric.
        about: its subject: a service, topic, stage, job, sensor, folder; empty for the platform as a whole.
        problem: whether somebody must act.
        sentence: what was seen, with its cause.
        cure: the command to run, the setting to mend or the page to open; may also be a hint beside something in order.
        value: the fact as a number, where it is one.
        unit: of the value: ``records``, ``seconds``, ``sessions``, ``rows``, ``runs``, ``bytes``.
    """

    name: str
    about: str
    problem: bool
    sentence: str
    cure: str = ""
    value: float | None = None
    unit: str = ""


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``45 s``, ``12 min``, ``3 h``, ``2 days``."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def command_in(sentence: str) -> str:
    """The command that an error's sentence ends with (``... run: stock-assets ...``); empty when it names none."""
    _, found, command = sentence.rpartition("run: stock-assets ")
    return f"stock-assets {command.strip()}" if found else ""


def in_one_line(error: Exception) -> str:
    """An error raised on purpose in its own words; of another one its name and the first line."""
    text = str(error).strip()
    return text if isinstance(error, StockAssetsError) else f"{type(error).__name__}: {(text.splitlines() or [''])[0]}"
