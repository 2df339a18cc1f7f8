"""a table, an instant -> the table as it was then.

Belongs here: finding the version that was the newest, and saying why there is none.
Does not belong here: what vendors had said by then, however late it was landed (``as_of``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.table import Table

if TYPE_CHECKING:
    from deltalake import DeltaTable


def as_it_was(handle: DeltaTable, table: Table, instant: datetime) -> DeltaTable:
    """The handle, now on the version that was the newest at ``instant``.

    Raises:
        PermanentError: the table did not exist yet, or that version can no longer be read.
    """
    from deltalake.exceptions import DeltaError

    commits, kept = handle.history(), _paths(handle)
    asked = f"{table.name} cannot be read as of {instant:%Y-%m-%dT%H:%M:%S}Z"
    version = next((each["version"] for each in commits if each["timestamp"] <= 1000 * instant.timestamp()), None)
    if version is None:
        what = "it was made" if commits[-1]["version"] == 0 else "its log begins"
        when = datetime.fromtimestamp(commits[-1]["timestamp"] / 1000, UTC)
        raise PermanentError(f"{asked}: {what} at {when:%Y-%m-%dT%H:%M:%S}Z.")
    gone = PermanentError(f"{asked}: what it held then was changed since, and is no longer kept.")
    try:
        handle.load_as_version(version)
    except DeltaError:
        raise gone from None
    replaced = sorted(_paths(handle) - kept)
    if replaced and not all(file.is_file for file in handle.to_pyarrow_dataset().filesystem.get_file_info(replaced)):
        raise gone
    return handle


def _paths(handle: DeltaTable) -> set[str]:
    return {*handle.get_add_actions().column("path").to_pylist()}
