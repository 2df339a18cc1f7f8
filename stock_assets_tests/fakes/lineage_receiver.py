"""a receiver of OpenLineage's events on loopback, and what every event must have.

Belongs here: keeping what is posted, answering as a test wants, and OpenLineage's rules as far as the client does not ship them.
Does not belong here: what a run should tell (the tests).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jsonschema

Event = dict[str, Any]
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {"_schemaURL": {"pattern": "^https://openlineage.io/spec/facets/"}},
    },
}
NAMED = {"namespace": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}}
DATASETS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["namespace", "name"],
        "properties": {**NAMED, "facets": FACETS, "inputFacets": FACETS, "outputFacets": FACETS},
    },
}
RULES = {
    "type": "object",
    "required": ["eventType", "eventTime", "producer", "schemaURL", "run", "job"],
    "properties": {
        "eventType": {"enum": ["START", "COMPLETE", "FAIL", "ABORT"]},
        "eventTime": {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"},
        "producer": {"pattern": "^https://"},
        "run": {
            "type": "object",
            "required": ["runId"],
            "properties": {"runId": {"pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}, "facets": FACETS},
        },
        "job": {"type": "object", "required": ["namespace", "name"], "properties": {**NAMED, "facets": FACETS}},
        "inputs": DATASETS,
        "outputs": DATASETS,
    },
}
"""What the specification requires of an event, and the kinds that this platform sends."""


class FakeReceiver:
    """``answers`` are the statuses of the next requests, then 201; ``bodies`` what it took, ``requests`` how often it was asked."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[int] = []
        self.requests = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def events(self) -> list[Event]:
        """What it took; each follows the rules."""
        events = [json.loads(body) for body in self.bodies]
        for event in events:
            jsonschema.validate(event, RULES)
        return events

    @contextmanager
    def listening(self, port: int = 0) -> Iterator[FakeReceiver]:
        """Answer at a port, or at one that is free."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fake.requests += 1
                status = fake.answers.pop(0) if fake.answers else 201
                if self.path == "/api/v1/lineage" and status == 201:
                    fake.bodies.append(body)
                    fake.headers.append(dict(self.headers))
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = server.server_port
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
