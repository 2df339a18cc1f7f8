"""nothing -> what the resources of docker/kubernetes may look like, as JSON Schema.

Written by hand, of the fields that we set, after the sources themselves: ``values.schema.json`` of Dagster's chart and of its part
dagster-user-deployments, the CustomResourceDefinitions of apache/spark-kubernetes-operator and of Strimzi. A field that is not listed
is refused, so that a misspelled one is seen; a new one must be looked up there first.
Does not belong here: what the fields should say (``test_kubernetes``).
"""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
YES_OR_NO: dict[str, Any] = {"type": "boolean"}
ANYTHING: dict[str, Any] = {"type": "object"}
TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": TEXT}


def one(needed: dict[str, Any] | None = None, **optional: Any) -> dict[str, Any]:
    """An object with these fields and no other."""
    needed = needed or {}
    fields = {**needed, **optional}
    return {"type": "object", "properties": fields, "required": list(needed), "additionalProperties": False}


def many(item: dict[str, Any]) -> dict[str, Any]:
    """A list of these."""
    return {"type": "array", "items": item}


# ---- Kubernetes itself
VARIABLE = one({"name": TEXT}, value=TEXT)
NAMED = one({"name": TEXT})
IMAGE = one({"repository": TEXT, "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]}}, tag=TEXT)
POD_SECURITY = one(runAsNonRoot=YES_OR_NO, runAsUser=WHOLE, runAsGroup=WHOLE, fsGroup=WHOLE)
SECURITY = one(
    allowPrivilegeEscalation=YES_OR_NO,
    readOnlyRootFilesystem=YES_OR_NO,
    capabilities=one(drop=many(TEXT), add=many(TEXT)),
)
PROBE = one(httpGet=one({"port": WHOLE}, path=TEXT), periodSeconds=WHOLE, timeoutSeconds=WHOLE, failureThreshold=WHOLE)
OF_A_POD = {
    "image": IMAGE,
    "env": many(VARIABLE),
    "envSecrets": many(NAMED),
    "podSecurityContext": POD_SECURITY,
    "securityContext": SECURITY,
    "resources": one(requests=TEXTS, limits=TEXTS),
    "volumes": many(one({"name": TEXT}, emptyDir=ANYTHING)),
    "volumeMounts": many(one({"name": TEXT, "mountPath": TEXT})),
}
SERVICE = one(
    {"apiVersion": {"const": "v1"}, "kind": {"const": "Service"}, "metadata": one({"name": TEXT}, labels=TEXTS)},
    spec=one({"selector": TEXTS, "ports": many(one({"port": WHOLE}, name=TEXT))}),
)

# ---- Dagster's chart
OFF = one({"enabled": {"const": False}})
PURGE = one(skipped=WHOLE, success=WHOLE, failure=WHOLE, started=WHOLE)
DAGSTER_VALUES = one(
    **{
        "global": one(dagsterHome=TEXT, postgresqlSecretName=TEXT),
        "generatePostgresqlPasswordSecret": YES_OR_NO,
        "generateCeleryConfigSecret": YES_OR_NO,
        "postgresql": one(enabled=YES_OR_NO, postgresqlHost=TEXT, postgresqlUsername=TEXT, postgresqlDatabase=TEXT),
        "rabbitmq": OFF,
        "redis": OFF,
        "flower": OFF,
        "telemetry": OFF,
        "runLauncher": one(
            {
                "type": {"enum": ["K8sRunLauncher", "CeleryK8sRunLauncher", "CustomRunLauncher"]},
                "config": one(customRunLauncher=one({"module": TEXT, "class": TEXT, "config": ANYTHING})),
            }
        ),
        "dagsterWebserver": one(service=one({"type": TEXT, "port": WHOLE}), readinessProbe=PROBE, **OF_A_POD),
        "dagsterDaemon": one(
            runCoordinator=one({"enabled": YES_OR_NO}),
            runMonitoring=ANYTHING,
            runRetries=ANYTHING,
            sensors=one({"useThreads": YES_OR_NO}, numWorkers=WHOLE),
            schedules=one({"useThreads": YES_OR_NO}, numWorkers=WHOLE),
            **OF_A_POD,
        ),
        "retention": one(
            {"enabled": YES_OR_NO},
            sensor=one(purgeAfterDays=PURGE),
            schedule=one(purgeAfterDays=WHOLE),
            autoMaterialize=one(purgeAfterDays=PURGE),
        ),
        "additionalInstanceConfig": ANYTHING,
        "dagster-user-deployments": one(
            {"enabled": YES_OR_NO, "enableSubchart": YES_OR_NO},
            deployments=many(
                one({"name": TEXT, "port": WHOLE}, includeConfigInLaunchedRuns=one({"enabled": YES_OR_NO}), **OF_A_POD)
            ),
        ),
    }
)

# ---- Spark's operator
POD_TEMPLATE = one(
    podTemplateSpec=one(
        spec=one(
            securityContext=POD_SECURITY,
            enableServiceLinks=YES_OR_NO,
            containers=many(one({"name": TEXT}, securityContext=SECURITY)),
        )
    )
)
SPARK_APPLICATION = one(
    {
        "apiVersion": {"const": "spark.apache.org/v1"},
        "kind": {"const": "SparkApplication"},
        "metadata": NAMED,
        "spec": one(
            {
                "mainClass": TEXT,
                "runtimeVersions": one({"scalaVersion": TEXT, "sparkVersion": TEXT}),
                "sparkConf": TEXTS,
            },
            applicationTolerations=one(
                restartConfig=one(
                    restartPolicy={"enum": ["Always", "Never", "OnFailure", "OnInfrastructureFailure"]},
                    maxRestartAttempts=WHOLE,
                    restartBackoffMillis=WHOLE,
                ),
                instanceConfig=one(initExecutors=WHOLE, minExecutors=WHOLE, maxExecutors=WHOLE),
            ),
            driverSpec=POD_TEMPLATE,
            executorSpec=POD_TEMPLATE,
        ),
    }
)

# ---- Strimzi
KAFKA_TOPIC = one(
    {
        "apiVersion": {"const": "kafka.strimzi.io/v1beta2"},
        "kind": {"const": "KafkaTopic"},
        "metadata": one({"name": TEXT, "labels": one({"strimzi.io/cluster": TEXT})}),
        "spec": one(
            {"partitions": {"type": "integer", "minimum": 1}, "replicas": {"type": "integer", "minimum": 1}},
            config=ANYTHING,
            topicName=TEXT,
        ),
    }
)
