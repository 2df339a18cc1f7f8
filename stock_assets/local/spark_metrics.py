"""a port -> the properties with which a Spark driver tells Prometheus of itself.

Belongs here: where it listens, and what its metrics are called. Does not belong here: the driver (``spark``, ``stream``), and what
asks (docker/monitoring, ``observability.metrics.grafana``).

Spark's servlet is a page of its web UI, so the UI comes with it; it listens where ``SPARK_LOCAL_IP`` says, on loopback in local mode.
"""

from __future__ import annotations

PATH = "/metrics/prometheus"
SINK = "spark.metrics.conf.*.sink.prometheusServlet"
NAMESPACE = "spark"
"""What stands in each name where Spark would put the application's id, which every start changes."""


def metrics_properties(port: int | None) -> dict[str, str]:
    """Of a driver that listens at ``port``, or at none."""
    if port is None:
        return {"spark.ui.enabled": "false"}
    return {
        "spark.ui.enabled": "true",
        "spark.ui.port": str(port),
        # a taken port is an error, not a reason to listen where nobody asks
        "spark.port.maxRetries": "0",
        "spark.ui.killEnabled": "false",
        "spark.metrics.namespace": NAMESPACE,
        # jobs, stages and tasks that ended, counted since the start
        "spark.metrics.appStatusSource.enabled": "true",
        f"{SINK}.class": "org.apache.spark.metrics.sink.PrometheusServlet",
        f"{SINK}.path": PATH,
        "spark.metrics.conf.driver.source.jvm.class": "org.apache.spark.metrics.source.JvmSource",
    }


def metrics_ports(port: int | None) -> dict[int, str]:
    """The port as a program names what it takes."""
    return {} if port is None else {port: "SPARK_METRICS_PORT"}
