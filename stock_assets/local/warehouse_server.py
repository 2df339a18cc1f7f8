"""a folder -> a server that answers the real Snowflake connector, and keeps its data.

It is fakesnow's HTTP server on one shared DuckDB instance, with what 0.12.1 gets wrong mended below, each mend with its
reason. Belongs here: only that. Does not belong here: SQL of ours, and anything a client could do instead.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.macros
import fakesnow.server as fakesnow_server
import fakesnow.transforms
import pyarrow as pa
import snowflake.connector.errors
import sqlglot
import uvicorn
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.instance import FakeSnow
from fakesnow.transforms import stage
from fakesnow.transforms.merge import operations
from sqlglot import exp

LOOPBACK = "127.0.0.1"
ABANDONED_AFTER_S = 60.0
QUERY_PATH = "/queries/v1/query-request"

# Statements about accounts and machines: accepted, and without effect here.
ADMINISTRATION = [
    r"^\s*(CREATE|ALTER|DROP)\s+(OR\s+REPLACE\s+)?(WAREHOUSE|ROLE|DATABASE\s+ROLE|RESOURCE\s+MONITOR|USER)\b",
    r"^\s*(CREATE|ALTER|DROP)\s+(OR\s+REPLACE\s+)?(NETWORK\s+POLICY|STORAGE\s+INTEGRATION|MASKING\s+POLICY)\b",
    r"^\s*(GRANT|REVOKE)\b",
    r"^\s*ALTER\s+SESSION\s+(SET|UNSET)\s+(?!AUTOCOMMIT)",
    r"^\s*ALTER\s+(TABLE|SCHEMA|DATABASE)\s+\S+\s+SET\s+DATA_RETENTION",
]
SESSION_CONSTANTS = {"current_warehouse": "COMPUTE_WH", "current_account": "LOCAL", "current_region": "LOCAL"}

# what is mended below, seen without types: the point is to put something else there
cursor_class: Any = FakeSnowflakeCursor
fakesnow_arrow: Any = fakesnow.arrow
fakesnow_info_schema: Any = fakesnow.info_schema
fakesnow_macros: Any = fakesnow.macros
fakesnow_transforms: Any = fakesnow.transforms

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def mend_null_timestamps() -> None:
    """NULL timestamps were sent as 1970-01-01, since the struct had no null mask."""
    original = fakesnow_arrow.timestamp_to_sf_struct

    def with_nulls(timestamps: pa.Array | pa.ChunkedArray) -> pa.Array:
        if isinstance(timestamps, pa.ChunkedArray):
            timestamps = timestamps.combine_chunks()
        sent = original(timestamps)
        if not timestamps.null_count:
            return sent
        parts = [sent.field(n) for n in range(sent.type.num_fields)]
        return pa.StructArray.from_arrays(parts, fields=list(sent.type), mask=timestamps.is_null())

    fakesnow_arrow.timestamp_to_sf_struct = with_nulls


def mend_session_functions() -> None:
    """current_warehouse() and the like were unknown."""
    original = fakesnow_macros.creation_sql

    def with_constants(catalog: str) -> Any:
        macros = (f"CREATE OR REPLACE MACRO {catalog}.main.{n}() AS '{v}';" for n, v in SESSION_CONSTANTS.items())
        return original(catalog) + ";" + "".join(macros)

    fakesnow_macros.creation_sql = with_constants


def mend_errors() -> None:
    """Any failure was answered with HTTP 500, which the connector retries for minutes: make it a failed query."""
    original = cursor_class.execute

    def execute(self: FakeSnowflakeCursor, *arguments: Any, **options: Any) -> Any:
        try:
            return original(self, *arguments, **options)
        except snowflake.connector.errors.Error:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise snowflake.connector.errors.ProgrammingError(msg=text, errno=1, sqlstate="XX000") from error

    cursor_class.execute = execute


def mend_merge() -> None:
    """MERGE was split into statements over a temporary table: plain columns only, not atomic, and not between BEGIN and
    COMMIT. DuckDB has MERGE itself: run that, and answer with Snowflake's counts."""
    fakesnow_transforms.merge = lambda expression: [expression]
    original = cursor_class._execute

    def execute(self: FakeSnowflakeCursor, transformed: exp.Expression, params: Any = None) -> Any:
        if not isinstance(transformed, exp.Merge):
            return original(self, transformed, params)
        wanted = operations(transformed)
        for when in transformed.args["whens"].expressions:
            then = when.args.get("then")
            if isinstance(then, exp.Update):
                for assignment in then.expressions:
                    assignment.this.set("table", None)  # DuckDB: SET column, not SET table.column
        if not self._conn._autocommit and not self._conn._in_transaction:
            self._duck_conn.begin()
            self._conn._in_transaction = True
        sql = transformed.sql(dialect="duckdb") + " RETURNING merge_action"
        done = Counter(row[0] for row in self._duck_conn.execute(sql, params).fetchall())
        counts = {"inserted": done["INSERT"], "updated": done["UPDATE"], "deleted": done["DELETE"]}
        shown = ", ".join(f'{counts[name]} AS "number of rows {name}"' for name, found in wanted.items() if found)
        answer = sqlglot.parse_one(f"SELECT {shown}")
        answer.set("merge_counts", True)
        return original(self, answer, None)

    cursor_class._execute = execute


def mend_temporary_tables() -> None:
    """db.schema.name cannot address DuckDB's temporary objects, and dbt does so: create ordinary ones, which dbt drops."""
    original = cursor_class._transform_explode

    def explode(self: FakeSnowflakeCursor, expression: exp.Expression) -> list[exp.Expression]:
        if isinstance(expression, exp.Create) and expression.kind in ("TABLE", "VIEW"):
            table = expression.find(exp.Table)
            if table is not None and table.db:
                for each in list(expression.find_all(exp.TemporaryProperty)):
                    each.pop()
        return list(original(self, expression))

    cursor_class._transform_explode = explode


def mend_comments() -> None:
    """Apostrophes in a table's comment broke it; no comment was a write, which broke BEGIN ... COMMIT."""
    original = fakesnow_info_schema.insert_table_comment_sql

    def insert(catalog: str, schema: str, table: str, comment: str | None) -> str:
        if comment is None:
            return "SELECT 1"
        return str(original(catalog, schema, table, comment.replace("'", "''")))

    fakesnow_info_schema.insert_table_comment_sql = insert


def mend_sums() -> None:
    """SUM counted in floating point, as its argument might be text: sums of NUMBER must be exact."""
    original = fakesnow_transforms.numeric_agg_implicit_cast

    def exact(expression: exp.Expression) -> Any:
        found = original(expression)
        total = found.this if isinstance(found, exp.Alias) else found
        if isinstance(total, exp.Sum) and isinstance(total.this, exp.TryCast):
            total.set("this", total.this.this)
        return found

    fakesnow_transforms.numeric_agg_implicit_cast = exact


def keep_stages_in(folder: Path) -> None:
    """Uploaded files lay in a temporary folder for ever. They are of no use after a restart, as stages are forgotten."""
    shutil.rmtree(stage.LOCAL_BUCKET_PATH, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stage.LOCAL_BUCKET_PATH = str(folder)


class Abandoned:
    """Rolls back what a client left open when it died: its changed rows would block every later loader.

    Snowflake does the same for sessions that are gone. A session counts as gone after ``ABANDONED_AFTER_S`` without a
    request; its next statement then runs outside the transaction it had.
    """

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.last_seen: dict[str, float] = {}

    @contextlib.contextmanager
    def request(self, token: str) -> Any:
        self.running[token] += 1
        try:
            yield
        finally:
            self.running[token] -= 1
            self.last_seen[token] = time.monotonic()
            self._sweep()

    def _sweep(self) -> None:
        now = time.monotonic()
        for token in [
            t for t, seen in self.last_seen.items() if now - seen > ABANDONED_AFTER_S and not self.running[t]
        ]:
            del self.last_seen[token]  # once is enough until it is heard of again
            connection = fakesnow_server.sessions.get(token)
            if connection is not None:
                with contextlib.suppress(Exception):  # DuckDB's word for "no transaction is open"
                    connection._duck_conn.rollback()
                connection._in_transaction = False


class FailFast:
    """Turns what is still answered with HTTP 5xx for a query into a failed query with the message."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.abandoned = Abandoned()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != QUERY_PATH:
            await self.app(scope, receive, send)
            return
        token = dict(scope["headers"]).get(b"authorization", b"").decode()[17:-1]
        with self.abandoned.request(token):
            await self._query(scope, receive, send)

    async def _query(self, scope: Message, receive: Receive, send: Send) -> None:
        failed = False
        parts: list[bytes] = []

        async def watch(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start" and message["status"] >= 500:
                failed = True
            elif failed:
                parts.append(message.get("body", b""))
            else:
                await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:  # Starlette raises again after it has answered
            if not failed:
                raise
            parts[:] = [f"{type(error).__name__}: {error}".encode()]
        if failed:
            await _send_failure(send, b"".join(parts).decode("utf-8", "replace"))


async def _send_failure(send: Send, text: str) -> None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["message"]
    data = {"errorCode": "000001", "sqlState": "XX000"}
    body = json.dumps({"data": data, "code": "000001", "message": text[:2000], "success": False}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def make_app(db_path: Path) -> tuple[App, FakeSnow]:
    """The mended server on the databases in ``db_path``; call once per process."""
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
    mend_null_timestamps()
    mend_session_functions()
    mend_errors()
    mend_merge()
    mend_temporary_tables()
    mend_comments()
    mend_sums()
    db_path.mkdir(parents=True, exist_ok=True)
    keep_stages_in(db_path / "stages")
    # fakesnow's own way to persist opens the files once per login, and the second login fails: share one instance
    instance = FakeSnow(db_path=str(db_path), nop_regexes=ADMINISTRATION)
    fakesnow_server.shared_fs = instance
    for file in sorted(db_path.glob("*.db")):
        instance.connect(database=file.stem).close()
    return FailFast(fakesnow_server.app), instance


def main() -> None:
    """Serve until told to stop, then write everything to the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db-path", type=Path, required=True)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    app, instance = make_app(arguments.db_path)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning", lifespan="off")
    instance.duck_conn.close()


if __name__ == "__main__":
    main()
