"""Nobody is left without a line for long."""

from __future__ import annotations

import threading

import pytest

from stock_assets.local import progress
from stock_assets.local.progress import Narrator, telling


def test_what_goes_on_is_told_while_it_does_and_not_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SILENCE_S", 0.001)
    lines, enough = [], threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            enough.set()

    with telling(say, lambda seconds: f"{seconds >= 0}"):
        assert enough.wait(60)
    told = len(lines)
    assert set(lines) == {"True"}
    assert not any(thread.name == "progress" for thread in threading.enumerate())
    assert len(lines) == told


def test_it_ends_with_a_body_that_fails() -> None:
    with pytest.raises(KeyError), telling(print, str):
        raise KeyError
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_a_silence_is_filled_once_it_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    lines: list[str] = []
    say = Narrator(lines.append)
    say.fill(lambda: "too early")
    now += progress.SILENCE_S
    say.fill(lambda: "at work")
    say.fill(lambda: "said already")
    now += progress.SILENCE_S - 0.1
    say("done")
    now += 0.2
    say.fill(lambda: "too early")
    assert lines == ["at work", "done"]
