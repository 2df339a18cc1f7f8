"""rows of the lake -> a staging table of the warehouse.

Belongs here: PUT and COPY INTO, and dropping the tables of loads that were killed.
Does not belong here: what is made of staged rows (load.py).
"""

from __future__ import annotations

import re
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from stock_assets.domain.errors import PermanentError
from stock_assets.warehouse.set_up import table_names

if TYPE_CHECKING:
    import pyarrow as pa
    from snowflake.connector.cursor import SnowflakeCursor

STAGE = "STOCK_ASSETS_STAGE"
FILE_FORMAT = "STOCK_ASSETS_PARQUET"
ABANDONED_AFTER = timedelta(days=1)


def new_load() -> str:
    """Name of a load, which begins with its instant: a path of its own, since COPY skips a file name that it has seen."""
    return f"{datetime.now(UTC):%Y%m%d%H%M%S}_{uuid.uuid4().hex[:12]}".upper()


def staging_table(target: str, load: str) -> str:
    """Name of the staging table of a load."""
    return f"{target}_STAGING_{load}"


def copy_into(cursor: SnowflakeCursor, rows: pa.Table, staging: str, load: str) -> None:
    """Send rows, and copy them into the staging table.

    Raises:
        PermanentError: not all of them arrived.
    """
    import pyarrow.parquet as pq

    if not rows.num_rows:
        return
    with tempfile.TemporaryFile() as file:
        pq.write_table(rows, file, compression="snappy")
        file.seek(0)
        # a stream, since the connector takes a path for a pattern: folders may have brackets and quotes in their names
        cursor.execute(f"PUT 'file://rows.parquet' @{STAGE}/{load} AUTO_COMPRESS = FALSE", file_stream=file)
    cursor.execute(
        f"COPY INTO {staging} FROM @{STAGE}/{load} FILE_FORMAT = (FORMAT_NAME = '{FILE_FORMAT}') "
        "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE PURGE = TRUE"
    )
    arrived = _count(cursor, f"SELECT COUNT(*) FROM {staging}")
    if arrived != rows.num_rows:
        raise PermanentError(f"{arrived} of {rows.num_rows} rows arrived in {staging}; nothing was loaded.")


def drop_abandoned(cursor: SnowflakeCursor, target: str) -> None:
    """Drop the staging tables of loads that were killed; their names tell when they began."""
    oldest = f"{datetime.now(UTC) - ABANDONED_AFTER:%Y%m%d%H%M%S}"
    for name in table_names(cursor):
        found = re.fullmatch(rf"{target}_STAGING_(\d{{14}})_[0-9A-F]{{12}}", name)
        if found and found.group(1) < oldest:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")


def _count(cursor: SnowflakeCursor, sql: str) -> int:
    cursor.execute(sql)
    row = cursor.fetchone()
    return int(row[0]) if isinstance(row, tuple) else 0
