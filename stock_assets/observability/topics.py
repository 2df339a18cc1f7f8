"""topics, raw tables -> facts about what waits to be landed.

Belongs here: how much of each topic waits, for how long, and whether it should have been landed by now.
Does not belong here: who lands it, and why a run of theirs failed (``runs``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from stock_assets.landing.waiting import Waiting, waiting
from stock_assets.observability.fact import Fact, command_in, duration
from stock_assets.settings.platform import Settings
from stock_assets.topic.oldest import oldest_stored_at

RECORDS, OLDEST = "records_waiting", "oldest_record_waiting"
SLACK_S = 60.0
"""What a landing may take beyond the pacing: the sensor's next look, the start of a run, the commit, and a retry."""


def waiting_since(settings: Settings) -> dict[str, tuple[Waiting, float | None]]:
    """What waits of each topic, by its stage, and for how many seconds the oldest record has; None when that is not known.

    Raises:
        ServiceUnavailable: broker or store do not answer.
        PermanentError: one of them refuses us.
    """
    found: dict[str, tuple[Waiting, float | None]] = {}
    for stage, each in waiting(settings.lake_root, settings.broker).items():
        first = {partition: each.first[partition] for partition, records in each.records.items() if records}
        since = oldest_stored_at(settings.broker, each.topic, first) if first else None
        found[stage] = each, (datetime.now(UTC) - since).total_seconds() if since is not None else None
    return found


def topic_facts(
    stage: str, each: Waiting, age_s: float | None, longest_delay_s: float, draining: bool = False
) -> Iterator[Fact]:
    """Per partition of a topic how many records wait, and for how long the oldest of them does.

    Args:
        longest_delay_s: for how long the pacing may let records wait.
        draining: whether a drain is at work; records that it is late for are late all the same.
    """
    for partition, records in sorted(each.records.items()):
        text = f"{records:,} records wait" if records else "everything is landed"
        yield Fact(RECORDS, f"{each.topic.name}/{partition}", False, text, "", records, "records")
    if each.stopped:
        command = command_in(each.stopped)
        cure = f"`{command}`" if command else "Mend that; `stock-assets land` says whether it goes on then."
        yield Fact(OLDEST, stage, True, each.stopped, cure)
    elif not each.total:
        if each.records:
            yield Fact(OLDEST, stage, False, "everything is landed", "", 0.0, "seconds")
        else:
            yield Fact(OLDEST, stage, False, f"there is no topic {each.topic.name} yet")
    elif age_s is None:
        text = f"{each.total:,} records wait; since when is not known, as the topic keeps their own times"
        yield Fact(OLDEST, stage, False, text)
    else:
        late = age_s > longest_delay_s + SLACK_S
        text = f"{each.total:,} records wait, the oldest for {duration(age_s)}"
        text += f", though records should not wait for more than {duration(longest_delay_s)}" if late else ""
        cure = "`stock-assets land` lands them now, or says what keeps it from it."
        cure = "A drain is at work: look again soon." if draining else cure
        yield Fact(OLDEST, stage, late, text, cure if late else "", age_s, "seconds")
