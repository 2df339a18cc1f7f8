"""states and texts -> HTML that is safe, and colours that everybody can tell apart.

Belongs here: escaping, badges, tiles, tables, the palette. Every text that comes from data goes through here.
Does not belong here: which text there is (the pages).

Colours are those of Okabe and Ito, which colour-blind people tell apart; each state also has a sign of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import streamlit as st


class Palette(NamedTuple):
    """Colours on one background."""

    up: str
    down: str
    accent: str
    average_50: str
    average_200: str
    muted: str
    warn: str
    ground: str
    text: str


LIGHT = Palette("#0072B2", "#D55E00", "#0072B2", "#B0508A", "#00805E", "#7A8594", "#A06A00", "#FFFFFF", "#1B2430")
DARK = Palette("#56B4E9", "#F0883E", "#56B4E9", "#E39AC4", "#2BC59A", "#8C98A8", "#E6B840", "#10151C", "#E6EBF2")

SIGNS = {
    "current": "●", "partial": "◐", "stale": "▲", "withheld": "■", "degraded": "■", "empty": "○", "missing": "✕",
    "corrected": "↻", "closed": "☾", "open": "☀", "paused": "‖", "failed": "✕", "available": "●",
    "live": "●", "delayed": "◔", "silent": "✕", "waiting": "○",
}  # fmt: skip
"""What each state looks like without colour."""
TONES = {
    "current": "up", "available": "up", "open": "up", "corrected": "accent", "partial": "warn", "stale": "warn",
    "withheld": "down", "degraded": "down", "missing": "down", "failed": "down", "live": "up", "delayed": "warn", "silent": "down",
}  # fmt: skip


_RIGHT, _DAY_CLASS = ' class="sa-number"', ' class="sa-day"'
_FIGURE = re.compile(r"–|[+−-]?[\d,.]+( ?(%|MB|GB|h|min|s|days))?|")
_DAY = re.compile(r"\d{4}-\d\d-\d\d( [\d:]+)?")
CHART = {"displaylogo": False, "modeBarButtons": [["toImage"]]}
"""What every chart of Plotly's offers: a picture of itself."""


def palette() -> Palette:
    """The colours for the visitor's background."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def text(value: object) -> str:
    """Any value as text that is no HTML."""
    return escape(str(value), quote=True)


def badge(state: str, words: str) -> str:
    """A state with its sign, and a few words."""
    tone = TONES.get(state, "muted")
    return (
        f'<span class="sa-badge sa-{tone}"><span aria-hidden="true">{SIGNS.get(state, "○")}</span> {text(words)}</span>'
    )


def tile(label: str, value: str, below: str = "", tone: str = "") -> str:
    """A number with its label."""
    mark = f' class="sa-{tone}"' if tone else ""
    under = f"<small{mark}>{text(below)}</small>" if below else ""
    return f'<div class="sa-tile"><span>{text(label)}</span><b>{text(value)}</b>{under}</div>'


def tiles(each: Iterable[str]) -> str:
    """Tiles side by side, as many as there is room for."""
    return f'<div class="sa-tiles">{"".join(each)}</div>'


def table(names: Sequence[str], rows: Iterable[Sequence[object]], label: str) -> str:
    """A table; figures, and the heads of their columns, to the right. A cell may be a ``Mark``."""
    cells = [list(row) for row in rows]
    right = [bool(cells) and all(_is_figure(row[place]) for row in cells) for place in range(len(names))]
    head = "".join(
        f'<th scope="col"{_RIGHT * figures}>{text(name)}</th>' for name, figures in zip(names, right, strict=True)
    )
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in cells)
    return (
        f'<div class="sa-scroll" tabindex="0" role="region" aria-label="{text(label)}"><table class="sa-table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class Mark(NamedTuple):
    """A cell that is a badge."""

    state: str
    words: str


def _cell(value: object) -> str:
    if isinstance(value, Mark):
        return f"<td>{badge(*value)}</td>"
    day = isinstance(value, str) and _DAY.fullmatch(value) is not None
    kind = _DAY_CLASS if day else _RIGHT * _is_figure(value)
    return f"<td{kind}>{text(value)}</td>"


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and _FIGURE.fullmatch(value) is not None)


def styles() -> str:
    """The style sheet of all pages, in the visitor's colours."""
    colours = palette()
    tones = "".join(f".sa-{name}{{color:{value}}}" for name, value in colours._asdict().items())
    return f"""<style>
    {tones}
    .sa-badge {{white-space:nowrap; font-weight:600; font-size:.86rem}}
    .sa-line {{display:flex; flex-wrap:wrap; gap:.35rem 1.1rem; align-items:baseline; font-size:.9rem}}
    .sa-line span.sa-quiet, .sa-quiet {{opacity:.72}}
    .sa-tiles {{display:grid; grid-template-columns:repeat(auto-fit,minmax(8.6rem,1fr)); gap:.6rem}}
    .sa-tile {{background:color-mix(in srgb, {colours.text} 5%, transparent); border-radius:.6rem; padding:.6rem .8rem;
        display:flex; flex-direction:column; min-width:0}}
    .sa-tile span {{font-size:.78rem; opacity:.75}}
    .sa-tile b {{font-size:1.3rem; font-variant-numeric:tabular-nums; overflow-wrap:anywhere}}
    .sa-tile small {{font-size:.78rem}}
    .sa-scroll {{overflow-x:auto; max-width:100%}}
    .sa-table {{border-collapse:collapse; width:100%; font-size:.86rem}}
    .sa-table th {{text-align:left; font-weight:600; opacity:.75; white-space:nowrap}}
    .sa-table th, .sa-table td {{padding:.32rem .7rem .32rem 0; vertical-align:top;
        border-bottom:1px solid color-mix(in srgb, {colours.text} 12%, transparent)}}
    .sa-table td {{overflow-wrap:anywhere; min-width:5.5rem}} .sa-table td.sa-number, .sa-table td.sa-day {{min-width:0}}
    .sa-day {{white-space:nowrap; font-variant-numeric:tabular-nums}}
    .sa-table td:has(.sa-badge) {{min-width:5rem}} .sa-table .sa-badge {{white-space:normal}}
    .sa-table td.sa-number {{overflow-wrap:normal}} .sa-table th.sa-number {{text-align:right}} .sa-number {{text-align:right; font-variant-numeric:tabular-nums; white-space:nowrap}}
    .sa-said {{border-left:.25rem solid {colours.muted}; padding:.5rem .9rem; border-radius:.2rem;
        background:color-mix(in srgb, {colours.text} 5%, transparent)}}
    .sa-title {{font-size:1.55rem; font-weight:700; line-height:1.2; overflow-wrap:anywhere}}
    .sa-map {{position:relative; width:100%; aspect-ratio:2}}
    .sa-map > div, .sa-map a {{position:absolute; overflow:hidden; border:1px solid {colours.ground}}}
    .sa-map b {{position:absolute; inset:0 0 auto; height:1.1rem; font-size:.72rem; white-space:nowrap}}
    .sa-map > div > div {{position:absolute; inset:1.1rem 0 0}}
    .sa-map a {{color:{colours.text}; text-decoration:none; font-size:.66rem; line-height:1.15; padding:.1rem .15rem; white-space:nowrap}}
    .sa-map a:hover, .sa-map a:focus {{outline:2px solid {colours.accent}; outline-offset:-2px}}
    .sa-profile div {{display:flex; gap:.6rem; align-items:center; height:.95rem; font-size:.7rem}}
    .sa-profile span {{flex:0 0 4.2rem; text-align:right; opacity:.75; font-variant-numeric:tabular-nums}}
    .sa-profile i {{background:{colours.accent}; height:.7rem; min-width:1px}} .sa-profile div:hover {{outline:1px solid {colours.muted}}}
    .block-container, [data-testid="stMainBlockContainer"] {{padding-top:4.2rem; padding-bottom:2rem; max-width:90rem}}
    @media (max-width: 640px) {{
        .sa-line .sa-badge {{white-space:normal}}
        [data-testid="stMainBlockContainer"] {{padding-left:.9rem; padding-right:.9rem}}
        .sa-tiles {{grid-template-columns:repeat(2,minmax(0,1fr))}}
        .sa-tile b {{font-size:1.1rem}}
    }}
    </style>"""


def say(sentence: str, state: str = "empty") -> None:
    """One sentence instead of what cannot be shown."""
    st.html(f'<p class="sa-said" role="status">{badge(state, "")} {text(sentence)}</p>')


def signed(value: float, digits: int = 2, unit: str = "") -> str:
    """A change, always with its sign; a proper minus, which lines up with the plus."""
    shown = f"{abs(value):,.{digits}f}{unit}"
    return f"−{shown}" if value < 0 else f"+{shown}"
