"""the models' SQL -> which columns each of their columns is made from.

Belongs here: reading it out of the models when their manifest is made (it needs sqlglot, which comes with the embedded
warehouse). Does not belong here: showing it (``defs.column_lineage``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

DIALECT = "snowflake"
FROM = "made_from"
"""Key in a manifest's column below ``meta``: ``relation.column``, sorted."""


Origins = dict[str, list[str]]
"""Per column ``relation.column`` of all that it is made from."""


def add_column_lineage(manifest: Mapping[str, Any], statements: Iterable[str]) -> None:
    """Add the columns of models and of views among their sources with what each is made from, and those of other sources.

    Args:
        manifest: as dbt made it, with the models' raw code.
        statements: those that make the tables and views which the models read. A view that is no source is looked through.

    Raises:
        ValueError: the SQL of a model or view cannot be read, or names a column that its source lacks.
    """
    sources = {source["name"]: source for source in manifest["sources"].values()}
    known, views = _relations(statements, sources.keys())
    for name, source in sources.items():
        for column in known[name]:
            _add(source, column, views.get(name, {}).get(column, []))
    models = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    while models:
        ready = [key for key, node in models.items() if not models.keys() & set(node["depends_on"]["nodes"])]
        for node in (models.pop(key) for key in ready):
            traced = _lineage(node["name"], rendered(node["raw_code"]), known, {})
            known[node["name"]] = dict.fromkeys(traced, "text")
            for name, origins in traced.items():
                _add(node, name, origins)


def _add(relation: Any, name: str, origins: list[str]) -> None:
    column = relation["columns"].setdefault(name, {"name": name, "description": "", "meta": {}})
    column["meta"] = {**column.get("meta", {}), FROM: origins}


def _relations(
    statements: Iterable[str], shown: Collection[str]
) -> tuple[dict[str, dict[str, str]], dict[str, Origins]]:
    """The columns of each table and view, and what a view's are made from: tables, or views among the ``shown``."""
    from sqlglot import exp, parse_one

    known: dict[str, dict[str, str]] = {}
    views: dict[str, Origins] = {}
    for statement in statements:
        made = parse_one(statement.lower(), dialect=DIALECT)
        if not isinstance(made, exp.Create):
            continue
        name = next(made.find_all(exp.Table)).name
        if made.kind == "VIEW":
            inner = {view: of for view, of in views.items() if view not in shown}
            views[name] = _lineage(name, made.expression.sql(dialect=DIALECT), known, inner)
            known[name] = dict.fromkeys(views[name], "text")
        else:
            known[name] = {column.name: "text" for column in made.find_all(exp.ColumnDef)}
    return known, views


def rendered(code: str) -> str:
    """A model's code as a full refresh runs it, with the plain names of what it reads."""
    from jinja2 import Environment

    given = {
        "ref": lambda name: name,
        "source": lambda _, name: name,
        "config": lambda **_: "",
        "is_incremental": lambda: False,
    }
    return Environment(autoescape=False).from_string(code).render(given)


def _lineage(name: str, sql: str, known: Mapping[str, Mapping[str, str]], views: Mapping[str, Origins]) -> Origins:
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify

    schema: dict[str, object] = {table: dict(columns) for table, columns in known.items()}
    traced: Origins = {}
    try:
        query = qualify(parse_one(sql.lower(), dialect=DIALECT), schema=schema, dialect=DIALECT)
        assert isinstance(query, exp.Query)
        for column in query.named_selects:
            leaves = lineage(column, query.copy(), schema=schema, dialect=DIALECT).walk()
            read = {(_plain(n.expression.name), _plain(n.name)) for n in leaves if isinstance(n.expression, exp.Table)}
            through = {
                origin
                for table, of in read
                for origin in (views[table].get(of, []) if table in views else [f"{table}.{of}"])
            }
            traced[_plain(column)] = sorted(through)
    except SqlglotError as broken:
        raise ValueError(f"the columns of {name} cannot be traced: {broken}") from broken
    return traced


def _plain(name: str) -> str:
    return name.split(".")[-1].replace('"', "").lower()
