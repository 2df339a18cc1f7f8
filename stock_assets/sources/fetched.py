"""a vendor's answer -> what could be taken of it.

Belongs here: the one shape in which every source hands over history.
Does not belong here: how a vendor is asked (its own module).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stock_assets.domain.messages import Message


@dataclass
class Fetched:
    """History of one symbol; ``refused`` says which rows could not be taken, and why."""

    messages: list[Message] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
