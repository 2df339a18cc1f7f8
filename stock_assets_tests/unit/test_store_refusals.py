"""Each way in which S3 refuses is told in its own words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.lake import store
from stock_assets_tests.fakes.serving import QuietHandler, QuietServer, serving


@contextmanager
def refusing(status: int, code: str, region: str = "") -> Iterator[str]:
    """The address of an S3 that answers every request with one refusal."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
            self.send_response(status)
            if region:
                self.send_header("x-amz-bucket-region", region)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":  # HTTP has no room for it there
                self.wfile.write(body)

        do_HEAD = do_PUT = do_GET

    server = QuietServer(("127.0.0.1", 0), Handler)
    with serving(server, threading.Event()):
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("status", "code", "region", "failure", "said"),
    [
        (301, "PermanentRedirect", "eu-central-1", PermanentError, "set AWS_REGION=eu-central-1"),
        (400, "AuthorizationHeaderMalformed", "eu-west-1", PermanentError, "set AWS_REGION=eu-west-1"),
        (403, "RequestTimeTooSkewed", "", PermanentError, "clock"),
        (403, "InvalidAccessKeyId", "", PermanentError, "AWS_ACCESS_KEY_ID"),
        (503, "SlowDown", "", ServiceUnavailable, "busy"),
    ],
)
def test_a_refusal_names_its_cause_and_no_other(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, region: str, failure: type[Exception], said: str
) -> None:
    monkeypatch.setattr(store, "_existing", set())
    with refusing(status, code, region) as url:
        for name, value in {
            "AWS_ENDPOINT_URL": f"{url}/",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "hunter2",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(failure) as refused:
            list(store.files("s3://prices/lake"))
    assert said in str(refused.value) and "hunter2" not in str(refused.value)
    others = {"AWS_REGION", "clock", "AWS_ACCESS_KEY_ID", "busy"} - {said, said.split("=")[0].removeprefix("set ")}
    assert not [word for word in others if word in str(refused.value)]
