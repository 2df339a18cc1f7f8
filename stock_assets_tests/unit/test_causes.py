"""Of a failure the line that says why, not the last one of its trace."""

from stock_assets.local.causes import first_cause

JAVA = """[2026-11-27 08:00:00,123] ERROR Exiting Kafka due to fatal exception (kafka.Kafka$)
java.lang.RuntimeException: Could not start
\tat kafka.server.KafkaServer.startup(KafkaServer.scala:1)
Caused by: java.nio.file.NoSuchFileException: /data/Zoë/meta.properties
\tat java.base/sun.nio.fs.UnixException.translateToIOException(Unknown Source)
\t... 12 more
"""
UNCAUSED = (
    'Exception in thread "main" java.net.BindException: Address already in use\n\tat java.base/x.Net.bind0(Net)\n'
)
PYTHON = """Traceback (most recent call last):
  File "server.py", line 1, in <module>
ValueError: the database is of another version

During handling of the above exception, another exception occurred:

duckdb.duckdb.IOException: IO Error: disk full
"""


def test_the_innermost_cause_of_java_is_told() -> None:
    assert first_cause(JAVA) == "java.nio.file.NoSuchFileException: /data/Zoë/meta.properties"
    assert first_cause(UNCAUSED) == "java.net.BindException: Address already in use"


def test_the_last_error_of_python_is_told() -> None:
    assert first_cause(PYTHON) == "duckdb.duckdb.IOException: IO Error: disk full"


def test_without_a_trace_the_last_words_are_told() -> None:
    assert first_cause("starting\nno space left on device\n\n") == "no space left on device"
    assert first_cause("") == "it said nothing"
