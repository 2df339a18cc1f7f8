"""what a session of a stage is built from -> one text to store and to compare.

Belongs here: the form of a fingerprint, the same for every stage.
Does not belong here: collecting inputs (``staleness``, ``quality.state``), versions of rules (``domain.stages``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from stock_assets.domain.stages import rules_of

Fingerprints = dict[date, str]
Inputs = dict[str, Any]
"""What a session is built from, as JSON: numbers, texts, and lists and objects of them."""

FORMAT = 1
GONE = "gone"
"""Fingerprint of a session that was built once, and whose inputs hold no row any more."""


def fingerprints(stage: str, inputs: Mapping[date, Mapping[str, Any]]) -> Fingerprints:
    """Per session the form, the rules of the stage and of those it depends on, and the inputs; equal means up to date.

    A text of another form, or of none, differs from these: a session that has one is built once more.
    """
    rules = rules_of(stage)
    return {
        day: json.dumps({"format": FORMAT, "rules": rules, "inputs": of_session}, sort_keys=True)
        for day, of_session in inputs.items()
    }


def made_by_present_rules(stage: str, built: str | None) -> bool:
    """Whether the rows of a session with this stored fingerprint are known to come from the rules that hold now."""
    if built is None or built == GONE:
        return built == GONE
    try:
        stored = json.loads(built)
    except ValueError:
        return False
    return isinstance(stored, dict) and (stored.get("format"), stored.get("rules")) == (FORMAT, rules_of(stage))
