"""Derived tables hold rows that nobody may see: they are opened in two places, which leave those out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from stock_assets_tests.checkout import PROJECT

ENGINES = {
    "stock_assets/lake/tables.py",
    "stock_assets/lake/evolve.py",
    "spark/delta_tables.py",
    "spark/evolve.py",
    "spark/marks.py",
    "stock_assets/live/stream.py",
    "stock_assets/lake/sizes.py",
    "stock_assets/lake/order.py",
    "spark/by_symbol.py",
    "spark/vacuum.py",
}
"""The one reader of each engine, what changes its tables, the stream of a raw table, and what looks at the log alone."""
OF_OTHER_TABLES = {"benchmarks/landing.py", "benchmarks/direct_windows.py"}
"""Tables of their own, or raw ticks as another contender reads them."""
PAST_READERS = ("DeltaTable", "is_deltatable", "from_data_catalog", "forPath", "delta_scan", "QueryBuilder")
FORMATS = ("delta", "delta.", "deltaSharing")


def _openings(tree: ast.AST) -> Iterator[int]:
    """Lines that open a Delta table themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if called in PAST_READERS or (called in ("format", "load") and any(each in FORMATS for each in given)):
                yield node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "delta.`" in node.value:
            yield node.lineno


def test_derived_tables_are_opened_by_their_readers_alone() -> None:
    found = {}
    for folder in ("stock_assets", "spark", "benchmarks"):
        for file in sorted((PROJECT / folder).rglob("*.py")):
            name = str(file.relative_to(PROJECT))
            if lines := list(_openings(ast.parse(file.read_text()))):
                found[name] = lines
    assert found.keys() - OF_OTHER_TABLES == ENGINES, found


def test_writers_alone_ask_for_withheld_rows() -> None:
    asking = {
        str(file.relative_to(PROJECT))
        for folder in ("stock_assets", "spark")
        for file in (PROJECT / folder).rglob("*.py")
        if any(word in file.read_text() for word in ("withheld_too=True", "read_stored(", "read_or_create("))
    }
    # staleness compares all rows, a metric counts what was dropped in all; the first session of a symbol has nothing of the row but its day
    assert asking == {
        "stock_assets/lake/staleness.py",
        "stock_assets/quality/availability.py",
        "stock_assets/observability/held.py",
        "spark/jobs.py",
        "spark/by_symbol.py",
        "spark/delta_tables.py",
    }


def test_the_search_finds_what_it_looks_for() -> None:
    texts = ["DeltaTable(path)", "spark.read.format('delta').load(path)", "spark.sql(f'SELECT * FROM delta.`{p}`')"]
    assert all(list(_openings(ast.parse(text))) for text in texts)
    assert not list(_openings(ast.parse("def f(table: DeltaTable) -> DeltaTable: return table")))
