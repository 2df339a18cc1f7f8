"""names and texts -> settings of what is computed and shown while the market moves.

Belongs here: the stream of windows. Does not belong here: publishers (``vendors``), landing (``landing``).
"""

from __future__ import annotations

from stock_assets.settings.owner import Owner, setting


class LiveSettings(Owner):
    """The stream of windows, and what moves when no vendor does."""

    stream: bool = setting("STREAM", True, "`false`: no windows are computed while ticks come in", shown="`true`")
    live_demo: bool = setting(
        "LIVE_DEMO",
        True,
        "`false`: no fictional market of symbols `SIM0`, `SIM1`, ... runs beside the embedded broker; one that `PUBLISHERS` "
        "names replaces it",
        shown="`true`",
    )
    window_trigger_s: float = setting(
        "WINDOW_TRIGGER_S", 60.0, "seconds between two micro-batches of the stream that computes windows", ge=1
    )
