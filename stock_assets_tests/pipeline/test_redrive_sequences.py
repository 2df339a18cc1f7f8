"""Whatever sequence of landings, changed rules, redrives, compactions and crashes: no record lost, none double."""

from collections import Counter
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import deltalake
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.domain.errors import LandingConflict
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.landing.plan import next_offset
from stock_assets.landing.prepare import Limits
from stock_assets.raw.compaction import compact
from stock_assets.raw.redrive import redrive
from stock_assets.topic.topics import TICKS
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    NEXT_DAY,
    TOPIC_ID,
    Payload,
    accepted,
    decoder,
    holds,
    in_quarantine,
    land,
    opened,
    row_counts,
    tick,
)

write = deltalake.write_deltalake

records = st.sampled_from(["good", "good next day", "strict", "strict next day", "bad", "tombstone"])
steps = st.one_of(
    st.tuples(st.just("land"), st.integers(0, 1), st.lists(records, max_size=4), st.integers(0, 1)),
    st.tuples(st.just("rules"), st.booleans()),
    st.tuples(st.just("redrive"), st.integers(1, 5), st.sampled_from(["no", "before", "after"])),
    st.tuples(st.just("compact"), st.sampled_from([DAY, NEXT_DAY, None]), st.sampled_from(["no", "before", "after"])),
)


def payload_of(kind: str, number: int) -> Payload:
    day = NEXT_DAY if kind.endswith("next day") else DAY
    if kind == "tombstone":
        return None
    if kind == "bad":
        return b"{bad %d" % number
    return tick(number, day, "STRICT" if kind.startswith("strict") else "IBM")


def crash(when: str, of: Callable[..., None]) -> Callable[..., None]:
    """A commit that dies before it is stored, or whose answer is lost."""

    def committing(*args: Any, **kwargs: Any) -> None:
        if when != "before":
            of(*args, **kwargs)
        if when != "no":
            raise OSError("crashed")

    return committing


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, min_size=2, max_size=9))
def test_no_sequence_of_events_loses_or_doubles_a_record(sequence: list[tuple[Any, ...]]) -> None:
    published: dict[tuple[int, int], Payload] = {}
    ends = {0: 0, 1: 0}
    strict, number = True, 0
    with TemporaryDirectory() as folder:
        lake = f"{folder}/lake"
        for step in sequence:
            before = row_counts(lake) if any(ends.values()) else Counter()
            with pytest.MonkeyPatch.context() as patch:
                if step[0] == "land":
                    _, partition, kinds, gap = step
                    values = [payload_of(kind, number + n) for n, kind in enumerate(kinds)]
                    if not values and not gap:
                        continue
                    land(lake, values, partition, strict=strict, gap=gap)
                    published |= {(partition, ends[partition] + n): value for n, value in enumerate(values)}
                    number += len(values)
                    ends[partition] += len(values) + gap
                elif step[0] == "rules":
                    strict = step[1]
                elif step[0] == "redrive":
                    patch.setattr(deltalake, "write_deltalake", crash(step[2], write))
                    try:
                        list(redrive(lake, TICKS, limits=Limits(max_rows=step[1]), decoder=decoder(strict)))
                    except LandingConflict:
                        assert step[2] == "before"
                else:
                    patch.setattr(
                        DeltaTable, "create_write_transaction", crash(step[2], DeltaTable.create_write_transaction)
                    )
                    compact(lake, RAW_TICKS, step[1])
            if not any(ends.values()):
                continue
            after = row_counts(lake)
            assert after == before if step[0] in ("compact", "rules") else after >= before
            assert holds(lake)
            assert [next_offset(opened(lake), TOPIC_ID, p) for p in (0, 1)] == [ends[0], ends[1]]
            taken = accepted(lake)
            assert set(taken.values()) <= {1}
            left = in_quarantine(lake)
            assert set(left.values()) <= {1}
            assert {(p, offset) for _, p, offset in taken} | {(p, offset) for _, p, offset, _ in left} == set(published)
            assert all(payload == published[p, offset] for _, p, offset, payload in left)
            assert len(taken) + len(left) == len(published)
