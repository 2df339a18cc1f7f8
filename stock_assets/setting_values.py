"""names and texts -> typed values.

Belongs here: reading one value, its default when it is not set, and what is said when it cannot be read.
Does not belong here: which names there are (``settings``, ``vendor_settings``), and the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stock_assets.domain.errors import PermanentError


@dataclass(frozen=True)
class Values:
    """What was set, by name."""

    values: Mapping[str, str] = field(repr=False)  # secrets are among them

    def text(self, name: str, default: str = "") -> str:
        """The variable's value; unset and empty both mean the default."""
        return self.values.get(name, "").strip() or default

    def number(self, name: str, default: float) -> float:
        """The variable's value as a number.

        Raises:
            PermanentError: it is not one.
        """
        text = self.text(name, str(default))
        try:
            return float(text)
        except ValueError:
            raise PermanentError(f"{name} must be a number, not {text!r}") from None

    def whole(self, name: str, default: int) -> int:
        """The variable's value as a whole number."""
        return int(self.number(name, default))

    def names(self, name: str) -> tuple[str, ...]:
        """The variable's value as names in capitals, separated by commas."""
        return tuple(each.strip().upper() for each in self.text(name).split(",") if each.strip())

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The variable's value, one of ``choices``, of which the first is the default.

        Raises:
            PermanentError: it is none of them.
        """
        text = self.text(name, choices[0])
        found = next((choice for choice in choices if choice.lower() == text.lower()), None)
        if found is None:
            raise PermanentError(f"{name} must be one of {', '.join(choices)}, not {text!r}")
        return found
