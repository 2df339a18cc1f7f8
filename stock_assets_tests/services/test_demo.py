"""The demo as a newcomer runs it, here from the wheel and in an empty folder: twice, and then what README and docs show."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from stock_assets.live.state import file_of, read_state
from stock_assets.local.readiness import port_open
from stock_assets.local.services import Services
from stock_assets.serving.connect import connection
from stock_assets.settings.platform import Settings
from stock_assets.settings.serving import READER
from stock_assets_tests.checkout import PROJECT, documentation_pages
from stock_assets_tests.conftest import free_ports, place
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services import wheel_program

Command = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo_settings(folder: Path) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        settings = place(patch, folder / ".local")
        patch.setenv("FIRST_SESSION", "2013-02-01")
        patch.setenv("SERVING", "on")
        yield Settings.load()
        Services(settings).down()


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``stock-assets`` of the wheel with its extra."""
    return wheel_program.with_installed_packages(tmp_path_factory.mktemp("wheel"), wheel) / "stock-assets"


@pytest.fixture(scope="module")
def run(program: Path, folder: Path) -> Command:
    """What a command prints, run in the folder."""
    return lambda *arguments: printed(program, *arguments, cwd=folder)


def printed(*command: str | Path, cwd: Path) -> str:
    done = wheel_program.run(*command, cwd=cwd, PYTHONDONTWRITEBYTECODE="")
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_demo_shows_what_it_did_and_the_second_one_that_nothing_is_new(
    demo_settings: Settings, run: Command, folder: Path
) -> None:
    first = run("demo")
    for service in ("kafka", "spark", "warehouse", "dagster-webserver", "dagster-daemon"):
        assert re.search(rf"{service} +ready", first), first
    assert re.search(r"raw/ticks +3 +30,7\d\d", first)
    assert re.search(r"warehouse/daily_stock_metrics +20 +100", first)
    assert re.search(r"stock-market-realtime +\d .* yes", first)
    assert "NO:" not in first
    # The bars built from simulated ticks are the real ones, figure by figure.
    real = dict(re.findall(r"(AAPL|FB|GOOG|IBM|MSFT) +bokeh +(.+\S) *$", first, re.MULTILINE))
    built = dict(re.findall(r"(AAPL|FB|GOOG|IBM|MSFT) +simulator_ticks +(.+\S) *$", first, re.MULTILINE))
    assert len(real) == 5 and real == built
    assert (folder / ".local" / "lake" / "raw" / "ticks").is_dir()
    assert f"http://127.0.0.1:{demo_settings.local.dagster_port}" in first
    assert "There is nothing new" in run("demo")
    wait_for(lambda: count_for_bi_tools(demo_settings) == 100, 300, 1)


def count_for_bi_tools(settings: Settings) -> int:
    """Rows that BI tools see; 0 before the first load."""
    with connection(settings, READER) as opened:
        try:
            (row,) = opened.execute("SELECT count(*) FROM price_trends").fetchall()
        except psycopg.errors.UndefinedTable:
            return 0
    return int(row[0])


@contextmanager
def beside(program: Path, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on while others run; ended at the end."""
    with (folder / f"{arguments[0]}.log").open("w") as output:
        process = subprocess.Popen(
            [program, *arguments], cwd=folder, env=wheel_program.elsewhere(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def stream_until_it_reads(program: Path, folder: Path, settings: Settings) -> str:
    """What the stream, which has no end, prints until it takes batches."""
    with beside(program, folder, "stream") as process:
        state = partial(read_state, file_of(settings.local_dir))
        wait_for(lambda: process.poll() is not None or ((found := state()) and found.reads), 300, 1)
        assert process.poll() is None, (folder / "stream.log").read_text()
    return (folder / "stream.log").read_text()


def wait_for_a_test_alert(program: Path, folder: Path, run: Command, line: str) -> tuple[str, str]:
    """What `alerts test` prints, and the command that waits for what it sends."""
    (port,) = free_ports(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALERTS_URL", f"json://127.0.0.1:{port}/")
        with beside(program, folder, *shlex.split(line)) as waiting:
            wait_for(lambda: port_open(port), 60)
            tested = run("alerts", "test")
            assert waiting.wait(60) == 0
    return tested, (folder / "alerts.log").read_text()


def test_the_commands_of_readme_and_docs_run(
    demo_settings: Settings, program: Path, run: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(page.read_text() for page in documentation_pages())
    lines = list(dict.fromkeys(re.findall(r"^\.venv/bin/stock-assets ([^#\n]+)", text, re.MULTILINE)))
    lines.sort(key=lambda line: line.startswith("produce csv"))  # a symbol more, once the others were looked at
    assert len(lines) >= 15
    (folder / "NFLX.csv").write_text("Date,Open,High,Low,Close,Volume\n2013-03-01,188.0,192.0,187.2,190.0,3000000\n")
    monkeypatch.setenv("DBT_EXECUTABLE", "")
    said = {}
    (waits,) = (line for line in lines if line.startswith("alerts wait"))
    for line in map(str.strip, lines):
        if line == "stream":
            said[line] = stream_until_it_reads(program, folder, demo_settings)
        elif line == "alerts test":
            said[line], said[waits] = wait_for_a_test_alert(program, folder, run, waits)
        elif line != waits.strip():
            said[line] = run(*shlex.split(line))
    assert "the channel took it" in said["alerts test"] and "Alerts arrive here." in said[waits]
    assert "WRONG" not in said["doctor"] + said["status"]
    assert "each acknowledged by the broker" in said["produce simulator --rate 500 --seconds 5 --malformed 0.01"]
    assert "nothing: the lake holds every record already" in said["produce shipped"]
    assert re.search(r"Records: [1-9].*, all equal", said["verify 2013-03-01"])
    assert re.search(r"Warehouse: .*, all equal", said["verify 2013-03-01"])
    assert "ERROR=0" in said["marts"] and "sessions rebuilt" in said["marts"]
    assert "AAPL" in said["availability --day 2013-03-01 --sessions 20"]
    problems = said["availability --day 2013-03-01 --sessions 20 --problems"]
    assert re.search(r"roblems? in 100 symbol-sessions of 20 sessions", problems)
    assert "published 1 to stock-market-batch" in said["produce csv NFLX.csv"]
    (asked,) = (text for line, text in said.items() if line.startswith("sql ") and "max(trading_day)" in line)
    assert re.search(r"AAPL .*\d{4}-\d\d-\d\d .*\d\d ", asked)  # the simulator may have added a session of now
    (rows,) = (text for line, text in said.items() if line.startswith("export "))
    assert len(rows.splitlines()) == 21 and rows.startswith("year,symbol,trading_day,")
    assert "adjusted for splits" in said["chart AAPL --average 50"]


def test_the_python_of_the_docs_and_the_notebook_run(run: Command, folder: Path) -> None:
    recipes = re.findall(r"```python\n(.+?)```", (PROJECT / "docs" / "recipes.md").read_text(), re.DOTALL)
    assert len(recipes) == 12
    notebook = json.loads((PROJECT / "examples" / "first_look.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    each = "import json, sys\nfor code in json.load(sys.stdin):\n    exec(compile(code, code, 'exec'), {})"
    done = subprocess.run(
        [sys.executable, "-c", each],
        input=json.dumps([*recipes, "\n".join(cells)]),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "statements about IBM were known on the evening of 27 February" in done.stdout
