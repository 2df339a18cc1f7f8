"""turns of facts -> one message that a person reads.

Belongs here: the words, and that many turns are one message of bearable length.
Does not belong here: which turns there are (``standing``), sending (``channel``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stock_assets.observability.alerting.standing import Kind, Turn

SHOWN = 20
"""Turns of which a message gives the sentence; of the others it counts the kinds."""
LONGEST_SENTENCE = 500
WORDS: dict[Kind, str] = {"wrong": "WRONG", "still": "STILL WRONG", "well": "well again"}
RUNBOOK = "docs/runbooks.md"


@dataclass(frozen=True)
class Message:
    """What is sent; ``bad`` unless all of it is good news."""

    title: str
    body: str
    bad: bool


def label(name: str, about: str) -> str:
    """A fact as people call it."""
    return f"{name.replace('_', ' ')} {about}".strip()


def message(turns: Sequence[Turn], page: str) -> Message:
    """The turns in one message, in their order.

    Args:
        page: address of the page that shows all facts.
    """
    counts = Counter(turn.kind for turn in turns)
    told = [f"{counts[kind]:,} {word.lower()}" for kind, word in WORDS.items() if counts[kind]]
    if len(turns) == 1:
        told = [f"{WORDS[turns[0].kind].lower()}: {label(turns[0].name, turns[0].about)}"]
    lines = [line for turn in turns[:SHOWN] for line in _lines(turn)]
    left = Counter((turn.kind, turn.name) for turn in turns[SHOWN:])
    if left:
        kinds = ", ".join(
            f"{count:,} x {WORDS[kind].lower()} {label(name, '')}" for (kind, name), count in left.items()
        )
        lines.append(f"And {sum(left.values()):,} more: {kinds}. `stock-assets alerts list` shows them.")
    bad = any(turn.kind != "well" for turn in turns)
    return Message(f"stock_assets: {', '.join(told)}", "\n".join([*lines, "", f"All facts: {page}"]), bad)


def _lines(turn: Turn) -> list[str]:
    seen = f"{datetime.fromtimestamp(turn.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    sentence = turn.sentence if len(turn.sentence) <= LONGEST_SENTENCE else turn.sentence[:LONGEST_SENTENCE] + " ..."
    said = [f"{WORDS[turn.kind]}  {label(turn.name, turn.about)}: {sentence} ({seen})"]
    if turn.kind != "well":
        said += [f"  What to do: {turn.cure}"] * bool(turn.cure)
        said.append(f"  Runbook: {RUNBOOK}#{turn.name}")
    return said
