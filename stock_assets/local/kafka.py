"""settings -> the embedded broker: Apache Kafka in KRaft mode, one process.

Belongs here: its properties, and preparing its data folder. Does not belong here: starting it (``services``).
"""

from __future__ import annotations

import base64
import subprocess
import uuid

from stock_assets.domain.errors import PermanentError
from stock_assets.local.causes import first_cause
from stock_assets.local.java import UTF8, Java
from stock_assets.local.program import LOOPBACK, Program, java_options, property_lines, run_dir
from stock_assets.settings.platform import Settings


def kafka(settings: Settings, java: Java) -> Program:
    port, data = settings.local.kafka_port, settings.local_dir / "kafka"
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{port + 1}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{port + 1}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # the default of 128 MB would be a quarter of the heap, for topics that hold a few keys
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    path = run_dir(settings) / "kafka.properties"
    command = [*_kafka_java(settings, java), "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
    return Program(
        "kafka",
        [*command, "kafka.Kafka", str(path)],
        ports={port: "KAFKA_PORT", port + 1: "KAFKA_PORT"},
        directory=data,
        files={path: property_lines(properties)},
        stop_wait_s=30,
    )


def _kafka_java(settings: Settings, java: Java) -> list[str]:
    return [str(java.binary), *java_options(settings), "-cp", f"{settings.jars_dir / 'kafka'}/*"]


def format_kafka(settings: Settings, java: Java) -> None:
    """Give the broker's data folder a cluster id of its own; does nothing when it has one.

    Raises:
        PermanentError: Kafka's own tool refuses; the text carries its last words.
    """
    if (settings.local_dir / "kafka" / "meta.properties").is_file():
        return
    # a leading "-" would be taken for an option
    ids = (base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=") for _ in iter(int, 1))
    cluster = next(each for each in ids if not each.startswith("-"))
    arguments = ["format", "--ignore-formatted", "-t", cluster, "-c", str(run_dir(settings) / "kafka.properties")]
    command = [*_kafka_java(settings, java), "kafka.tools.StorageTool", *arguments]
    environment = {**settings.values, **UTF8}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    if done.returncode:
        raise PermanentError(f"Kafka could not prepare its data folder: {first_cause(done.stderr or done.stdout)}")
