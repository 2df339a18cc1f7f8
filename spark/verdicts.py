"""computed rows -> the same, and why each of them is withheld.

Belongs here: the critical rules of ``domain.rules`` as Spark's expressions.
Does not belong here: the rules, and storing the verdict (``delta_tables``).
"""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column
from pyspark.sql import functions as F

from stock_assets.domain.rules import AtLeast, OneOf, Rule, critical_rules
from stock_assets.domain.table import Table


def withheld_because(table: Table, columns: Collection[str] = ()) -> Column:
    """The critical rules that a row breaks, as one text in the words of ``domain.rules``; null when it breaks none.

    Args:
        columns: columns that there are, when not all of the table's are; rules about others are left out.
    """
    there = set(columns or table.names)
    floats = {column.name for column in table.columns if column.type == "float64"}
    rules = [rule for rule in critical_rules(table) if there.issuperset(rule.columns)]
    return F.nullif(F.concat_ws("; ", *(_breach(rule, floats) for rule in rules)), F.lit(""))


def _breach(rule: Rule, floats: Collection[str]) -> Column:
    """What is wrong; null when nothing is, or a value is unknown."""

    def known(name: str) -> Column:
        return F.when(~F.isnan(name), F.col(name)) if name in floats else F.col(name)

    if isinstance(rule, AtLeast):
        larger, smaller = known(rule.larger), known(rule.smaller)
        text = F.concat(
            F.lit(f"{rule.larger} "), larger.cast("string"), F.lit(f" is below {rule.smaller} "), smaller.cast("string")
        )
        return F.when(larger < smaller, text)
    value = known(rule.column)
    text = F.concat(F.lit(f"{rule.column} is "), value.cast("string"))
    if isinstance(rule, OneOf):
        return F.when(~value.isin(*rule.values), text)
    outside = F.lit(False)
    if rule.low is not None:
        outside = outside | (value <= rule.low if rule.strict else value < rule.low)
    if rule.high is not None:
        outside = outside | (value >= rule.high if rule.strict else value > rule.high)
    return F.when(outside, text)
