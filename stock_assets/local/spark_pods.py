"""what Spark tells a pod -> the program of a driver, or of an executor.

Spark on Kubernetes starts each pod with the one argument ``driver`` or ``executor``, and expects of the image that it knows what to run.
Belongs here: these two commands, from the variables that Spark sets. Does not belong here: what the stages need of Spark (``spark``),
and what is written before it starts (``container``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

BACKEND = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
TOLD = {
    "--driver-url": "SPARK_DRIVER_URL",
    "--executor-id": "SPARK_EXECUTOR_ID",
    "--cores": "SPARK_EXECUTOR_CORES",
    "--app-id": "SPARK_APPLICATION_ID",
    "--hostname": "SPARK_EXECUTOR_POD_IP",
    "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "--podName": "SPARK_EXECUTOR_POD_NAME",
}
"""An executor's arguments, and the variables in which Spark tells them."""


def driver_arguments(variables: Mapping[str, str], arguments: Sequence[str]) -> list[str]:
    """What ``spark-submit`` gets in a driver's pod; without its second option it would read Spark's file instead of ours."""
    bind = f"spark.driver.bindAddress={variables['SPARK_DRIVER_BIND_ADDRESS']}"
    return ["--deploy-mode", "client", "--load-spark-defaults", "--conf", bind, *arguments]


def executor_command(variables: Mapping[str, str], arguments: Sequence[str]) -> list[str]:
    """An executor's Java: Spark numbers its options, ``SPARK_JAVA_OPT_0`` and on."""
    numbered = {
        int(found[1]): text for name, text in variables.items() if (found := re.match(r"SPARK_JAVA_OPT_(\d+)$", name))
    }
    memory = variables["SPARK_EXECUTOR_MEMORY"]
    places = [variables["SPARK_CONF_DIR"], variables.get("SPARK_CLASSPATH", ""), f"{variables['SPARK_HOME']}/jars/*"]
    return [
        *["java", *(numbered[at] for at in sorted(numbered)), f"-Xms{memory}", f"-Xmx{memory}"],
        *["-cp", ":".join(place for place in places if place), BACKEND],
        *(word for option, name in TOLD.items() for word in (option, variables[name])),
        *arguments,
    ]
