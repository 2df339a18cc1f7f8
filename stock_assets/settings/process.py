"""settings -> the environment of a process, for libraries that read nothing else.

Belongs here: what the clients of S3 read (delta-rs, boto3, Spark's start), what dbt reads, and that nothing on loopback
is asked through a proxy. A program says once, where it begins, that it wants this; loading settings changes nothing.
Does not belong here: which settings there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stock_assets.settings.env_file import read_env_file
from stock_assets.settings.lake import LOCAL_KEY, LOCAL_SECRET
from stock_assets.settings.platform import Settings

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


def export(settings: Settings) -> Settings:
    """Give this process, and those that it starts, the environment that its libraries need; returns the settings."""
    os.environ.update(environment(settings))
    return settings


def load_and_export(**given: str) -> Settings:
    """``Settings.load`` for a program that begins; ``given`` wins over file and environment.

    Raises:
        PermanentError: ``.env`` or a value of it cannot be read.
    """
    return export(Settings.load(**given))


def load_with_file(file: Path) -> Settings:
    """As ``load_and_export``, where no ``.env`` is yet and ``file`` will be it.

    Raises:
        PermanentError: the file or a value of it cannot be read.
    """
    return load_and_export(**{n: text for n, text in read_env_file(file, os.environ).items() if n not in os.environ})


def environment(settings: Settings) -> dict[str, str]:
    """What a process of the platform finds in its environment beside what is there."""
    return {**s3_environment(settings), **loopback_environment(settings)}


@contextmanager
def dbt_variables(settings: Settings) -> Iterator[None]:
    """Have a program that is started meanwhile find ``dbt_environment``, for a starter that hands on no environment."""
    given = dbt_environment(settings)
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def dbt_environment(settings: Settings) -> dict[str, str]:
    """What ``warehouse_models/profiles.yml`` asks for, and where dbt may write. A token signs in where a password would."""
    place, folder = settings.snowflake, settings.local_dir / "dbt"
    return {
        "DBT_SNOWFLAKE_ACCOUNT": place.account,
        "DBT_SNOWFLAKE_USER": place.user,
        "DBT_ENV_SECRET_SNOWFLAKE_PASSWORD": "" if place.key_path else place.token or place.password,
        "DBT_SNOWFLAKE_AUTHENTICATOR": place.authenticator,
        "DBT_SNOWFLAKE_PRIVATE_KEY_PATH": place.key_path,
        "DBT_ENV_SECRET_SNOWFLAKE_PASSPHRASE": place.key_passphrase,
        "DBT_SNOWFLAKE_ROLE": place.dbt_role,
        "DBT_SNOWFLAKE_DATABASE": place.database,
        "DBT_SNOWFLAKE_SCHEMA": place.schema,
        "DBT_SNOWFLAKE_WAREHOUSE": place.warehouse,
        "DBT_SNOWFLAKE_HOST": place.host,
        "DBT_SNOWFLAKE_PORT": str(place.port),
        "DBT_SNOWFLAKE_PROTOCOL": place.protocol,
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }


def loopback_environment(settings: Settings) -> dict[str, str]:
    """``NO_PROXY`` in both spellings, with this machine's own names added to those that are in it."""
    named = [each.strip() for each in settings.local.direct_hosts.split(",") if each.strip()]
    if "*" in named:
        return {}
    hosts = ",".join(dict.fromkeys((*named, *LOOPBACK_HOSTS)))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def s3_environment(settings: Settings) -> dict[str, str]:
    """The ``AWS_*`` variables of a lake on S3: those that are set, and what they and ``STORE`` imply."""
    if not settings.lake_on_s3:
        return {}
    lake = settings.lake
    given = {
        name: text for name in settings.values if name.startswith("AWS_") and (text := settings.values[name].strip())
    }
    # a commit is a put that is refused when the version exists already
    implied = {"AWS_CONDITIONAL_PUT": lake.conditional_put}
    if settings.s3_endpoint:
        # its clients ask for a region even where there is none; each reads another of the two names
        region = lake.region or lake.default_region or "us-east-1"
        implied |= {"AWS_ENDPOINT_URL": settings.s3_endpoint, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    if settings.s3_endpoint.startswith("http://"):
        implied["AWS_ALLOW_HTTP"] = lake.allow_http or "true"
    if lake.store == "minio":
        implied["AWS_ACCESS_KEY_ID"] = lake.key or LOCAL_KEY
        implied["AWS_SECRET_ACCESS_KEY"] = lake.secret or LOCAL_SECRET
    return given | implied
