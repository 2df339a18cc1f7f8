"""Compose, images, settings, `.env.example` and docs/containers.md say the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stock_assets.domain.errors import PermanentError
from stock_assets.local import container, minio
from stock_assets.local.java import Java
from stock_assets.local.json_program import ITSELF, in_json
from stock_assets.local.postgres import SERVING_ROLES
from stock_assets.local.programs import programs
from stock_assets.settings.env_file import read_env_file
from stock_assets.settings.platform import OWNERS, Settings
from stock_assets.settings.secret_files import SECRETS
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.containers import stack

DOCKER = PROJECT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if "build" in each}
DOCS = (PROJECT / "docs" / "containers.md").read_text()
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
OF_COMPOSE = {
    *(
        "DAGSTER_PORT",
        "DASHBOARD_PORT",
        "KAFKA_PORT",
        "MINIO_PORT",
        "WAREHOUSE_PORT",
        "SPARK_UI_PORT",
        "KAFKA_UI_PORT",
        "PGADMIN_PORT",
        "PROMETHEUS_PORT",
        "ALERTMANAGER_PORT",
        "GRAFANA_PORT",
        "PROMETHEUS_KEEP",
    ),
    *("SECRETS_DIR", "KAFKA_HEAP", "LEAST_FREE_MB", "SPARK_DRIVER_MEMORY", "SPARK_EXECUTOR_MEMORY", "PGADMIN_EMAIL"),
}
"""What compose itself asks for: ports on this machine, memory, where secrets are. docs/containers.md tells of them."""


def environment() -> dict[str, str]:
    """Every variable that containers running our Python get, with its text in compose."""
    python = [each for each in OURS.values() if each["build"]["target"] in ("app", "spark", "warehouse")]
    return {name: str(text) for each in python for name, text in each.get("environment", {}).items()}


def read_settings() -> set[str]:
    names = {name for owner in OWNERS.values() for name in owner.variables()}
    return names | {f"{name}_FILE" for name in SECRETS}


def test_what_the_image_of_jars_gets_is_all_that_fetching_them_imports(tmp_path: Path) -> None:
    stage = DOCKERFILE.partition(" AS jars\n")[2].partition("\nFROM ")[0].replace("\\\n", " ")
    copied = [line.split()[1:] for line in stage.splitlines() if line.startswith("COPY stock_assets")]
    assert copied
    for *sources, target in copied:
        for source in sources:
            place = tmp_path / target / (Path(source).name if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (PROJECT / source).is_dir() else shutil.copy
            copy(PROJECT / source, place)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import stock_assets.local.jars as jars; print(jars.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_the_image_of_postgres_makes_the_roles_that_the_embedded_server_has() -> None:
    made = (DOCKER / "start").read_text().partition("<< EOF\n")[2].partition("\nEOF\n")[0]
    assert re.sub(r"\$\{(\w+)//[^}]*\}", r"{\1}", made).replace("{reader}", "{bi_reader}").splitlines() == SERVING_ROLES


def test_each_variable_of_a_container_is_a_setting() -> None:
    assert {name for name in environment() if name.startswith("SNOWFLAKE")}
    assert environment().keys() <= read_settings()


def test_each_variable_is_passed_on_under_its_own_name_and_told_in_the_example() -> None:
    example = (PROJECT / ".env.example").read_text()
    for name, text in environment().items():
        if name.endswith("_FILE"):
            assert text == f"/run/secrets/{text.removeprefix('/run/secrets/')}"
        else:
            assert re.match(rf"\$\{{{name}:?-", text), f"{name} is {text}"
        assert re.search(rf"^#{name.removesuffix('_FILE')}=", example, re.MULTILINE) or name in (
            *("SNOWFLAKE_HOST", "SNOWFLAKE_PORT", "SNOWFLAKE_PROTOCOL", "AUTOMATIC", "LANDING_MAX_DELAY_S"),
        )


def test_what_compose_asks_for_is_a_setting_or_told_in_its_documentation() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (DOCKER / "compose.yaml").read_text()))
    assert asked - read_settings() - OF_COMPOSE == set()
    assert OF_COMPOSE <= asked
    assert {name for name in OF_COMPOSE if f"`{name}`" not in DOCS} == set()


@pytest.mark.parametrize("profile", ["config/production.env", "docker/standin.env"])
def test_compose_passes_on_each_setting_of_a_file_it_is_given(profile: str) -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (DOCKER / "compose.yaml").read_text()))
    assert read_env_file(PROJECT / profile, {}).keys() - {"COMPOSE_PROFILES"} <= asked


def test_each_service_profile_target_and_secret_is_documented() -> None:
    profiles = {profile for each in SERVICES.values() for profile in each.get("profiles", ())}
    targets = {each["build"]["target"] for each in OURS.values()}
    for name in (*SERVICES, *profiles, *targets, *COMPOSE["secrets"]):
        assert f"`{name}`" in DOCS, name


def test_the_minio_that_is_compiled_is_local_modes() -> None:
    assert re.findall(r"^ARG MINIO_VERSION=(.*)$", DOCKERFILE, re.MULTILINE) == [minio.VERSION]


def test_each_target_is_a_stage_and_is_verified() -> None:
    targets = {each["build"]["target"] for each in OURS.values()}
    assert targets == set(stack.TARGETS)
    assert targets <= set(re.findall(r"^FROM .* AS ([a-z-]+)$", DOCKERFILE, re.MULTILINE))


def test_the_verification_has_every_secret_and_port() -> None:
    assert set(stack.SECRETS) == set(COMPOSE["secrets"])
    started = ({"standin"}, {"monitoring"}, {"alerts"})
    verified = [each for each in OURS.values() if set(each.get("profiles", ["standin"])) in started]
    published = {re.findall(r"[A-Z_]+", port)[0] for each in verified for port in each.get("ports", ())}
    assert set(stack.PORTS) == published


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_limited_and_reached_on_loopback_only(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() >= {"mem_limit", "cpus", "pids_limit", "restart"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_is_hardened_and_asked_for_its_health(name: str) -> None:
    service = OURS[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    stage = re.search(
        rf"^FROM \S+ AS {service['build']['target']}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL
    )
    assert stage is not None
    assert re.findall(r"^USER (.*)$", stage[1], re.MULTILINE)[-1:] == ["10001"]
    assert "healthcheck" in service or "HEALTHCHECK" in stage[1]


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_a_role(name: str) -> None:
    service = OURS[name]
    if service["build"]["target"] in ("app", "spark"):
        assert service["command"][0] in container.ROLES


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_logs_json_unless_told_otherwise(name: str) -> None:
    assert OURS[name]["environment"]["LOG_FORMAT"] == "${LOG_FORMAT:-json}"


def test_each_role_of_python_s_is_behind_the_program_that_speaks_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ("check_account", "check_lake", "check_room"):
        monkeypatch.setattr(container, check, lambda _: None)
    monkeypatch.setattr(container, "_prepare_dagster", lambda _: Path("workspace.yaml"))
    ours = {name: role for name, role in container.ROLES.items() if role.__module__ == container.__name__}
    assert len(ours) >= 9
    for name, role in ours.items():
        head, *rest = role(Settings({}), [])
        spoken = in_json([str(Path(sys.executable).with_name(head)) if "/" not in head else head, *rest])
        assert spoken[: len(ITSELF)] == ITSELF, name


def test_the_broker_is_local_modes_but_for_addresses_and_its_folder() -> None:
    def parsed(text: str) -> dict[str, str]:
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return dict(line.split("=", 1) for line in lines)

    broker = next(each for each in programs(Settings({}), Java(Path("/java"), 17, "PATH")) if each.name == "kafka")
    local = parsed(next(iter(broker.files.values())))
    ours = parsed((DOCKER / "kafka.properties").read_text())
    moved = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
    added = {"listener.security.protocol.map", "inter.broker.listener.name"}
    assert {n: v for n, v in ours.items() if n not in moved | added} == {
        n: v for n, v in local.items() if n not in moved
    }


@pytest.mark.parametrize("script", ["start", "healthy", "verify"])
def test_scripts_are_programs_that_bash_can_read(script: str) -> None:
    path = DOCKER / script
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "SNOWFLAKE_ACCOUNT is not set"),
        ({"SNOWFLAKE_ACCOUNT": "a"}, "LAKE_ROOT must be s3://"),
    ],
)
def test_the_code_location_says_what_is_missing_and_starts_nothing(given: dict[str, str], said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        container.code(Settings(given), [])


def test_dagster_in_a_container_wants_its_database(tmp_path: Path) -> None:
    settings = Settings({"SNOWFLAKE_ACCOUNT": "a", "STOCK_ASSETS_LOCAL": str(tmp_path)})
    with pytest.raises(PermanentError, match="DAGSTER_PG_URL is not set"):
        container.daemon(settings, [])
    assert not list(tmp_path.iterdir())


def test_a_role_that_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "load", lambda: Settings({}))
    with pytest.raises(SystemExit, match="^code: SNOWFLAKE_ACCOUNT is not set"):
        container.main(["code"])


def test_files_that_containers_get_are_there_and_none_is_written_in_compose() -> None:
    """Compose 1.29, Debian's, refuses a file whose content stands in compose.yaml."""
    assert "configs" not in COMPOSE
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if volume.startswith("./")
    ]
    assert mounted and all((DOCKER / path).exists() for path in mounted)
    (server,) = json.loads((DOCKER / "pgadmin-servers.json").read_text())["Servers"].values()
    assert (server["Host"], server["MaintenanceDB"], server["Username"]) == ("postgres", "serving", "bi_reader")
