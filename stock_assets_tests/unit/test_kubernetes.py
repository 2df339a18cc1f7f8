"""docker/kubernetes names fields that exist, our images and settings, our topics, and no secret."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import dagster
import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from stock_assets.local import container, spark_container
from stock_assets.local.dagster import EVENTS_TOGETHER
from stock_assets.local.spark_container import spark_driver, spark_executor
from stock_assets.local.spark_pods import BACKEND, TOLD
from stock_assets.settings.env_file import read_env_file
from stock_assets.settings.kafka import TopicNames
from stock_assets.settings.platform import OWNERS, Settings
from stock_assets.settings.secret_files import SECRETS
from stock_assets.topic.topics import SETTINGS, TOPICS
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.unit import kubernetes_shapes as shapes

FOLDER = PROJECT / "docker" / "kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "dagster-values.yaml").read_text())
CONNECT, CONNECT_SERVICE = yaml.safe_load_all((FOLDER / "spark-connect.yaml").read_text())
TOPIC_RESOURCES: list[dict[str, Any]] = list(yaml.safe_load_all((FOLDER / "topics.yaml").read_text()))
CONF: dict[str, str] = CONNECT["spec"]["sparkConf"]
CODE: dict[str, Any] = VALUES["dagster-user-deployments"]["deployments"][0]
DOCKERFILE = (PROJECT / "docker" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((PROJECT / "docker" / "compose.yaml").read_text())
PAGE = (PROJECT / "docs" / "kubernetes.md").read_text()
VARIABLES = {name: field for owner in OWNERS.values() for name, field in owner.variables().items()}
OF_DAGSTER = {*EVENTS_TOGETHER, "DAGSTER_WEBSERVER_LOG_FORMAT"}
"""Variables that Dagster itself reads."""


@pytest.mark.parametrize(
    ("resource", "shape"),
    [
        (VALUES, shapes.DAGSTER_VALUES),
        (CONNECT, shapes.SPARK_APPLICATION),
        (CONNECT_SERVICE, shapes.SERVICE),
        *((topic, shapes.KAFKA_TOPIC) for topic in TOPIC_RESOURCES),
    ],
    ids=lambda each: each.get("kind", "") if isinstance(each, dict) else "",
)
def test_each_resource_has_the_fields_that_its_reader_knows(resource: dict[str, Any], shape: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(shape)
    wrong = best_match(Draft202012Validator(shape).iter_errors(resource))
    assert wrong is None, f"{wrong.json_path}: {wrong.message}" if wrong else ""


def given() -> dict[str, set[str]]:
    """The variables that each pod gets."""
    pods = {
        "webserver": VALUES["dagsterWebserver"],
        "daemon": VALUES["dagsterDaemon"],
        "code": CODE,
    }
    named = {pod: {each["name"] for each in about["env"]} for pod, about in pods.items()}
    for pod, prefixes in {
        "driver": ("spark.kubernetes.driverEnv.", "spark.kubernetes.driver.secretKeyRef."),
        "executor": ("spark.executorEnv.", "spark.kubernetes.executor.secretKeyRef."),
    }.items():
        named[pod] = {name.removeprefix(start) for name in CONF for start in prefixes if name.startswith(start)}
    return named


def test_each_variable_is_a_setting_or_dagster_s() -> None:
    assert {name for names in given().values() for name in names} - VARIABLES.keys() == OF_DAGSTER
    assert {"KAFKA_BOOTSTRAP_SERVERS", "LAKE_ROOT", "SPARK_REMOTE", "SNOWFLAKE_ACCOUNT"} <= given()["code"]
    assert given()["executor"] <= given()["driver"]


def test_what_the_code_location_gets_are_values_of_settings() -> None:
    told = {each["name"]: each["value"] for each in CODE["env"]}
    for owner in OWNERS.values():
        owner.of(told)
    settings = Settings(told)
    assert not (settings.embedded_kafka or settings.embedded_spark or settings.embedded_warehouse)
    assert not (settings.embedded_postgres or settings.embedded_serving) and settings.lake_on_s3
    for name, text in read_env_file(PROJECT / "config" / "production.env", {}).items():
        if name in told and "//" not in text and ":" not in text:
            assert told[name] == text, name


def test_no_secret_is_written_and_those_that_are_named_are_told() -> None:
    for file in FOLDER.iterdir():
        text = file.read_text()
        assert "kind: Secret" not in text, file
        assert not re.search(
            r"(?i)(password|token|secret_access_key)\w*: *[\"']?(?!false|stock-assets)[^\s\"'{}&*:]+$",
            text,
            re.MULTILINE,
        ), file
    assert not {each["name"] for each in CODE["env"]} & set(SECRETS)
    references = {text for name, text in CONF.items() if ".secretKeyRef." in name}
    assert references == {f"stock-assets:{name}" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    assert CODE["envSecrets"] == [{"name": "stock-assets"}]
    assert "generic stock-assets " in PAGE and f"generic {VALUES['global']['postgresqlSecretName']} " in PAGE


def test_images_are_those_that_are_built_and_their_commands_are_roles() -> None:
    built = {each["image"]: each["build"]["target"] for each in COMPOSE["services"].values() if "build" in each}
    for image in (VALUES["dagsterWebserver"]["image"], VALUES["dagsterDaemon"]["image"], CODE["image"]):
        assert built[image["repository"]] == "app"
    assert built[CONF["spark.kubernetes.container.image"].partition(":")[0]] == "spark"
    stage = DOCKERFILE.partition(" AS app\n")[2].partition("\nFROM ")[0]
    (command,) = re.findall(r'^CMD \["([a-z]+)"\]$', stage, re.MULTILINE)
    assert command in container.ROLES and CODE["port"] == container.CODE_PORT
    assert {"driver", "executor"} <= container.ROLES.keys()


def test_no_service_s_variable_is_one_of_our_settings() -> None:
    hosts = set(re.findall(r"//(?:\w+@)?([a-z-]+):\d", (FOLDER / "dagster-values.yaml").read_text()))
    hosts |= {VALUES["postgresql"]["postgresqlHost"], CONNECT_SERVICE["metadata"]["name"], CODE["name"]}
    assert len(hosts) >= 4
    links = {f"{host.upper().replace('-', '_')}_{what}" for host in hosts for what in ("PORT", "SERVICE_HOST")}
    assert not links & VARIABLES.keys()


def test_the_topics_are_those_that_we_create() -> None:
    profile = read_env_file(PROJECT / "config" / "production.env", {})
    assert [each["metadata"]["name"] for each in TOPIC_RESOURCES] == [
        TopicNames().of(stage) for stage in ("ticks", "bars", "actions")
    ]
    assert {each["metadata"]["name"] for each in TOPIC_RESOURCES} == {topic.name for topic in TOPICS.values()}
    for each in TOPIC_RESOURCES:
        assert {name: str(text) for name, text in each["spec"]["config"].items()} == SETTINGS
        assert each["spec"]["partitions"] == int(profile["KAFKA_PARTITIONS"])
        assert f"{each['metadata']['labels']['strimzi.io/cluster']}-kafka-bootstrap:9092" in str(CODE["env"])


def test_the_instance_that_the_chart_writes_is_local_mode_s() -> None:
    """The chart's template, by hand: which of its values becomes which part of ``dagster.yaml``."""
    local = yaml.safe_load((PROJECT / "stock_assets" / "local" / "dagster.yaml").read_text())
    daemon, keep, monitoring = VALUES["dagsterDaemon"], VALUES["retention"], VALUES["dagsterDaemon"]["runMonitoring"]
    made = {
        "telemetry": VALUES["telemetry"],
        "run_monitoring": {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in monitoring.items()},
        "run_retries": {"enabled": True, "max_retries": daemon["runRetries"]["maxRetries"]},
        "sensors": {"use_threads": True, "num_workers": daemon["sensors"]["numWorkers"]},
        "retention": {
            "sensor": {"purge_after_days": keep["sensor"]["purgeAfterDays"]},
            "schedule": {"purge_after_days": keep["schedule"]["purgeAfterDays"]},
            "auto_materialize": {"purge_after_days": keep["autoMaterialize"]["purgeAfterDays"]},
        },
        **VALUES["additionalInstanceConfig"],
    }
    assert made == {part: about for part, about in local.items() if part != "storage"}
    launcher = VALUES["runLauncher"]["config"]["customRunLauncher"]
    assert getattr(dagster, launcher["class"]).__module__.startswith(launcher["module"])
    assert VALUES["runLauncher"]["type"] == "CustomRunLauncher" and not daemon["runCoordinator"]["enabled"]
    assert {"name": "DAGSTER_EVENT_BATCH_SIZE", "value": EVENTS_TOGETHER["DAGSTER_EVENT_BATCH_SIZE"]} in daemon["env"]


def test_versions_are_those_that_are_installed() -> None:
    assert f"dagster/dagster {version('dagster')}." in (FOLDER / "dagster-values.yaml").read_text()
    assert f"--version {version('dagster')} " in PAGE
    assert CONNECT["spec"]["runtimeVersions"]["sparkVersion"] == version("pyspark")


def test_spark_connect_is_found_where_the_code_location_looks_for_it() -> None:
    told = {each["name"]: each["value"] for each in CODE["env"]}
    ports = {each["name"]: each["port"] for each in CONNECT_SERVICE["spec"]["ports"]}
    assert told["SPARK_REMOTE"] == f"sc://{CONNECT_SERVICE['metadata']['name']}:{ports['connect']}"
    assert str(ports["metrics"]) == CONF["spark.kubernetes.driverEnv.SPARK_METRICS_PORT"]
    assert CONNECT_SERVICE["spec"]["selector"]["app"] == CONF["spark.kubernetes.driver.label.app"]


def test_a_pod_becomes_what_spark_says_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_container, "check_room", lambda _: None)
    monkeypatch.setattr(spark_container, "check_lake", lambda _: None)
    monkeypatch.setattr(
        spark_container, "_prepare_spark", lambda _: monkeypatch.setenv("SPARK_CONF_DIR", "/scratch/conf")
    )
    for name in TOLD.values():
        monkeypatch.setenv(name, f"of {name}")
    for name, text in {
        "SPARK_DRIVER_BIND_ADDRESS": "10.0.0.1",
        "SPARK_EXECUTOR_MEMORY": "1g",
        "SPARK_JAVA_OPT_10": "-Dlast",
        "SPARK_JAVA_OPT_9": "-Dfirst",
        "SPARK_CLASSPATH": "/opt/jars/spark/*",
        "SPARK_HOME": "/spark",
    }.items():
        monkeypatch.setenv(name, text)
    driver = spark_driver(Settings({}), ["--class", "Main", "spark-internal"])
    assert driver[:4] == ["spark-submit", "--deploy-mode", "client", "--load-spark-defaults"]
    assert driver[4:] == ["--conf", "spark.driver.bindAddress=10.0.0.1", "--class", "Main", "spark-internal"]
    executor = spark_executor(Settings({}), [])
    assert executor[:5] == ["java", "-Dfirst", "-Dlast", "-Xms1g", "-Xmx1g"]
    assert executor[5:8] == ["-cp", "/scratch/conf:/opt/jars/spark/*:/spark/jars/*", BACKEND]
    assert executor[8:10] == ["--driver-url", "of SPARK_DRIVER_URL"] and len(executor) == 8 + 2 * len(TOLD)
