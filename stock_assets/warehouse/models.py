"""the dbt project -> what the platform knows of it.

Belongs here: where the project is, its stored manifest, and whether that still fits the files.
Does not belong here: running dbt (``defs.marts``), and which dbt (``local.dbt``).

The manifest is kept beside the project, as a lock file is, so that definitions load without dbt. It holds no macros, instants
or names of this machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from stock_assets.domain.errors import PermanentError
from stock_assets.warehouse.column_lineage import FROM

_PACKAGED = Path(__file__).parents[1] / "warehouse_models"
PROJECT = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "warehouse_models"
MANIFEST = PROJECT / "manifest.json"
MADE_FROM = "made_from"
"""Key of the manifest's metadata that tells from which files it was made."""
_KEPT = (
    "metadata", "nodes", "sources", "exposures", "parent_map", "child_map", "unit_tests", "selectors", "metrics",
    "semantic_models", "saved_queries", "groups", "group_map", "disabled", "macros", "docs", "functions",
)  # fmt: skip
_EMPTIED = ("macros", "docs", "disabled")
_OF_THE_MOMENT = (
    "generated_at",
    "invocation_id",
    "invocation_started_at",
    "user_id",
    "env",
    "run_started_at",
    "created_at",
)


@cache
def manifest() -> Mapping[str, Any]:
    """The stored manifest.

    Raises:
        PermanentError: it is missing.
    """
    if not MANIFEST.is_file():
        raise PermanentError(f"{MANIFEST} is missing: run `make manifest`.")
    found: dict[str, Any] = json.loads(MANIFEST.read_text())
    return found


def column_origins(relation: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Per column of a model or source of the manifest ``asset.column`` of all that it is made from."""
    models = {node["name"] for node in manifest()["nodes"].values() if node["resource_type"] == "model"}
    found = {}
    for name, column in relation["columns"].items():
        parts = [origin.partition(".") for origin in column["meta"].get(FROM, ())]
        found[name] = tuple(f"{'marts' if of in models else 'warehouse'}/{of}.{column}" for of, _, column in parts)
    return found


def digest() -> str:
    """Of all files of the project that dbt reads."""
    told = hashlib.sha256()
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in (".sql", ".yml", ".csv", ".md") and "target" not in path.relative_to(PROJECT).parts:
            told.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return told.hexdigest()


def check_manifest() -> None:
    """Refuse to build models that are not those of the stored manifest: Dagster's graph would show others.

    Raises:
        PermanentError: it is missing, or was made from other files.
    """
    if manifest()["metadata"].get(MADE_FROM) != digest():
        raise PermanentError(f"The models below {PROJECT} changed since their manifest was made: run `make manifest`.")


def store_manifest(made: Mapping[str, Any]) -> None:
    """Keep what dbt parsed, less what no reader of ours needs and what differs each time."""
    kept = {name: {} if name in _EMPTIED else _steady(made[name]) for name in _KEPT if name in made}
    kept["metadata"] |= {MADE_FROM: digest()}
    MANIFEST.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    manifest.cache_clear()


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _steady(inner) for name, inner in value.items() if name not in _OF_THE_MOMENT}
    return [_steady(inner) for inner in value] if isinstance(value, list) else value
