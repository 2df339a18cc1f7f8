"""``stock-assets produce raw``: what is in the file is in the topic, byte for byte."""

import base64
import uuid
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.domain.errors import BadRecord, PermanentError
from stock_assets.settings.kafka import Broker
from stock_assets.topic.consume import RangeReader
from stock_assets.topic.topics import Topic, topic_state
from stock_assets_tests.services.landing_records import create


@pytest.fixture
def ticks(kafka: Broker, admin: KafkaAdminClient, monkeypatch: pytest.MonkeyPatch) -> Topic:
    """The ticks' topic, under a name of the test's own."""
    topic = create(admin, f"ticks-{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("KAFKA_TICKS_TOPIC", topic.name)
    return topic


def held(kafka: Broker, topic: Topic) -> dict[int, list[bytes | None]]:
    state = topic_state(kafka, topic)
    assert state is not None
    found: dict[int, list[bytes | None]] = {p: [] for p in state.end}
    reader = RangeReader(kafka, topic, dict.fromkeys(state.end, 0), state.end)
    for chunk in reader.chunks():
        found[chunk.partition].extend(chunk.values)
    reader.close()
    return found


def test_lines_are_published_as_they_are(kafka: Broker, ticks: Topic, tmp_path: Path) -> None:
    lines = [b'{"half":', b"1}", b"", b"\xff\xfe", b" x \r", b"[" * 2000]
    file = tmp_path / "records"
    file.write_bytes(b"\n".join([*lines, b""]))
    done = CliRunner().invoke(app, ["produce", "raw", "ticks", str(file), "--partition", "1"], catch_exceptions=False)
    assert done.output == f"published 6 records to {ticks.name}, each acknowledged by the broker\n"
    assert held(kafka, ticks) == {0: [], 1: lines}
    records = [b"a\nb", b"\0\0\0\0\1{}"]
    encoded = b"\n".join(map(base64.b64encode, records))
    given = ["produce", "raw", "ticks", "-", "--base64"]
    assert CliRunner().invoke(app, given, input=encoded, catch_exceptions=False).output.startswith("published 2 ")
    found = held(kafka, ticks)
    assert sorted([*found[0], *found[1][6:]], key=str) == sorted(records, key=str)


@pytest.mark.parametrize(
    ("words", "fault", "sentence"),
    [
        (["shares", "-"], PermanentError, "'shares' is none of actions, bars, ticks"),
        (["ticks", "no-such-file"], PermanentError, "there is no file no-such-file"),
        (["ticks", "-", "--base64"], BadRecord, "line 1: no base64"),
    ],
)
def test_mistakes_are_sentences(ticks: Topic, words: list[str], fault: type[Exception], sentence: str) -> None:
    raised = CliRunner().invoke(app, ["produce", "raw", *words], input=b"{}\n").exception
    assert isinstance(raised, fault) and sentence in str(raised)
