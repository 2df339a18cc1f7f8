"""The map of sectors: boxes that fill an area, each by its share."""

from __future__ import annotations

from itertools import combinations
from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from stock_assets.dashboard.heat_map import Box, divided

AREA = Box(1.0, 2.0, 6.0, 3.0)


@given(st.lists(st.floats(1, 1e12), max_size=40).map(lambda each: sorted(each, reverse=True)))
def test_boxes_have_their_shares_stay_inside_and_do_not_overlap(worth: list[float]) -> None:
    boxes = divided(worth, AREA)
    assert len(boxes) == len(worth)
    for value, box in zip(worth, boxes, strict=True):
        assert isclose(box.width * box.height, 18 * value / sum(worth), rel_tol=1e-6, abs_tol=1e-9)
        assert box.left >= 1 - 1e-9 and box.left + box.width <= 7 + 1e-9
        assert box.top >= 2 - 1e-9 and box.top + box.height <= 5 + 1e-9
    for one, other in combinations(boxes, 2):
        across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
        down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
        assert across < 1e-9 or down < 1e-9


def test_five_hundred_equal_ones_are_no_threads() -> None:
    assert all(1 / 4 <= box.width / box.height <= 4 for box in divided([1.0] * 500, AREA))


def test_a_place_is_told_in_shares_of_its_area() -> None:
    assert Box(4.0, 2.0, 3.0, 1.5).style(AREA) == "left:50.000%;width:50.000%;top:0.000%;height:50.000%"
