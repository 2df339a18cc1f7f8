"""names of sources -> whose they are.

Belongs here: what a source's name says of a bar. Without the types of messages, whose import every reader would pay.
Does not belong here: which sources there are (``sources``, settings).
"""

from __future__ import annotations

import re

BUILT_SUFFIXES = ("_ticks", "_minutes")
"""What a source's name carries when the bar was built here from the vendor's ticks or minute bars. No vendor's own bar may: two
rows would have one key, and no bar of any symbol could be stored."""
BUILT_PATTERN = f"({'|'.join(BUILT_SUFFIXES)})$"
_BUILT = re.compile(BUILT_PATTERN)


def vendor_of(source: str) -> str:
    """The vendor of a bar's source, also where the bar was built here."""
    return _BUILT.sub("", source)
