"""asset key, settings -> what OpenLineage calls the dataset.

Belongs here: namespace and name by OpenLineage's rules of naming, so that what other programs tell of the same table joins up.
Does not belong here: which assets a run read and wrote (``lineage_events``). Nothing here is a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import dagster as dg

from stock_assets.defs.raw_assets import KAFKA_KEYS, QUARANTINE
from stock_assets.settings.platform import Settings
from stock_assets.settings.serving import READER
from stock_assets.topic.topics import topics_of

LAKE = ("raw", "bars", "metrics", "quality", "live", "reference")
"""First parts of the keys of tables in the lake: the key is the table's path there."""


class Named(NamedTuple):
    """A dataset by its namespace and name."""

    namespace: str
    name: str


class Datasets:
    """The assets of a graph as datasets."""

    def __init__(self, settings: Settings, parents: dict[dg.AssetKey, list[dg.AssetKey]]) -> None:
        self._settings, self._parents = settings, parents

    def named(self, key: dg.AssetKey) -> Named:
        """Where the asset is; one that is no place of its own, as a vendor, is named below the jobs' namespace."""
        settings, path, layer = self._settings, "/".join(key.path), key.path[0]
        if layer == "kafka":
            stage = {asset: stage for stage, asset in KAFKA_KEYS.items()}.get(key)
            if stage is not None:
                first = settings.broker.bootstrap.partition(",")[0].strip()
                return Named(f"kafka://{first}", topics_of(settings.broker)[stage].name)
        if layer in LAKE and key != QUARANTINE:
            return _of_lake(settings.lake_root.rstrip("/"), path)
        if layer in ("warehouse", "marts"):
            place = settings.snowflake
            account = settings.warehouse.account or f"{place.host}:{place.port}"
            table = f"{place.database}.{place.schema}.{key.path[-1]}".upper()
            return Named(f"snowflake://{account}", table)
        if layer == "serving":
            url = urlsplit(settings.serving_url(READER))
            database = url.path.strip("/")
            return Named(f"postgres://{url.hostname}:{url.port}", f"{database}.serving.{key.path[-1]}")
        return Named(settings.lineage.namespace, path)

    def read(self, written: Iterable[dg.AssetKey]) -> list[dg.AssetKey]:
        """What is directly above these assets, without themselves."""
        own = set(written)
        return sorted({above for key in own for above in self._parents.get(key, ())} - own)


def parents_of(assets: Iterable[Any]) -> dict[dg.AssetKey, list[dg.AssetKey]]:
    """What is directly above each asset, from definitions or specs of assets."""
    specs = [spec for each in assets for spec in ([each] if isinstance(each, dg.AssetSpec) else each.specs)]
    return {spec.key: [dep.asset_key for dep in spec.deps] for spec in specs}


def _of_lake(root: str, path: str) -> Named:
    if root.startswith("s3://"):
        bucket, _, prefix = root.removeprefix("s3://").partition("/")
        return Named(f"s3://{bucket}", f"{prefix}/{path}".strip("/"))
    return Named("file", f"{root}/{path}")
