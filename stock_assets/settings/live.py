"""names and texts -> settings of what is computed and shown while the market moves.

Belongs here: the stream of windows. Does not belong here: publishers (``vendors``), landing (``landing``).
"""

from __future__ import annotations

from stock_assets.settings.owner import Owner, setting


class LiveSettings(Owner):
    """The stream of windows."""

    stream: bool = setting("STREAM", True, "`false`: no windows are computed while ticks come in", shown="`true`")
    window_trigger_s: float = setting(
        "WINDOW_TRIGGER_S", 60.0, "seconds between two micro-batches of the stream that computes windows", ge=1
    )
