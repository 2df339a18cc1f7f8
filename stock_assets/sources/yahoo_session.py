"""proxy, certificates -> sessions that requests to Yahoo go through.

Belongs here: how Yahoo's servers are reached, requests that can be given up at once, and the newest answer as it came,
since yfinance's exceptions tell neither its status nor Yahoo's own words.
Does not belong here: what is asked (``yahoo``, ``yahoo_minutes``, ``yahoo_quotes``).
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from curl_cffi import requests
from curl_cffi.requests.exceptions import RequestException

PRICES = re.compile(r"/finance/(chart/|quote($|\?))")
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Answer:
    """An answer of curl_cffi; its body is read only when somebody asks what it says."""

    response: Any

    @property
    def status(self) -> int:
        """HTTP status."""
        return int(self.response.status_code)

    @cached_property
    def body(self) -> dict[str, Any] | None:
        """What Yahoo's own program answered; None when a proxy or an error page answered in its place."""
        try:
            found = json.loads(self.response.text)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    @property
    def words(self) -> str:
        """Yahoo's code and description of what is wrong; empty when it gives none."""
        for part in (self.body or {}).values():
            error = part.get("error") if isinstance(part, dict) else None
            if isinstance(error, dict):
                return ": ".join(str(error[name]) for name in ("code", "description") if error.get(name))
        return ""


class NotingSession(requests.Session):  # type: ignore[type-arg]
    """A session that keeps its newest answer about prices. For one thread at a time.

    Attributes:
        newest: None before the first answer, and when the newest request got none. Cookies and crumbs do not count, which
            yfinance asks for as soon as an answer fails.
    """

    newest: Answer | None = None

    def request(self, method: Any, url: str, **given: Any) -> Any:  # type: ignore[override]
        """As curl_cffi's."""
        of_prices = bool(PRICES.search(url))
        if of_prices:
            self.newest = None
        answer = self._answer(method, url, given)
        if of_prices:
            self.newest = Answer(answer)
        return answer

    def _answer(self, method: Any, url: str, given: dict[str, Any]) -> Any:
        return super().request(method, url, **given)


class StoppableSession(NotingSession):
    """A session whose requests, from any thread, end with a RequestException as soon as ``stop`` is set.

    libcurl's plain call cannot be interrupted from outside, the asynchronous one can.
    """

    def __init__(self, stop: threading.Event, **options: Any) -> None:
        super().__init__(**options)
        self._stop, self._options = stop, options

    def _answer(self, method: Any, url: str, given: dict[str, Any]) -> Any:
        # on a connection of its own
        return asyncio.run(self._ask(method, url, given))

    async def _ask(self, method: Any, url: str, given: dict[str, Any]) -> Any:
        async with requests.AsyncSession(**self._options, cookies=self.cookies) as once:
            asked = asyncio.ensure_future(once.request(method, url, **given))
            while not asked.done():
                if self._stop.is_set():
                    asked.cancel()
                    await asyncio.gather(asked, return_exceptions=True)
                    raise RequestException("it was given up, as the service is stopping")
                await asyncio.wait({asked}, timeout=_LOOK_EVERY_S)
            answer = asked.result()
            self.cookies.update(once.cookies)
            return answer


def http_session(proxy: str = "", ca_bundle: str = "") -> NotingSession:
    """A session for one thread; empty texts mean no proxy, and the usual certificates."""
    return NotingSession(**_options(proxy, ca_bundle))


def stoppable_session(stop: threading.Event, proxy: str = "", ca_bundle: str = "") -> StoppableSession:
    """As ``http_session``, with requests that end when ``stop`` is set."""
    return StoppableSession(stop, **_options(proxy, ca_bundle))


def _options(proxy: str, ca_bundle: str) -> dict[str, Any]:
    through = {"proxies": {"https": proxy, "http": proxy}} if proxy else {}
    return {"impersonate": "chrome", "verify": ca_bundle or True, **through}
