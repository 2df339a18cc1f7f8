"""names that are set -> those that are not settings but look like one.

Belongs here: noticing ``SNOWFLAKE_ACOUNT``, which nobody reads, before somebody wonders why the embedded warehouse is used.
Does not belong here: judging values (each owner's model does).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from stock_assets.settings.platform import HOME, OWNERS

ALIKE = 0.9
"""One letter of a dozen may differ. Below that, names of other programs (SPARK_HOME) resemble ours (SPARK_PORT)."""
OF_OTHERS = frozenset(name for each in ("HTTP_PROXY", "ALL_PROXY", "FTP_PROXY") for name in (each, each.lower()))
"""Names that resemble a setting, and that other programs read."""


OF_DBT = "DBT_"
"""Our own, but dbt's to read: ``settings.process`` makes them of the settings."""


def misspelled(names: Iterable[str]) -> dict[str, str]:
    """Of ``names``, those that are no setting, each with the setting that it resembles."""
    known = {HOME, *(name for owner in OWNERS.values() for name in owner.variables())}
    found = {}
    for name in sorted(set(names) - known - OF_OTHERS):
        if name.startswith(OF_DBT):
            continue
        if meant := get_close_matches(name, known, n=1, cutoff=ALIKE):
            found[name] = meant[0]
    return found
