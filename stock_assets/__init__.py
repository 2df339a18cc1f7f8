"""A stock-market data platform whose numbers can be proved.

``stock_assets.read`` reads its tables; nothing else is imported before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stock_assets.reading.frames import read

__all__ = ["read"]


def __getattr__(name: str) -> Any:
    if name == "read":
        from stock_assets.reading.frames import read

        return read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
