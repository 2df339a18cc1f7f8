"""root of the lake -> its bucket and its files.

Belongs here: what is asked of the object store itself: whether it answers and lets us in, whether the bucket is there,
which files there are. Boto3 reads endpoint, region and keys from the environment, where a program puts them as it begins (``settings.process``).
Does not belong here: tables and their commits (``tables`` and beyond); delta-rs and Spark reach the store by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.settings.process import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

SCHEME = "s3://"
_MISSING = ("404", "NoSuchBucket")
_OURS_ALREADY = ("BucketAlreadyOwnedByYou",)
_REFUSED = ("400", "401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")
_ELSEWHERE = ("301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
_BUSY = ("503", "SlowDown", "ServiceUnavailable", "ThrottlingException", "RequestLimitExceeded")
_CLOCK = ("RequestTimeTooSkewed", "RequestExpired")
_existing: set[str] = set()
"""Buckets this process has seen: they do not vanish under a running platform, and asking costs a request."""


@dataclass(frozen=True)
class LakeFile:
    """A file of the lake: its path below the root, and its size in bytes."""

    path: str
    size: int


def is_s3(root: str) -> bool:
    """Whether the root is in a bucket; else it is a folder."""
    return root.startswith(SCHEME)


def bucket_and_prefix(root: str) -> tuple[str, str]:
    """``s3://bucket/a/b/`` -> ``bucket`` and ``a/b/``; the prefix of a whole bucket is empty.

    Raises:
        PermanentError: the root names no bucket.
    """
    bucket, _, path = root.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise PermanentError(f"{root} names no bucket; set LAKE_ROOT to s3://bucket/prefix.")
    path = path.strip("/")
    return bucket, f"{path}/" if path else ""


def connect(connect_s: float = 5, attempts: int = 4) -> Any:
    """A client that does not make its caller wait for minutes when nobody answers."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=connect_s, read_timeout=60, retries={"total_max_attempts": attempts, "mode": "standard"}
    )
    session = boto3.session.Session()  # the default one would remember keys that were changed since
    with _sentences("", None):
        client = session.client("s3", config=config)
        if not client.meta.endpoint_url.endswith("amazonaws.com"):
            # a bucket as a part of the host's name is Amazon's affair: elsewhere that name leads nowhere
            client = session.client("s3", config=config.merge(Config(s3={"addressing_style": "path"})))
    return client


def bucket_exists(root: str, client: Any = None) -> bool:
    """Whether the root's bucket is there; a folder always is.

    Raises:
        ServiceUnavailable: the object store does not answer.
        PermanentError: it refuses the keys.
    """
    if not is_s3(root):
        return True
    bucket, _ = bucket_and_prefix(root)
    if bucket not in _existing:
        if not ask(root, client or connect()):
            return False
        _existing.add(bucket)
    return True


def ask(root: str, client: Any) -> bool:
    """Whether the store has the root's bucket now, whatever this process saw before.

    Raises:
        ServiceUnavailable: the object store does not answer.
        PermanentError: it refuses the keys.
    """
    bucket, _ = bucket_and_prefix(root)
    with _sentences(bucket, client) as failures:
        # not a HEAD, whose answer has no room for the reason of a refusal
        client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    return not failures


def create_bucket(root: str, client: Any = None) -> bool:
    """Create the root's bucket, or the folder, when it is missing; tells whether it was.

    Raises:
        ServiceUnavailable: the object store does not answer.
        PermanentError: it refuses the keys.
    """
    if not is_s3(root):
        missing = not Path(root).is_dir()
        Path(root).mkdir(parents=True, exist_ok=True)
        return missing
    client = client or connect()
    if bucket_exists(root, client):
        return False
    bucket, _ = bucket_and_prefix(root)
    region = client.meta.region_name
    elsewhere = {} if region in (None, "us-east-1", "aws-global") else {"LocationConstraint": region}
    with _sentences(bucket, client) as failures:
        client.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": elsewhere} if elsewhere else {}))
    _existing.add(bucket)
    return not failures


def files(root: str, prefix: str = "", client: Any = None) -> Iterator[LakeFile]:
    """The lake's files whose path below the root begins with ``prefix``, by path; none when there is no lake yet.

    Raises:
        ServiceUnavailable: the object store does not answer.
        PermanentError: it refuses the keys.
    """
    if not is_s3(root):
        yield from _files_of_folder(Path(root), prefix)
        return
    client = client or connect()
    if not bucket_exists(root, client):
        return
    bucket, path = bucket_and_prefix(root)
    with _sentences(bucket, client):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{path}{prefix}"):
            for entry in page.get("Contents", ()):
                if entry["Key"].endswith("/"):
                    continue  # Spark's mark of an empty folder, which a bucket does not know
                yield LakeFile(entry["Key"].removeprefix(path), entry["Size"])


def _files_of_folder(root: Path, prefix: str) -> Iterator[LakeFile]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name.startswith(prefix):
            yield LakeFile(name, path.stat().st_size)


def _region_of(error: ClientError) -> str:
    """Where the answer says that the bucket is; empty when it does not."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region") or "")


@contextmanager
def _sentences(bucket: str, client: Any) -> Iterator[list[str]]:
    """Failures of the client as sentences without keys; that the bucket is missing, or ours already, is only noted."""
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, NoCredentialsError

    where = client.meta.endpoint_url if client is not None else "AWS_ENDPOINT_URL"
    noted: list[str] = []
    try:
        yield noted
    except NoCredentialsError:
        raise PermanentError(
            f"The object store at {where} wants keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from None
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in (*_MISSING, *_OURS_ALREADY):
            noted.append(code)
        elif code in _ELSEWHERE and (region := _region_of(error)):
            raise PermanentError(
                f"The bucket {bucket} is in the region {region}, not in {client.meta.region_name}: set AWS_REGION={region}."
            ) from None
        elif code in _CLOCK:
            raise PermanentError(
                f"The object store at {where} refuses requests by this machine's clock ({code}): set the clock right."
            ) from None
        elif code in _BUSY:
            raise ServiceUnavailable(
                f"The object store at {where} is busy ({code}); it was asked several times."
            ) from None
        elif code in _REFUSED:
            raise PermanentError(
                f"The object store at {where} refuses access to the bucket {bucket} ({code}): check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY and the bucket in LAKE_ROOT."
            ) from None
        else:
            raise ServiceUnavailable(f"The object store at {where} failed on the bucket {bucket}: {code}.") from None
    except (ConnectionError, HTTPClientError):
        cure = "check that it runs, and AWS_ENDPOINT_URL"
        if urlsplit(where).hostname in LOOPBACK_HOSTS:
            cure = "start the embedded one with `stock-assets up minio`, or correct AWS_ENDPOINT_URL"
        raise ServiceUnavailable(f"No object store answers at {where}: {cure}.") from None
    except (BotoCoreError, ValueError) as error:
        raise PermanentError(
            f"The object store at {where} cannot be used: {error}; check the AWS_* settings."
        ) from None
