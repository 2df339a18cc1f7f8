"""topic, schema registry -> the frame its values begin with; a framed value -> its JSON.

Belongs here: the wire format and the few REST calls of Confluent's Schema Registry (others speak them too): registering the
JSON Schema of a message kind under ``<topic>-value``, and telling how that stands to what is registered.
Does not belong here: the schemas (``domain.messages``), and whether a record is good (``landing.decode``).

A frame is byte 0, the schema's id in four bytes, and then the JSON. The calls are made with ``requests``: the client that
``confluent-kafka`` brings needs an HTTP client, an OAuth library and a cache that nothing else here does.

Which changes a registry lets pass is its own setting and is left alone. Our schemas are open (other fields may be there), since
the landing keeps what it does not know. Of such a schema, the usual level BACKWARD refuses each further property, also an
optional one (PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL): a record written before might hold that name with another type. (Newer
registries know a lenient policy, which lets it pass.) FORWARD lets it pass and refuses what would break older readers: a field of
another type, and any that is gone.
"""

from __future__ import annotations

import json
import struct
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.domain.messages import Message, json_schema
from stock_assets.domain.redaction import redacted
from stock_assets.settings.kafka import Registry
from stock_assets.topic.topics import Topic

if TYPE_CHECKING:
    from requests import Response

MAGIC = b"\0"
FRAME_BYTES = 5
ATTEMPTS = 4
PAUSE_S = 0.5
"""About the first pause between two attempts; each may be twice as long as the one before."""
_CONNECT_S, _ANSWER_S = 5.0, 15.0
_KIND = "application/vnd.schemaregistry.v1+json"


def unframed(value: bytes) -> bytes:
    """The value without its frame; without a whole one as it is. No JSON text begins with byte 0."""
    return value[FRAME_BYTES:] if value[:1] == MAGIC and len(value) >= FRAME_BYTES else value


def frame_of(registry: Registry | None, topic: Topic) -> bytes:
    """What values of a topic begin with: nothing without a registry, else its schema is registered, once per process.

    Raises:
        PermanentError: the registry refuses the schema, or us; the text says what to do.
        ServiceUnavailable: it does not answer.
    """
    return _registered(registry, topic.name, topic.message) if registry else b""


def standing(registry: Registry, topic: Topic) -> str:
    """How our schema stands to what is registered for the topic; changes nothing.

    Where it is registered and not the latest, others publish by one that the registry let pass after it. Both ways round a
    registry does not compare: it would call ours incompatible only because it lacks what is new.

    Raises:
        PermanentError: the registry would refuse our schema, or refuses us; the text says what to do.
        ServiceUnavailable: it does not answer.
    """
    subject, ours = _subject(topic.name), _stated(topic.message)
    latest = _ask(registry, f"subjects/{subject}/versions/latest")
    if latest is None:
        return f"{subject}: nothing is registered yet, the first publisher does it"
    found = _ask(registry, f"subjects/{subject}", ours)
    if found is not None:
        version, newest = found.get("version"), latest.get("version")
        return f"{subject}: ours is version {version}" + (
            "" if version == newest else f"; others publish by version {newest}"
        )
    verdict = _ask(registry, f"compatibility/subjects/{subject}/versions/latest?verbose=true", ours) or {}
    if not verdict.get("is_compatible"):
        raise _incompatible(registry, subject, "; ".join(map(str, verdict.get("messages") or ())))
    return f"{subject}: ours fits version {latest.get('version')}, the next publisher registers it"


@cache
def _registered(registry: Registry, topic_name: str, kind: type[Message]) -> bytes:
    subject = _subject(topic_name)
    answer = _ask(registry, f"subjects/{subject}/versions", _stated(kind))
    if answer is None or not isinstance(answer.get("id"), int):
        raise _no_registry(registry, "what it says of a new schema holds no id")
    return MAGIC + struct.pack(">I", answer["id"])


def _subject(topic_name: str) -> str:
    return quote(f"{topic_name}-value", safe="")


def _stated(kind: type[Message]) -> dict[str, str]:
    return {"schemaType": "JSON", "schema": json.dumps(json_schema(kind))}


def _ask(registry: Registry, path: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
    """The registry's answer; None when it does not know the subject or schema asked for."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception_type(ServiceUnavailable),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=PAUSE_S, max=5),
        reraise=True,
    )
    return retrying(_ask_once, registry, path, body)


def _ask_once(registry: Registry, path: str, body: dict[str, str] | None) -> dict[str, Any] | None:
    import requests

    try:
        answer = requests.request(
            "POST" if body else "GET",
            f"{registry.url}/{path}",
            data=json.dumps(body) if body else None,
            headers={"Accept": f"{_KIND}, application/json", "Content-Type": _KIND},
            auth=(_as_utf8(registry.key), _as_utf8(registry.secret)) if registry.key else None,
            timeout=(_CONNECT_S, _ANSWER_S),
            verify=registry.ca_file or True,
            allow_redirects=False,  # they would carry the login elsewhere, or make a GET of a POST
        )
    except requests.exceptions.SSLError as broken:
        raise PermanentError(
            f"no TLS connection to the schema registry at {registry}: check KAFKA_SSL_CA_FILE ({broken})"
        ) from broken
    except ValueError as broken:
        raise PermanentError(f"SCHEMA_REGISTRY_URL is no address: {broken}") from broken
    except requests.RequestException as broken:
        raise ServiceUnavailable(f"no schema registry answers at {registry} ({broken})") from broken
    except OSError as broken:
        raise PermanentError(f"KAFKA_SSL_CA_FILE cannot be read for the schema registry: {broken}") from broken
    return _understood(registry, path, answer)


def _as_utf8(text: str) -> str:
    """``requests`` writes a login in Latin-1, and fails on what that lacks; registries read UTF-8."""
    return text.encode().decode("latin-1")


def _understood(registry: Registry, path: str, answer: Response) -> dict[str, Any] | None:
    try:
        told = answer.json()
    except ValueError:
        told = None
    told = told if isinstance(told, dict) else {}
    status, code = answer.status_code, told.get("error_code")
    reason = redacted(str(told.get("message") or answer.reason), [registry.secret])
    if status == 200 and told:
        return told
    if status == 404 and str(code).startswith("404") and code != 404:  # with a plain 404, the path itself is not known
        return None
    if status in (429, 500, 502, 503, 504):
        raise ServiceUnavailable(f"the schema registry at {registry} has a fault of its own, {status}: {reason}")
    if status in (401, 403):
        raise PermanentError(
            f"the schema registry at {registry} refuses the login of {registry.key!r}, {status}: check SCHEMA_REGISTRY_KEY "
            f"and SCHEMA_REGISTRY_SECRET, and what that key may do"
        )
    subject = path.split("subjects/")[1].split("/")[0]
    if status == 409:
        raise _incompatible(registry, subject, reason)
    if status == 422:
        raise PermanentError(
            f"the schema registry at {registry} cannot take the schema of {subject}: {reason}; it must know JSON Schema, as "
            "Confluent's does from version 5.5 on"
        )
    raise _no_registry(registry, f"{status} {reason}")


def _incompatible(registry: Registry, subject: str, reason: str) -> PermanentError:
    return PermanentError(
        f"the schema registry at {registry} refuses our schema of {subject} as incompatible with what is registered: "
        f"{reason or 'it gives no reason'}. If fields were only added, allow that there: PUT /config/{subject} with "
        '{"compatibility": "FORWARD"}; else publish with the version of this program that registered it'
    )


def _no_registry(registry: Registry, reason: str) -> PermanentError:
    return PermanentError(
        f"what answers at {registry} is no schema registry ({reason}): check SCHEMA_REGISTRY_URL, with the path if it has one"
    )
