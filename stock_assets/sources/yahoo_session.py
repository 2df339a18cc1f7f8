"""proxy, certificates -> sessions that requests to Yahoo go through.

Belongs here: how Yahoo's servers are reached, and requests that can be given up at once.
Does not belong here: what is asked (``yahoo``, ``yahoo_minutes``, ``yahoo_quotes``).
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from curl_cffi import requests
from curl_cffi.requests.exceptions import RequestException

_LOOK_EVERY_S = 0.1


class StoppableSession(requests.Session):  # type: ignore[type-arg]
    """A session whose requests, from any thread, end with a RequestException as soon as ``stop`` is set.

    libcurl's plain call cannot be interrupted from outside, the asynchronous one can.
    """

    def __init__(self, stop: threading.Event, **options: Any) -> None:
        super().__init__(**options)
        self._stop, self._options = stop, options

    def request(self, method: Any, url: str, **given: Any) -> Any:  # type: ignore[override]
        """As curl_cffi's, on a connection of its own."""
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


def stoppable_session(stop: threading.Event, proxy: str = "", ca_bundle: str = "") -> StoppableSession:
    """A session whose requests end when ``stop`` is set; empty texts mean no proxy, and the usual certificates."""
    options: dict[str, Any] = {"impersonate": "chrome", "verify": ca_bundle or True}
    if proxy:
        options["proxies"] = {"https": proxy, "http": proxy}
    return StoppableSession(stop, **options)
