"""the map of availability -> its picture.

Belongs here: the colours and letters of the verdicts. Does not belong here: which cells there are (``quality_numbers``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stock_assets.dashboard import marks
from stock_assets.dashboard.quality_numbers import Map
from stock_assets.domain.availability import AVAILABILITIES, NO_PROBLEM

if TYPE_CHECKING:
    import plotly.graph_objects as go

LONGEST = 14
"""Letters of a symbol beside the map; all of them are told below the pointer."""


def map_figure(drawn: Map) -> go.Figure:
    """Symbols down, sessions across; a letter in each cell that is not available, besides its colour."""
    import plotly.graph_objects as go

    colours = marks.palette()
    of = {
        "available": colours.up, "corrected": colours.average_200, "partial": colours.warn, "degraded": colours.down,
        "missing": colours.text, "empty": "rgba(128,128,128,.18)",
    }  # fmt: skip
    count = len(AVAILABILITIES)
    scale = [[(place + side) / count, of[name]] for place, name in enumerate(AVAILABILITIES) for side in (0, 1)]
    signs = {name: "" if name in NO_PROBLEM else name[0].upper() for name in AVAILABILITIES}
    figure = go.Figure(
        go.Heatmap(
            x=drawn.days,
            y=list(range(len(drawn.symbols))),
            z=drawn.cells,
            customdata=[
                [marks.text(f"{name} {each}") for each in row]
                for name, row in zip(drawn.symbols, drawn.because, strict=True)
            ],
            text=[["" if each is None else signs[AVAILABILITIES[each]] for each in row] for row in drawn.cells],
            texttemplate="%{text}",
            textfont={"size": 10, "color": colours.ground},
            hovertemplate="%{x}<br>%{customdata}<extra></extra>",
            colorscale=scale,
            zmin=-0.5,
            zmax=count - 0.5,
            xgap=1,
            ygap=1,
            colorbar={
                "tickvals": list(range(count)),
                "ticktext": list(AVAILABILITIES),
                "thickness": 10,
                "orientation": "h",
                "y": 1.0,
                "yanchor": "bottom",
            },
        )
    )
    figure.update_xaxes(type="category", nticks=5, showgrid=False)
    short = [marks.text(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…") for name in drawn.symbols]
    figure.update_yaxes(autorange="reversed", showgrid=False, tickvals=list(range(len(short))), ticktext=short)
    figure.update_layout(height=150 + 18 * max(len(drawn.symbols), 4), margin={"t": 28, "l": 0, "r": 0, "b": 0})
    return figure
