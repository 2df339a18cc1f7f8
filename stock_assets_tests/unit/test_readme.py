"""README and docs are true: their commands exist, their settings are read, their links lead somewhere."""

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
from stock_assets_tests.checkout import PROJECT, documentation_pages

PAGES = {str(page.relative_to(PROJECT)): page.read_text() for page in documentation_pages()}
TEXT = "\n".join(PAGES.values())
COMMANDS = re.findall(r"\.venv/bin/(stock-assets [^`\n#]+)|`(stock-assets [^`]+)`", TEXT)
GROUPS = {"alerts", "produce", "quarantine", "serving", "warehouse"}
MAKE_TARGETS = set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))
SETTINGS = PROJECT / "docs" / "settings.md"
LINKS = [
    (name, link) for name, text in PAGES.items() for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link
]


def test_commands_were_found() -> None:
    assert len(COMMANDS) >= 40 and len(LINKS) >= 20
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
    assert written(SETTINGS.read_text()) == SETTINGS.read_text(), "run `make docs`"
    assert example() == (PROJECT / ".env.example").read_text(), "run `make docs`"


def test_each_setting_is_told_once() -> None:
    names = [name for owner in OWNERS.values() for name in owner.variables()]
    assert len(names) == len(set(names)) > 70
    for owner in OWNERS.values():
        for name, field in owner.variables().items():
            assert field.description, name
            assert not field.json_schema_extra["listed"] or f"`{name}`" in SETTINGS.read_text()


def test_the_example_is_a_file_that_can_be_read_and_sets_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(example())
    assert read_env_file(file, {}) == {}
    file.write_text(re.sub("^#([A-Z])", r"\1", example(), flags=re.MULTILINE))
    told = read_env_file(file, {})
    for owner in OWNERS.values():
        owner.of({name: text for name, text in told.items() if name != "SCHEMA_REGISTRY_URL"})


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].split()) <= 900


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_each_link_leads_to_a_file_and_a_heading(page: str, link: str) -> None:
    path, _, heading = link.partition("#")
    target = (PROJECT / page).parent / path if path else PROJECT / page
    assert target.stat().st_size > (10_000 if path.endswith(".png") else 100)
    if heading:
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        assert heading in {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


def test_workspace_and_workflow_are_what_dagster_and_ci_read() -> None:
    workspace = yaml.safe_load((PROJECT / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"]["module_name"] == "stock_assets.definitions"
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["steps"][-1]["run"] == "bash .ci/run"
    assert "make test" in Path(PROJECT / ".ci" / "run").read_text()
