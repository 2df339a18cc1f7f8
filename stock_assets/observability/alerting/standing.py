"""one look after the other at one fact -> what is to be told of it.

Belongs here: the rule by which a fact counts as wrong, as still wrong and as well again. Pure; no clock but the seconds between looks.
Does not belong here: keeping (``store``), words (``message``), sending (``channel``).

The rule is uneven on purpose: a fact is wrong when it was so in two of the last three looks, and well again only after it has
been well for a while, longer each time that it turns. So a hiccup tells nothing, and a fact that flaps is told once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from stock_assets.observability.fact import Fact

Kind = Literal["wrong", "still", "well"]

LOOKS = 3
WRONG_LOOKS = 2
"""A look in which a service was just being restarted is followed by one in which it answers."""
WELL_FOR_S = 45.0
"""Below the 60 s between two looks, so that two of them suffice the first time."""
LONGEST_WELL_FOR_S = 1800.0
TURNS_HALVE_S = 6 * 3600.0
LONGEST_GAP_S = 300.0
"""What two looks far apart count for: of the time between them, nothing is known."""


@dataclass(frozen=True)
class Standing:
    """What is remembered of a fact; spans are in seconds of looks.

    Attributes:
        looks: whether it was wrong in the newest looks, the last one last.
        since: instant of the look, in seconds since 1970, from which on it is as it is.
        lasts_s: for how long it is as it is.
        told: whether it was told that it is wrong, and not yet that it is well.
        told_s: for how long nothing was told of it.
        turns: how often it was told as wrong, less with time.
        sentence, cure: of the newest look in which it was wrong.
    """

    looks: tuple[bool, ...] = ()
    since: float = 0.0
    lasts_s: float = 0.0
    told: bool = False
    told_s: float = 0.0
    turns: float = 0.0
    sentence: str = ""
    cure: str = ""

    @property
    def wrong(self) -> bool:
        """Whether it counts as wrong: enough of the newest looks said so, or that it is well again is not sure yet."""
        return self.told or sum(self.looks) >= WRONG_LOOKS

    @property
    def forgettable(self) -> bool:
        """Whether nothing would be lost with it."""
        return not self.told and not any(self.looks) and self.turns < 0.1


@dataclass(frozen=True)
class Turn:
    """Something to be told of a fact; ``at`` is the instant of the look, in seconds since 1970."""

    name: str
    about: str
    kind: Kind
    at: float
    sentence: str
    cure: str = ""


def follow(
    before: Standing, fact: Fact, at: float, passed_s: float, remind_s: float, tells: bool, sure: bool = False
) -> tuple[Standing, Turn | None]:
    """The standing after another look, and what to tell.

    Args:
        at: instant of the look.
        passed_s: seconds since the look before; what a clock that was set says of them does no harm.
        remind_s: after how long a fact that stays wrong is told again.
        tells: whether there is anybody to tell; if not, all stays to be told.
        sure: whether one look suffices.
    """
    passed = min(max(passed_s, 0.0), LONGEST_GAP_S)
    same = bool(before.looks) and before.looks[-1] == fact.problem
    after = replace(
        before,
        looks=(*before.looks, fact.problem)[-LOOKS:],
        since=before.since if same else at,
        lasts_s=before.lasts_s + passed if same else 0.0,
        told_s=before.told_s + passed,
        turns=before.turns * 0.5 ** (passed / TURNS_HALVE_S),
        sentence=fact.sentence if fact.problem or not before.sentence else before.sentence,
        cure=fact.cure if fact.problem or not before.sentence else before.cure,
    )
    kind = _kind(after, fact, remind_s, sure) if tells else None
    if kind is None:
        return after, None
    turns = after.turns + 1 if kind == "wrong" else after.turns
    after = replace(after, told=kind != "well", told_s=0.0, turns=turns)
    words = (after.sentence, after.cure) if kind != "well" else (fact.sentence, "")
    return after, Turn(fact.name, fact.about, kind, at, *words)


def _kind(after: Standing, fact: Fact, remind_s: float, sure: bool) -> Kind | None:
    if not after.told:
        return "wrong" if fact.problem and (sure or sum(after.looks) >= WRONG_LOOKS) else None
    if fact.problem:
        return "still" if after.told_s >= remind_s else None
    return "well" if after.lasts_s >= well_for_s(after.turns) else None


def well_for_s(turns: float) -> float:
    """For how long a fact must have been well to be told so, after so many turns."""
    return float(min(WELL_FOR_S * 2 ** max(0, round(turns) - 1), LONGEST_WELL_FOR_S))
