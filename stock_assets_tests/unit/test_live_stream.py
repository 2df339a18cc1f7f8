"""What the stream of windows says of a fault."""

import pytest

from stock_assets.domain.errors import LandingConflict
from stock_assets.live import stream

OF_JAVA = """An error occurred while calling o61.load.
: java.lang.RuntimeException: java.lang.ClassNotFoundException: Class S3AFileSystem not found
\tat org.apache.hadoop.conf.Configuration.getClass(Configuration.java:2737)
Caused by: java.lang.ClassNotFoundException: Class S3AFileSystem not found
\t... 21 more"""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Exception(OF_JAVA), "java.lang.ClassNotFoundException: Class S3AFileSystem not found"),
        (OSError("Generic S3 error\n  ↳ tcp connect error\n  ↳ Connection refused"), "Generic S3 error"),
        (LandingConflict("others kept committing: give way"), "others kept committing: give way"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_fault_is_one_sentence_its_cause(error: Exception, sentence: str) -> None:
    assert stream._sentence(error) == sentence
