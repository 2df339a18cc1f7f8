"""frames -> Yahoo's stream on loopback, for yfinance's real client.

Belongs here: a WebSocket server, what each connection does (its ``Plan``), and a record of what clients subscribed to.
Duplicates, garbage and frames out of order are simply frames of a plan.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "yahoo_stream_frames" / "frames.jsonl"


@dataclass
class Plan:
    """One connection: frames once the client has subscribed, and then silence, an orderly end or a cut.

    ``refuse`` is a status instead of a connection; ``paced`` sends a frame only when the test lets it.
    """

    frames: list[str] = field(default_factory=list)
    then: Literal["silence", "close", "cut"] = "silence"
    refuse: int = 0
    retry_after: str = ""
    paced: bool = False


class FakeStreamer:
    """A running server; connections beyond the plans are silent."""

    def __init__(self) -> None:
        self.url = ""
        self.plans: deque[Plan] = deque()
        self.subscriptions: list[list[str]] = []
        self.connections = 0
        self._lets = threading.Semaphore(0)

    def let(self, frames: int = 1) -> None:
        """Send so many more frames of a paced plan."""
        self._lets.release(frames)

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Whether a client may connect."""
        self.connections += 1
        if not self.plans or not self.plans[0].refuse:
            return None
        plan = self.plans.popleft()
        response = connection.respond(plan.refuse, "refused\n")
        if plan.retry_after:
            response.headers["Retry-After"] = plan.retry_after
        return response

    def serve(self, connection: ServerConnection) -> None:
        """One connection, until the client or the plan ends it."""
        plan = self.plans.popleft() if self.plans else Plan()
        try:
            self._hear(connection.recv())
            for text in plan.frames:
                if plan.paced:
                    self._lets.acquire()
                connection.send(text)
            if plan.then == "cut":
                connection.socket.shutdown(socket.SHUT_RDWR)
            elif plan.then == "silence":
                for message in connection:
                    self._hear(message)
        except ConnectionClosed:
            pass

    def _hear(self, message: Any) -> None:
        self.subscriptions.append(sorted(json.loads(message)["subscribe"]))


@contextmanager
def fake_streamer(tls: ssl.SSLContext | None = None) -> Iterator[FakeStreamer]:
    """A fake on a free port of this machine; ``tls`` must be for ``localhost``."""
    fake = FakeStreamer()
    with serve(fake.serve, "127.0.0.1", 0, ssl=tls, process_request=fake.admit) as server:
        port = server.socket.getsockname()[1]
        fake.url = f"wss://localhost:{port}" if tls else f"ws://127.0.0.1:{port}/?version=2"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            fake.let(1_000_000)
            server.shutdown()
            thread.join()


def recorded() -> list[str]:
    """The recorded frames, as they came."""
    return RECORDED.read_text().splitlines()


def frame(symbol: str, moment: datetime, price: float, day_volume: int = 0, hours: int = 1, **more: Any) -> str:
    """A frame like Yahoo's: whole seconds, 32-bit prices, zeros left out."""
    from yfinance.pricing_pb2 import PricingData

    values = {"exchange": "NMS", "quote_type": 8, "price_hint": 2, **more}
    data = PricingData(
        id=symbol,
        price=price,
        time=int(moment.timestamp()) * 1000,
        market_hours=hours,
        day_volume=day_volume,
        **values,
    )
    message = base64.b64encode(data.SerializeToString()).decode()
    return json.dumps({"type": "pricing", "message": message})
