"""``stock-assets land``: a topic that cannot be landed does not hold back the others."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.domain.errors import LostOffsets, ServiceUnavailable, StockAssetsError
from stock_assets.landing import commit as landing
from stock_assets.topic.topics import TOPICS, Topic


@pytest.mark.parametrize("fault", [LostOffsets("offsets 3 to 7 are gone"), ServiceUnavailable("no broker")])
@pytest.mark.parametrize("stopped", sorted(TOPICS))
def test_the_other_topics_are_landed_and_the_fault_is_said(
    stopped: str, fault: StockAssetsError, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = []

    def land(root: str, broker: Any, topic: Topic, *more: Any) -> Iterator[Any]:
        if topic.stage == stopped:
            raise fault
        landed.append(topic.stage)
        yield from ()

    monkeypatch.setattr(landing, "land", land)
    done = CliRunner().invoke(app, ["land"])
    assert done.exit_code == 1
    assert done.stderr == f"{TOPICS[stopped].name}: {fault}\n"
    assert sorted([*landed, stopped]) == sorted(TOPICS)
