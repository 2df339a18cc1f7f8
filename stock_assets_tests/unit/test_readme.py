"""The README is true: its commands exist, its settings are read, its files are there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stock_assets.settings import PROJECT

README = (PROJECT / "README.md").read_text()
SETTINGS = "".join(
    (PROJECT / "stock_assets" / name).read_text()
    for name in ("settings.py", "vendor_settings.py", "quality_settings.py", "broker.py")
)
COMMANDS = re.findall(r"\.venv/bin/(stock-assets [^`\n#]+)|`(stock-assets [^`]+)`", README)
GROUPS = {"produce", "quarantine"}
MAKE_TARGETS = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))


def test_commands_were_found() -> None:
    assert len(COMMANDS) >= 8
    assert {"demo", "test", "down", "help"} <= MAKE_TARGETS


@pytest.mark.parametrize("command", sorted({(a or b).strip() for a, b in COMMANDS}))
def test_each_command_is_one_the_program_takes(command: str) -> None:
    given = shlex.split(command)[1:]
    path = given[: 2 if given[0] in GROUPS else 1]
    done = subprocess.run(
        [sys.executable, "-m", "stock_assets.cli", *path, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stderr
    for option in (each for each in given if each.startswith("--")):
        assert option in done.stdout, f"{path} has no {option}"


@pytest.mark.parametrize("target", sorted(MAKE_TARGETS))
def test_each_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def test_each_setting_is_read_and_each_read_setting_is_told() -> None:
    settings = README.split("## Settings")[1].split("## Trouble")[0]
    told = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", settings)) | set(
        re.findall(r"^\| `([A-Z]+)`", settings, re.MULTILINE)
    )
    told = {f"SNOWFLAKE{name}" if name.startswith("_") else name for name in told}
    read = set(re.findall(r'(?:text|number|whole|choice|names)\(\s*"([A-Z_]+)"', SETTINGS))
    assert {name for name in told if not name.startswith("SNOWFLAKE")} <= read
    known_elsewhere = {name for name in read if name.startswith("SNOWFLAKE")}
    everyday = {"JAVA_HOME", "PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE"}
    assert read - told - known_elsewhere - everyday <= {
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    }


def test_env_example_names_only_settings_that_are_read() -> None:
    for name in re.findall(r"^#?([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE):
        assert f'"{name}"' in SETTINGS, name


def test_pictures_and_folders_are_there() -> None:
    for path in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (PROJECT / path).stat().st_size > 10_000
    for folder in ("domain", "sources", "topic", "lake", "warehouse", "quality", "defs"):
        assert (PROJECT / "stock_assets" / folder).is_dir()


def test_workspace_and_workflow_are_what_dagster_and_ci_read() -> None:
    workspace = yaml.safe_load((PROJECT / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"]["module_name"] == "stock_assets.definitions"
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["steps"][-1]["run"] == "bash .ci/run"
    assert "make test" in Path(PROJECT / ".ci" / "run").read_text()
