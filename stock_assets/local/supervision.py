"""programs -> supervisor's configuration.

Belongs here: how supervisor is told of the programs: their environment, restarts and logs.
Does not belong here: what the programs are (programs.py), and talking to supervisor (services.py).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from stock_assets.local.java import UTF8
from stock_assets.local.program import Program, run_dir
from stock_assets.publishers.health import ENDED_FOR_GOOD, STARTED_AFTER_S
from stock_assets.settings.platform import HOME, Settings
from stock_assets.settings.process import loopback_environment, s3_environment

OPEN_S3_NAMES = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ALLOW_HTTP", "AWS_CONDITIONAL_PUT")
"""What may be told of the object store; its keys may not."""


def configuration(settings: Settings, all_programs: list[Program], socket: Path) -> str:
    """Supervisor's configuration; secrets are not in it, the services read them from ``.env`` themselves."""
    run, logs = run_dir(settings), settings.local_dir / "logs"
    places = {
        **UTF8,
        **loopback_environment(settings),
        HOME: str(settings.home),
        "STOCK_ASSETS_LOCAL": str(settings.local_dir),
        "STOCK_ASSETS_JARS": str(settings.jars_dir),
        "KAFKA_PORT": str(settings.local.kafka_port),
        "SPARK_PORT": str(settings.local.spark_port),
        "WAREHOUSE_PORT": str(settings.local.warehouse_port),
        "DAGSTER_PORT": str(settings.local.dagster_port),
        "MINIO_PORT": str(settings.local.minio_port),
        "DASHBOARD_PORT": str(settings.local.dashboard_port),
        "METRICS_PORT": str(settings.local.metrics_port),
        "POSTGRES_PORT": str(settings.local.postgres_port),
        "STORE": settings.lake.store,
        "LAKE_ROOT": settings.values.get("LAKE_ROOT", ""),
        **{name: value for name, value in s3_environment(settings).items() if name in OPEN_S3_NAMES},
    }
    head = f"""\
[supervisord]
identifier=stock-assets
nodaemon=false
umask=077
pidfile={_quiet(run / "supervisord.pid")}
logfile={_quiet(logs / "supervisord.log")}
logfile_maxbytes=1MB
logfile_backups=1
childlogdir={_quiet(logs)}

[unix_http_server]
file={_quiet(socket)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    parts = [head]
    for each in all_programs:
        # the sum makes supervisor see that a file changed which the command only names
        rendered = hashlib.sha256("".join(each.files.values()).encode()).hexdigest()[:12]
        environment = {**places, **each.environment, "STOCK_ASSETS_SERVICE": each.name, "STOCK_ASSETS_FILES": rendered}
        pairs = ",".join(f"{name}={_quoted(value)}" for name, value in environment.items())
        log = logs / f"{each.name}.log"
        parts.append(f"""\
[program:{each.name}]
command={_command(each.command)}
directory={_quiet(each.directory)}
environment={pairs}
autostart=false
{_restarts(each)}
stopwaitsecs={each.stop_wait_s}
stopsignal={each.stop_signal}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={_quiet(_quiet(log))}
stdout_logfile_maxbytes={int(settings.local.log_mb * 1024 * 1024)}
stdout_logfile_backups={settings.local.log_files}
""")
    return "\n".join(parts)


def _restarts(program: Program) -> str:
    """When a program that has ended is started again, and which are stopped first: those of a higher priority."""
    if program.publisher:
        # each further start waits a second longer than the one before
        return (
            f"autorestart=unexpected\nexitcodes={ENDED_FOR_GOOD}\nstartsecs={STARTED_AFTER_S}\nstartretries=1000\n"
            "priority=1000"
        )
    last = "\npriority=1" if program.stopped_last else ""
    return (
        f"autorestart={'false' if program.once else 'true'}\nstartsecs={0 if program.once else 1}\nstartretries=1{last}"
    )


def _quiet(value: object) -> str:
    """A value in which supervisor sees no format of its own."""
    return str(value).replace("%", "%%")


def _quoted(value: str) -> str:
    """A value in the quotes that are not in it."""
    mark = "'" if '"' in value else '"'
    return f"{mark}{_quiet(value)}{mark}"


def _command(words: list[str]) -> str:
    """The words as supervisor splits them again: at blanks, but not within quotes."""
    return " ".join('"' + _quiet(word).replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
