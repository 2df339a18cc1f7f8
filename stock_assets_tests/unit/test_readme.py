"""The README is true: its commands exist, its settings are read, its files are there."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.settings.documentation import example, written
from stock_assets.settings.env_file import read_env_file
from stock_assets.settings.platform import OWNERS
from stock_assets_tests.checkout import PROJECT

README = (PROJECT / "README.md").read_text()
COMMANDS = re.findall(r"\.venv/bin/(stock-assets [^`\n#]+)|`(stock-assets [^`]+)`", README)
GROUPS = {"produce", "quarantine", "warehouse"}
MAKE_TARGETS = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))


def test_commands_were_found() -> None:
    assert len(COMMANDS) >= 8
    assert {"demo", "test", "down", "help"} <= MAKE_TARGETS


@pytest.mark.parametrize("command", sorted({(a or b).strip() for a, b in COMMANDS}))
def test_each_command_is_one_the_program_takes(command: str) -> None:
    given = shlex.split(command)[1:]
    path = given[: 2 if given[0] in GROUPS else 1]
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0, done.output
    for option in (each for each in given if each.startswith("--")):
        assert option in done.stdout, f"{path} has no {option}"


@pytest.mark.parametrize("target", sorted(MAKE_TARGETS))
def test_each_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def test_the_table_of_settings_and_the_example_are_those_of_the_models() -> None:
    assert written(README) == README, "run `make docs`"
    assert example() == (PROJECT / ".env.example").read_text(), "run `make docs`"


def test_each_setting_is_told_once() -> None:
    names = [name for owner in OWNERS.values() for name in owner.variables()]
    assert len(names) == len(set(names)) > 70
    for owner in OWNERS.values():
        for name, field in owner.variables().items():
            assert field.description, name
            assert not field.json_schema_extra["listed"] or f"`{name}`" in README


def test_the_example_is_a_file_that_can_be_read_and_sets_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(example())
    assert read_env_file(file, {}) == {}
    file.write_text(re.sub("^#([A-Z])", r"\1", example(), flags=re.MULTILINE))
    told = read_env_file(file, {})
    for owner in OWNERS.values():
        owner.of({name: text for name, text in told.items() if name != "SCHEMA_REGISTRY_URL"})


def test_pictures_and_folders_are_there() -> None:
    for path in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (PROJECT / path).stat().st_size > (10_000 if path.endswith(".png") else 100)
    for folder in (
        "domain",
        "settings",
        "sources",
        "topic",
        "lake",
        "landing",
        "raw",
        "warehouse",
        "quality",
        "defs",
        "observability",
        "local",
    ):
        assert (PROJECT / "stock_assets" / folder).is_dir()


def test_workspace_and_workflow_are_what_dagster_and_ci_read() -> None:
    workspace = yaml.safe_load((PROJECT / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"]["module_name"] == "stock_assets.definitions"
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["steps"][-1]["run"] == "bash .ci/run"
    assert "make test" in Path(PROJECT / ".ci" / "run").read_text()
