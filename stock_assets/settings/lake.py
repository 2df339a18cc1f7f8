"""names and texts -> settings of the lake.

Belongs here: where the lake is, what opens it, and how its files are kept.
Does not belong here: reading and writing it (``stock_assets.lake``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import field_validator

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.owner import Lower, Owner, setting

LOCAL_LAKE = "s3://stock-assets/lake"
LOCAL_KEY, LOCAL_SECRET = "stock-assets", "stock-assets-local"
"""Root of the lake on the embedded MinIO, and what opens that; it listens on loopback only."""


class LakeSettings(Owner):
    """Where the lake is and how its files are kept. Amazon's own variables are passed on as they are."""

    store: Annotated[Literal["folder", "minio"], Lower] = setting(
        "STORE", "folder", "`minio` puts the lake on an embedded MinIO"
    )
    root: str = setting(
        "LAKE_ROOT",
        "",
        "root of the lake: a folder or `s3://bucket/prefix`",
        shown="`.local/lake`; with MinIO `s3://stock-assets/lake`",
        example="s3://bucket/prefix",
    )
    endpoint: str = setting(
        "AWS_ENDPOINT_URL",
        "",
        "where S3 is, for a lake there",
        shown="Amazon's; the embedded MinIO",
        example="http://127.0.0.1:9000",
    )
    allow_http: str = setting("AWS_ALLOW_HTTP", "", "whether S3 may be reached over http", shown="as the endpoint says")
    key: str = setting("AWS_ACCESS_KEY_ID", "", "key; the embedded MinIO takes it as its own", shown="as Amazon's SDKs")
    secret: str = setting("AWS_SECRET_ACCESS_KEY", "", "its secret", shown="as Amazon's SDKs", repr=False)
    region: str = setting("AWS_REGION", "", "region", shown="with an endpoint `us-east-1`", example="us-east-1")
    default_region: str = setting("AWS_DEFAULT_REGION", "", "the same: either name will do", shown="as `AWS_REGION`")
    conditional_put: str = setting("AWS_CONDITIONAL_PUT", "etag", "how Delta commits are kept apart")
    compaction_target_mb: float = setting("COMPACTION_TARGET_MB", 128.0, "size of a compacted file, in MB", gt=0)
    compaction_min_files: int = setting(
        "COMPACTION_MIN_FILES", 8, "small files of one Kafka partition from which on a session is compacted", ge=2
    )
    vacuum_keep_days: int = setting(
        "VACUUM_KEEP_DAYS", 7, "days that time travel in the lake must reach, older files are deleted; 7 at least", ge=7
    )

    @property
    def compaction_target_bytes(self) -> int:
        """Size that compaction of a raw table aims at for its files."""
        return int(self.compaction_target_mb * 1024 * 1024)

    @field_validator("root")
    @classmethod
    def _known_scheme(cls, text: str) -> str:
        scheme, found, rest = text.partition("://")
        if not found:
            return text
        if scheme.lower() not in ("s3", "s3a"):
            raise ValueError(f"must be a folder or s3://bucket/prefix, not {text!r}")
        if not rest.strip("/"):
            raise ValueError(f"names no bucket: {text!r}")
        return f"s3://{rest}"

    def absolute_root(self, home: Path, local_dir: Path) -> str:
        """The root as every engine understands it: ``s3://...``, or an absolute folder; relative ones start at ``home``.

        Raises:
            PermanentError: the folder has % in its name, which delta-rs takes for an escape.
        """
        if not self.root:
            return LOCAL_LAKE if self.store == "minio" else str(local_dir / "lake")
        if self.root.startswith("s3://"):
            return self.root
        folder = str(absolute(self.root, home))
        if "%" in folder:
            raise PermanentError(f"LAKE_ROOT must have no % in its name, which delta-rs takes for an escape: {folder}")
        return folder


def absolute(text: str, home: Path) -> Path:
    """A path of the settings, from ``home`` unless it is absolute; ``~`` is the user's folder."""
    return (home / Path(text).expanduser()).resolve()
