"""command line -> the warehouse's account.

Belongs here: the options of ``stock-assets warehouse``, and what it prints. Imports are inside: ``--help`` stays quick.
Does not belong here: the statements (``warehouse.set_up``).
"""

from __future__ import annotations

from typing import Annotated

import typer

from stock_assets.settings.process import load_and_export

warehouse = typer.Typer(help="The account that rows are loaded into.", no_args_is_help=True, rich_markup_mode=None)


@warehouse.callback()
def _group() -> None:
    """Keeps ``setup`` a command of its own, though it is the only one."""


@warehouse.command()
def setup(
    only_print: Annotated[bool, typer.Option("--print", help="Print the statements instead of running them.")] = False,
) -> None:
    """Make warehouse, database, quota, roles, users and tables. An administrator runs it, once; what exists stays."""
    from stock_assets.warehouse.set_up import account_statements, schema_statements, set_up_account, table_statements

    snowflake = load_and_export().snowflake
    if only_print:
        schema = [f"USE SCHEMA {snowflake.database}.{snowflake.schema}", *table_statements(), *schema_statements()]
        for title, statements in (("by an administrator, once", account_statements(snowflake)), ("the tables", schema)):
            typer.echo(f"-- {title}\n" + "".join(f"{statement};\n\n" for statement in statements), nl=False)
        return
    from stock_assets.warehouse.connect import connect

    with connect(snowflake, anywhere=True) as connection:
        for headline in set_up_account(connection, snowflake):
            typer.echo(headline)
    typer.echo(f"{snowflake.target} is ready")
