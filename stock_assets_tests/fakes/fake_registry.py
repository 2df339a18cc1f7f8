"""subjects and schemas -> Confluent's Schema Registry, for the real HTTP client.

Belongs here: a server on loopback that answers the calls of publishers and of the doctor with Confluent's statuses, error codes
and texts, applies its rules for open JSON Schemas (properties only), answers faults on demand, and records what was asked.
Does not belong here: formats other than JSON Schema, references, deleting.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from stock_assets_tests.fakes.serving import QuietHandler, QuietServer, serving

Answer = tuple[int, Any]
"""HTTP status and body; bytes go out as HTML, all else as JSON."""

STORE_FAULT: Answer = (500, {"error_code": 50001, "message": "Error in the backend data store"})
NO_LEADER: Answer = (503, {"error_code": 50304, "message": "Leader not known"})
INVALID: Answer = (422, {"error_code": 42201, "message": "Input schema is an invalid JSON schema"})
HTML: Answer = (200, b"<html>welcome</html>")
NOT_FOUND: Answer = (404, b"<html>not found</html>")
ELSEWHERE: Answer = (302, b"")


@dataclass
class FakeRegistry:
    """A running server; everything may be changed at any time.

    Attributes:
        login: key and secret that it wants; none when empty.
        subjects: per subject, the ids of its versions, the first first.
        schemas: per id, the text of the schema.
        levels: compatibility per subject, where it differs from BACKWARD.
        requests: method and path of each, in order.
    """

    url: str = ""
    login: tuple[str, str] | None = None
    subjects: dict[str, list[int]] = field(default_factory=dict)
    schemas: dict[int, str] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    faults: list[Answer] = field(default_factory=list)

    def registrations(self) -> int:
        """How often somebody asked to register a schema."""
        return sum(request.startswith("POST /subjects/") and request.endswith("/versions") for request in self.requests)

    def register(self, subject: str, schema: dict[str, Any]) -> int:
        """Add a version without a question."""
        text = json.dumps(schema)
        known = (number for number, stored in self.schemas.items() if json.loads(stored) == schema)
        number = next(known, 100_001 + len(self.schemas))
        self.schemas[number] = text
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        """What it says, without faults."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        subject = parts[2] if parts[0] == "compatibility" else parts[1] if len(parts) > 1 else ""
        if (method, parts[0]) == ("PUT", "config"):
            self.levels[subject] = body["compatibility"]
            return 200, body
        if parts[0] not in ("subjects", "compatibility"):
            return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}
        if method == "POST" and body.get("schemaType") != "JSON":
            return 422, {"error_code": 42201, "message": "Invalid schema type"}
        given = json.loads(body["schema"]) if method == "POST" else {}
        versions = self.subjects.get(subject, [])
        if parts[0] == "subjects" and method == "POST" and parts[2:] == ["versions"]:
            return self._registered(subject, versions, given)
        if not versions:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        if parts[0] == "compatibility":
            reasons = self._incompatible(subject, versions[-1], given)
            return 200, {"is_compatible": not reasons, "messages": reasons}
        if method == "GET":
            return 200, self._version(subject, len(versions))
        at = next((n for n, known in enumerate(versions, 1) if json.loads(self.schemas[known]) == given), None)
        if at is None:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, self._version(subject, at)

    def _registered(self, subject: str, versions: list[int], given: dict[str, Any]) -> Answer:
        known = any(json.loads(self.schemas[number]) == given for number in versions)
        reasons = [] if known or not versions else self._incompatible(subject, versions[-1], given)
        if reasons:
            told = f'Schema being registered is incompatible with an earlier schema for subject "{subject}", details: '
            return 409, {"error_code": 409, "message": told + str(reasons)}
        return 200, {"id": self.register(subject, given)}

    def _version(self, subject: str, version: int) -> dict[str, Any]:
        number = self.subjects[subject][version - 1]
        stored = {"schemaType": "JSON", "schema": self.schemas[number]}
        return {"subject": subject, "version": version, "id": number, **stored}

    def _incompatible(self, subject: str, before: int, given: dict[str, Any]) -> list[str]:
        """Confluent's verdict on properties of open objects: the writer may not lack one that the reader constrains."""
        level = self.levels.get(subject, "BACKWARD")
        old, new = json.loads(self.schemas[before]), given
        pairs = {"BACKWARD": [(old, new)], "FORWARD": [(new, old)], "FULL": [(old, new), (new, old)], "NONE": []}[level]
        found = []
        for writer, reader in pairs:
            written, read = _properties(writer), _properties(reader)
            for name in sorted(read):
                kind = "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL" if name not in written else "TYPE_CHANGED"
                if name not in written or written[name].get("type") != read[name].get("type"):
                    found.append(f'{{errorType:"{kind}", description:"... at path \'#/properties/{name}\' ..."}}')
        return [*found, f"{{oldSchemaVersion: 1}}, {{compatibility: '{level}'}}"] if found else []


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    """Those of the object that the root refers to."""
    found: dict[str, Any] = schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]["properties"]
    return found


@contextmanager
def fake_registry(tls: ssl.SSLContext | None = None) -> Iterator[FakeRegistry]:
    """A fake on a free port of 127.0.0.1."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.fake = FakeRegistry(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}")
    with serving(server, threading.Event()):
        yield server.fake


class _Server(QuietServer):
    fake: FakeRegistry


class _Handler(QuietHandler):
    server: _Server

    def do_GET(self) -> None:
        fake = self.server.fake
        fake.requests.append(f"{self.command} {self.path}")
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        wanted = fake.login and "Basic " + base64.b64encode(":".join(fake.login).encode()).decode()
        if wanted and self.headers.get("authorization") != wanted:
            self._send(401, {"error_code": 401, "message": "Unauthorized"})
        elif fake.faults:
            self._send(*fake.faults.pop(0))
        else:
            self._send(*fake.answer(self.command, urlsplit(self.path).path, json.loads(sent or b"{}")))

    do_POST = do_PUT = do_GET

    def _send(self, status: int, body: Any) -> None:
        html = isinstance(body, bytes)
        written = body if html else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html" if html else "application/vnd.schemaregistry.v1+json")
        self.send_header("content-length", str(len(written)))
        if status == 302:
            self.send_header("location", self.server.fake.url)
        self.end_headers()
        self.wfile.write(written)
