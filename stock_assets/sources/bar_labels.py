"""a vendor's labels of minute bars -> the START of each, proved by the opening volume.

Belongs here: which end of its minute a label means, and finding out from the data.
Does not belong here: any one vendor.

The opening auction makes the regular session's first minute far heavier than those beside it: it stands at 09:30 when
labels mean the START of a bar, and at 09:31 when they mean its END.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from statistics import median

from stock_assets.domain.errors import WrongSetting
from stock_assets.settings.vendors import BarLabels

MINUTE = timedelta(minutes=1)
AT_OPEN, AFTER_OPEN, LAST = time(9, 30), time(9, 31), time(16, 0)
FEWEST_MINUTES = 30
"""Regular minutes of a session without which nothing is concluded from it."""
FAR_HEAVIER = 3
"""Times an ordinary minute that the opening minute holds at least (recorded sessions of ten symbols: 3 to 300)."""
HEAVIER_THAN_NEXT = 2
HEAVIER_THAN_PREVIOUS = 10
"""Times the minute after it (recorded: 2.8 to 60), and times the last one before the open (recorded: 26 to 500)."""

log = logging.getLogger(__name__)


def start_of(label: datetime, labels: BarLabels) -> datetime:
    """The START of the minute that ``label`` stands for."""
    return label if labels == "start" else label - MINUTE


def opening_votes(volumes: Mapping[datetime, float]) -> Counter[BarLabels]:
    """What each session says of the labels; ``volumes`` by label, in exchange-local time.

    A session without trades enough, or with an odd opening, says nothing.
    """
    sessions: defaultdict[date, dict[time, float]] = defaultdict(dict)
    for label, volume in volumes.items():
        sessions[label.date()][label.time()] = volume
    votes: Counter[BarLabels] = Counter()
    for minutes in sessions.values():
        ordinary = [volume for label, volume in minutes.items() if AFTER_OPEN < label < LAST]
        if len(ordinary) < FEWEST_MINUTES:
            continue
        heavy = FAR_HEAVIER * max(1.0, median(ordinary))
        at, after = minutes.get(AT_OPEN, 0), minutes.get(AFTER_OPEN, 0)
        if at >= heavy and at >= HEAVIER_THAN_NEXT * after:
            votes["start"] += 1
        elif after >= heavy and after >= HEAVIER_THAN_PREVIOUS * at:
            votes["end"] += 1
    return votes


def check_labels(symbol: str, volumes: Mapping[datetime, float], labels: BarLabels, setting: str) -> None:
    """Compare the setting with what the sessions say; when these disagree among each other, only warn.

    Raises:
        WrongSetting: more sessions contradict the setting than bear it out.
    """
    other: BarLabels = "end" if labels == "start" else "start"
    votes = opening_votes(volumes)
    stands = {"start": "09:30", "end": "09:31"}[other]
    if votes[other] > votes[labels]:
        raise WrongSetting(
            f"{setting} is {labels}, but the opening volume of {symbol} stands at {stands} in {votes[other]} of "
            f"{votes.total()} sessions: set {setting}={other}"
        )
    if votes[other]:
        log.warning(
            "%s: the opening volume stands at %s in %d of %d sessions", symbol, stands, votes[other], votes.total()
        )
