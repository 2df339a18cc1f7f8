"""Nobody is left without a line for long."""

from __future__ import annotations

import threading

import pytest

from stock_assets.local import progress
from stock_assets.local.progress import telling


def test_what_goes_on_is_told_while_it_does_and_not_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SILENCE_S", 0.001)
    lines, enough = [], threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            enough.set()

    with telling(say, lambda seconds: f"{seconds >= 0}"):
        assert enough.wait(60)
    assert set(lines) == {"True"}
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_it_ends_with_a_body_that_fails() -> None:
    with pytest.raises(KeyError), telling(print, str):
        raise KeyError
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_nothing_is_filled_in_where_the_body_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SILENCE_S", 3600.0)
    lines: list[str] = []
    with telling(lines.append, str) as report:
        report("done")
    assert lines == ["done"]
