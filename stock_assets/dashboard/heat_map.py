"""cards -> a map of sectors: each symbol as large as what was traded of it, coloured by its change.

Belongs here: dividing an area, and its HTML. Plotly's treemap keeps a browser busy for seconds with 500 symbols.
Does not belong here: which cards (``market``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import quote

from stock_assets.dashboard import marks
from stock_assets.dashboard.market_numbers import Card

WIDEST_PERCENT = 4.0
"""Change at which colours end."""
STRONGEST = 60
"""Percent of a colour at its end: text is readable on it."""
LABELLED = 0.055, 0.06
"""Shares of the map's width and height from which a symbol's name has room."""
SHAPE = 2.0
"""Width of the map by its height."""


class Box(NamedTuple):
    """A part of an area."""

    left: float
    top: float
    width: float
    height: float

    def style(self, of: Box) -> str:
        """Where it stands in another box."""
        across = (("left", self.left - of.left), ("width", self.width))
        down = (("top", self.top - of.top), ("height", self.height))
        shares = [(name, value / of.width) for name, value in across] + [
            (name, value / of.height) for name, value in down
        ]
        return ";".join(f"{name}:{100 * share:.3f}%" for name, share in shares)


def divided(worth: Sequence[float], area: Box) -> list[Box]:
    """Boxes that fill the area, each by its share; by halves across the longer side, so that none is a thread. All are worth something."""
    if len(worth) < 2:
        return [area] * len(worth)
    whole = sum(worth)
    at, before = min(enumerate(accumulate(worth[:-1]), start=1), key=lambda each: abs(each[1] - whole / 2))
    share = before / whole
    left, top, width, height = area
    if width > height:
        first, second = (
            Box(left, top, width * share, height),
            Box(left + width * share, top, width * (1 - share), height),
        )
    else:
        first, second = (
            Box(left, top, width, height * share),
            Box(left, top + height * share, width, height * (1 - share)),
        )
    return divided(worth[:at], first) + divided(worth[at:], second)


def heat_map(cards: Sequence[Card]) -> str:
    """The map; each symbol leads to its page."""
    worth = {card.symbol: max(card.close * (card.volume or 0.0), 1.0) for card in cards}
    of_sector: dict[str, list[Card]] = defaultdict(list)
    for card in sorted(cards, key=lambda each: -worth[each.symbol]):
        of_sector[card.sector].append(card)
    sums = {name: sum(worth[card.symbol] for card in own) for name, own in of_sector.items()}
    ordered = sorted(of_sector, key=lambda name: -sums[name])
    whole = Box(0.0, 0.0, SHAPE, 1.0)
    parts = []
    for name, area in zip(ordered, divided([sums[name] for name in ordered], whole), strict=True):
        own = of_sector[name]
        places = divided([worth[card.symbol] for card in own], area)
        tiles = "".join(_tile(card, place, area) for card, place in zip(own, places, strict=True))
        parts.append(f'<div style="{area.style(whole)}"><b>{marks.text(name)}</b><div>{tiles}</div></div>')
    return f'<div class="sa-map">{"".join(parts)}</div>'


def _tile(card: Card, place: Box, area: Box) -> str:
    colours, change = marks.palette(), card.change or 0.0
    strength = STRONGEST * min(abs(change) / WIDEST_PERCENT, 1)
    colour = f"color-mix(in srgb, {colours.down if change < 0 else colours.up} {strength:.0f}%, {colours.ground})"
    moved = "–" if card.change is None else marks.signed(card.change, unit=" %")
    room = place.width > LABELLED[0] * SHAPE and place.height > LABELLED[1]
    return (
        f'<a href="symbol?symbol={quote(card.symbol, safe="")}" target="_self" title="{marks.text(f"{card.symbol} {card.name} {moved}")}" '
        f'style="{place.style(area)};background:{colour}">{f"{marks.text(card.symbol)}<br>{moved}" * room}</a>'
    )
