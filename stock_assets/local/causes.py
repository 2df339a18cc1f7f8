"""what a program printed when it failed -> the first line of its cause.

Belongs here: finding the line a reader wants in traces of Java and Python. Does not belong here: running programs.
"""

from __future__ import annotations

import re

LONGEST = 300
_CAUSE = re.compile(r"^\s*Caused by: (.+)$", re.MULTILINE)
_THROWN = re.compile(
    r"^(?:Exception in thread \S+ |.*?\s)?((?:[a-z_][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error)\b.*)$", re.MULTILINE
)
_RAISED = re.compile(r"^((?:[\w]+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Unavailable)\b.*)$", re.MULTILINE)
_FRAME = re.compile(r"^\s+at |^\s*\.\.\. \d+ more|^\s*$")


def first_cause(output: str) -> str:
    """The innermost cause of a Java trace, the last error of a Python one, else the last line that says something."""
    # an earlier start, told in the same log, is over
    newest = output[-64_000:]
    for pattern in (_CAUSE, _RAISED, _THROWN):
        if found := pattern.findall(newest):
            return str(found[-1]).strip()[:LONGEST]
    lines = [line.strip() for line in newest.splitlines() if not _FRAME.match(line)]
    return lines[-1][:LONGEST] if lines else "it said nothing"
