"""offsets of stored rows -> what is missing, what is twice.

Belongs here: the arithmetic of the completeness equation, for a landing about to be stored and for rows stored long ago.
Does not belong here: where the offsets come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stock_assets.domain.session_index import Int64s

REDRIVE, REBUILD = "redrive-", "rebuild-"
"""Beginnings of the landing ids of rows that may accept again what a landing rejected, or accepted already."""
WITHDRAW = "withdraw-"
"""Beginning of the landing id of a row whose record was accepted and then withdrawn."""
WITHDRAWN = "withdrawn: "
"""Beginning of the reason of such a row."""
GAP = "gap: "
"""Beginning of the reason of a row that accounts for offsets without records."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Coverage:
    """How rows cover a range of offsets, ``first`` included, ``following`` excluded.

    Attributes:
        missing: ranges (first, last) that no row accounts for.
        doubled: ranges (first, last) that more than one row accounts for.
    """

    first: int
    following: int
    missing: tuple[tuple[int, int], ...]
    doubled: tuple[tuple[int, int], ...]

    @property
    def complete(self) -> bool:
        return not self.missing and not self.doubled

    def __str__(self) -> str:
        def listed(ranges: tuple[tuple[int, int], ...]) -> str:
            shown = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in ranges[:5])
            return shown + (f" and {len(ranges) - 5} more ranges" if len(ranges) > 5 else "")

        faults = [
            f"{word} {listed(found)}" for word, found in (("missing", self.missing), ("twice", self.doubled)) if found
        ]
        return f"offsets {self.first} to {self.following - 1}: " + ("; ".join(faults) or "complete")


def cover(offsets: Int64s, spans: Int64s, first: int, following: int) -> Coverage:
    """Compare rows, each accounting for ``span`` offsets from ``offset`` on, with the range they should cover.

    A row of no length (an adopted topic's partition that lost nothing) accounts for none, wherever it stands.
    """
    offsets, spans = offsets[spans > 0], spans[spans > 0]
    order = np.argsort(offsets, kind="stable")
    starts = offsets[order]
    ends = starts + spans[order]
    reached = np.concatenate(([first], np.maximum.accumulate(ends))) if len(ends) else np.array([first])
    following_starts = np.concatenate((starts, [following]))
    holes = np.flatnonzero(following_starts > reached)
    overlaps = np.flatnonzero(starts < reached[:-1])
    beyond = [(following, int(reached[-1]) - 1)] if reached[-1] > following else []
    return Coverage(
        first,
        following,
        missing=tuple((int(reached[i]), int(following_starts[i]) - 1) for i in holes),
        doubled=tuple((int(starts[i]), int(min(ends[i], reached[i])) - 1) for i in overlaps) + tuple(beyond),
    )


def resolved(offsets: Int64s, rejected: Flags, accepted_again: Flags) -> Flags:
    """Which rows say that a record was rejected whose offset was accepted later: they count no more."""
    found: Flags = rejected.copy()
    found[rejected] = np.isin(offsets[rejected], offsets[accepted_again])
    return found
