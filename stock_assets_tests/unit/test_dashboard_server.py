"""How the dashboard is served, and what it remembers for all its visitors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from stock_assets.dashboard import data
from stock_assets.dashboard.memory import Memory
from stock_assets.dashboard.server import options
from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import loaded_by


def test_it_listens_on_loopback_is_protected_and_tells_nobody() -> None:
    told = options(Settings({"DASHBOARD_PORT": "9999", "DASHBOARD_HOSTS": "a.example, 127.0.0.1"}))
    assert (told["server.address"], told["server.port"]) == ("127.0.0.1", 9999)
    assert told["server.enableCORS"] and told["server.enableXsrfProtection"]
    assert told["server.allowedHosts"] == ["a.example", "127.0.0.1"]
    assert not told["browser.gatherUsageStats"] and told["client.showErrorDetails"] == "none"
    assert options(Settings({}))["server.allowedHosts"] == ["127.0.0.1", "localhost"]


def test_every_option_is_one_of_streamlit_s() -> None:
    assert set(options(Settings({}))) <= set(config.get_config_options())


def test_arrow_takes_memory_where_all_do() -> None:
    asked = "import pyarrow as pa; print(pa.default_memory_pool().backend_name)"
    begin = "from stock_assets.dashboard.server import keep_memory_together as k; k(); "
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run(
        [sys.executable, "-c", begin + asked], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "system\n"


def test_threads_share_two_pools_of_memory() -> None:
    threads = """
import ctypes, threading
libc, together = ctypes.CDLL(None), threading.Barrier(8)
def allocate():
    together.wait()
    libc.malloc(5000)
    together.wait()
each = [threading.Thread(target=allocate) for _ in range(8)]
for thread in each: thread.start()
for thread in each: thread.join()
libc.malloc_stats()
"""

    def pools(begin: str) -> int:
        done = subprocess.run([sys.executable, "-c", begin + threads], capture_output=True, text=True, check=True)
        return len(re.findall(r"^Arena \d+:", done.stderr, re.MULTILINE))

    if pools("") == 0:
        pytest.skip("this C library has no pools")
    assert pools("") > 2
    assert pools("from stock_assets.dashboard.server import keep_memory_together as k; k()") <= 2


def test_neither_the_package_nor_the_definitions_import_what_draws() -> None:
    assert not {"streamlit", "plotly"} & loaded_by("import stock_assets, stock_assets.cli, stock_assets.definitions")


def test_an_answer_is_made_once_however_many_ask_at_once() -> None:
    memory, made, begun = Memory(10), list[str](), threading.Barrier(8)

    def make() -> str:
        made.append("x")
        return "answer"

    def ask() -> None:
        begun.wait()
        assert memory.get("key", make) == "answer"

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["x"]


def test_what_was_asked_for_longest_ago_is_forgotten() -> None:
    memory = Memory(2)
    for key in ("a", "b", "a", "c"):
        memory.get(key, lambda key=key: key)
    made: list[str] = []
    for key in ("a", "c", "b"):
        memory.get(key, lambda key=key: made.append(key))
    assert made == ["b"]


def test_nothing_is_an_answer_and_an_error_is_none() -> None:
    memory, made = Memory(2), list[int]()
    for _ in range(2):
        memory.get("nothing", lambda: made.append(1))
    assert made == [1]

    def broken() -> None:
        raise OSError

    for _ in range(2):
        with pytest.raises(OSError):
            memory.get("broken", broken)
    assert memory.get("broken", lambda: 7) == 7


def test_what_makes_an_answer_may_ask_for_others() -> None:
    memory = Memory(3)
    assert memory.get("market", lambda: memory.get("newest", lambda: 3) + 1) == 4
    assert memory.get("newest", lambda: 0) == 3


def test_a_page_goes_on_looking_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ServiceUnavailable("No object store answers")

    def page() -> None:
        from stock_assets.dashboard.header import header
        from stock_assets.settings.platform import Settings

        header(Settings({}), "market")

    monkeypatch.setattr(data, "state", away)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # or it would stay the page's script
    drawn = AppTest.from_function(page, default_timeout=30).run()
    assert not drawn.exception
    assert any("cannot look: No object store answers" in each.proto.body for each in drawn.get("html"))
