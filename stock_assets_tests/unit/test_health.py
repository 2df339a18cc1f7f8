"""`stock-assets health`: the one list of facts for programs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.observability import facts as facts_module
from stock_assets.observability.fact import Fact

WELL = Fact("service", "kafka", False, "answers at 127.0.0.1:9092")
ILL = Fact("records_waiting", "ticks", True, "3 records wait", "`stock-assets up`", 3.0, "records")


@pytest.mark.parametrize(("facts", "status"), [([WELL], 0), ([WELL, ILL], 1)])
def test_it_is_the_list_of_facts_and_the_exit_status_tells(
    facts: list[Fact], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "facts", lambda _: facts)
    done = CliRunner().invoke(app, ["health", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["healthy"]) == (status, not status)
    assert [Fact(**each) for each in told["facts"]] == facts
    done = CliRunner().invoke(app, ["health"])
    assert done.exit_code == status and "answers" not in done.stdout
    assert ("3 records wait" in done.stdout) == bool(status)
