"""What Spark's drivers are told when they are to tell of themselves."""

from __future__ import annotations

from pathlib import Path

from stock_assets.local.java import Java
from stock_assets.local.program import Program
from stock_assets.local.programs import programs
from stock_assets.settings.platform import Settings

JAVA = Java(Path("/somewhere/java"), 21, "PATH")


def drivers(**given: str) -> list[Program]:
    return [each for each in programs(Settings(given), JAVA) if each.name in ("spark", "stream")]


def properties(driver: Program) -> dict[str, str]:
    return dict(line.split("=", 1) for line in "".join(driver.files.values()).splitlines())


def test_without_a_port_no_driver_has_a_web_ui() -> None:
    for driver in drivers():
        assert properties(driver)["spark.ui.enabled"] == "false"
        assert not any("prometheus" in name for name in properties(driver))
        assert "SPARK_METRICS_PORT" not in driver.ports.values()


def test_with_a_port_each_driver_has_one_of_its_own_on_loopback() -> None:
    told = drivers(SPARK_METRICS_PORT="4040")
    assert [properties(driver)["spark.ui.port"] for driver in told] == ["4040", "4041"]
    for port, driver in enumerate(told, start=4040):
        assert properties(driver)["spark.ui.enabled"] == "true" and driver.ports[port] == "SPARK_METRICS_PORT"
        assert driver.environment["SPARK_LOCAL_IP"] == "127.0.0.1"
