"""nothing -> embedded services of a benchmark's own, gone at its end.

Belongs here: a folder, ports and an environment that no other use of the platform shares.
"""

from __future__ import annotations

import os
import random
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stock_assets.local.processes import owned
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

# A benchmark must not reach the user's own clusters, buckets and accounts.
_ELSEWHERE = (
    "SNOWFLAKE_ACCOUNT",
    "SNOWFLAKE_HOST",
    "SNOWFLAKE_PORT",
    "LAKE_ROOT",
    "KAFKA_BOOTSTRAP_SERVERS",
    "SPARK_REMOTE",
    "DAGSTER_PG_URL",
    "SERVING_DATABASE_URL",
)


@contextmanager
def own_services(names: Sequence[str]) -> Iterator[Settings]:
    """Running services ``names``; their settings are also this process's and its children's environment."""
    with tempfile.TemporaryDirectory(prefix="stock-assets-benchmark-") as folder:
        jars = str(Settings.load().jars_dir)
        kafka, _controller, spark, warehouse, dagster, _code, postgres = _free_ports(7)
        os.environ.update(
            {
                "STOCK_ASSETS_LOCAL": folder,
                "STOCK_ASSETS_JARS": jars,
                "KAFKA_PORT": str(kafka),
                "SPARK_PORT": str(spark),
                "WAREHOUSE_PORT": str(warehouse),
                "DAGSTER_PORT": str(dagster),
                "POSTGRES_PORT": str(postgres),
                "DAGSTER_HOME": str(Path(folder).resolve() / "dagster"),
                **dict.fromkeys(_ELSEWHERE, ""),
            }
        )
        settings = load_and_export()
        services = Services(settings, print)
        try:
            services.up(names)
            yield settings
        finally:
            services.down()


def machine() -> str:
    """Processors and memory, for the head of a table."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{os.cpu_count()} processors, {gigabytes:.0f} GB of memory"


def cpu_seconds(settings: Settings) -> float:
    """CPU time that the running services and their ended children have used; 0 where the system does not tell."""
    spent = 0
    for pid in owned(settings.local_dir):
        with suppress(OSError):  # it ended meanwhile; its parent's sum has it
            after_name = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            spent += sum(map(int, after_name[11:15]))
    return spent / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of(pid: int) -> float:
    """CPU time that one process has used, without its children's."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) / os.sysconf(
        "SC_CLK_TCK"
    )


def _free_ports(count: int) -> list[int]:
    while True:
        first = random.randrange(20_000, 32_000)
        ports = list(range(first, first + count))
        if all(map(_is_free, ports)):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
