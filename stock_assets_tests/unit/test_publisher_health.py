"""A publisher's health file: what it shows, what it hides, and the verdict."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from stock_assets.domain.redaction import redacted
from stock_assets.publishers.health import FAILING_AFTER, SILENT_AFTER, HealthFile
from stock_assets_tests.fakes.clock import Clock

NOON = datetime(2026, 3, 6, 17, tzinfo=UTC)


def test_a_key_that_is_not_ours_is_hidden_where_vendors_echo_it_and_no_key_hides_nothing() -> None:
    assert redacted("detected your API key as ABCDEF123 and", [""]) == "detected your API key as *** and"
    assert redacted("/query?a=1&apikey=ABC&b=2", []) == "/query?a=1&apikey=***&b=2"
    assert redacted("nothing to hide", [""]) == "nothing to hide"
    assert redacted("a b, a%20b, a+b", ["a b"]) == "***, ***, ***"


def test_verdicts(tmp_path: Path) -> None:
    health = HealthFile(tmp_path, "vendor", now=Clock(NOON).now)
    state = health.state
    assert not health.healthy(NOON) and "never run" in health.healthy(NOON).because
    health.write()
    assert health.healthy(NOON + SILENT_AFTER) and "is starting" in health.healthy(NOON).because
    silent = health.healthy(NOON + SILENT_AFTER + timedelta(days=2))
    assert not silent and "has not been heard of for 172890 s" in silent.because
    state.state, state.waiting_until, state.last_error = "waiting", NOON + timedelta(hours=5), "spent for today"
    health.write()
    assert health.healthy(NOON).because == "vendor waits until 2026-03-06 22:00:00 UTC: spent for today"
    state.failures = FAILING_AFTER
    health.write()
    assert not health.healthy(NOON) and "5 times in a row: spent for today" in health.healthy(NOON).because
    for ended in ("stopped", "failed"):
        state.state = ended
        health.write()
        assert not health.healthy(NOON)
    health.path.write_text('{"half')
    assert health.read() is None and not health.healthy(NOON)
