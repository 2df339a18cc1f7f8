"""command line -> SQL over the lake, or the warehouse.

Belongs here: the options of ``stock-assets sql``, its prompt, and how answers are shown. Imports are inside: ``--help`` stays quick.
Does not belong here: what a query may do (``reading.sql``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from stock_assets.domain.errors import PermanentError, StockAssetsError
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 40
WIDTH = 80
_READS = ("select", "with", "show", "describe", "desc", "explain")


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT; without it, a prompt.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print all rows as CSV.")] = False,
    warehouse: Annotated[bool, typer.Option("--warehouse", help="Ask the warehouse instead of the lake.")] = False,
) -> None:
    """Ask in SQL: the lake's tables under their names, read-only, without rows that a check refused."""
    settings = load_and_export()
    show = _of_warehouse if warehouse else _of_lake
    if query:
        show(query, settings, csv)
        return
    for told in _prompt():
        try:
            show(told, settings, csv)
        except StockAssetsError as wrong:
            typer.secho(str(wrong), fg=typer.colors.RED, err=True)


def _of_lake(query: str, settings: Settings, csv: bool) -> None:
    from stock_assets.reading.csv_text import write_csv
    from stock_assets.reading.sql import answer_of

    with answer_of(query, settings.lake_root, settings.universe) as answer:
        if csv:
            write_csv(answer.to_arrow_reader(), answer.columns, sys.stdout)
            return
        first = answer.limit(SHOWN + 1).to_arrow_table()
    _draw(first)


def _of_warehouse(query: str, settings: Settings, csv: bool) -> None:
    import pyarrow as pa
    from snowflake.connector.errors import Error

    from stock_assets.reading.csv_text import write_csv
    from stock_assets.warehouse.connect import connect

    words = query.split(maxsplit=1)
    if not words or words[0].lower() not in _READS:
        raise PermanentError("Write one SELECT: tables can be read here, and nothing else can be done.")
    with connect(settings.snowflake) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(query)
            names = [column.name for column in cursor.description]
            rows = cursor.fetchall() if csv else cursor.fetchmany(SHOWN + 1)
        except Error as wrong:
            raise PermanentError(str(wrong.msg or wrong)) from None
    columns = [pa.array([tuple(row)[place] for row in rows]) for place in range(len(names))]
    answer = pa.Table.from_arrays(columns, names=names)
    if csv:
        write_csv(answer.to_batches(), names, sys.stdout)
    else:
        _draw(answer)


def _draw(rows: pa.Table) -> None:
    from stock_assets.lake.engine import connect

    with connect() as connection:
        connection.from_arrow(rows.slice(0, SHOWN)).show(max_width=WIDTH, max_rows=SHOWN)
    if rows.num_rows > SHOWN:
        typer.echo(f"These are the first {SHOWN} rows; --csv prints all.")


def _prompt() -> Iterator[str]:
    """What is typed, a statement at a time; each ends with a semicolon, an empty line or the end of the input."""
    try:
        import readline  # noqa: F401  arrows and history at the prompt
    except ImportError:
        pass
    typer.echo("One SELECT, ended by a semicolon; `show tables;` lists the tables, Ctrl-D ends.")
    lines: list[str] = []
    while True:
        try:
            line = input("....> " if lines else "sql> ")
        except EOFError:
            break
        except KeyboardInterrupt:
            typer.echo()
            lines = []
            continue
        lines.append(line)
        if line.rstrip().endswith(";") or not line.strip():
            told, lines = "\n".join(lines).strip(), []
            if told:
                yield told
    if told := "\n".join(lines).strip():
        yield told
