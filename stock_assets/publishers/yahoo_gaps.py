"""gaps in Yahoo's stream -> the minutes that fill them.

Belongs here: what a gap is, and fetching one after the other beside the stream, in a thread.
Does not belong here: noticing a gap (``yahoo_stream``), a request for minutes (``sources.yahoo_minutes``).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from stock_assets.domain.errors import ServiceUnavailable, VendorThrottled
from stock_assets.domain.messages import Action, Bar, Message
from stock_assets.domain.sessions import EXCHANGE_ZONE, session, sessions_between
from stock_assets.publishers.each_symbol import OF_ONE_SYMBOL
from stock_assets.sources.fetched import Fetched
from stock_assets.sources.yahoo_minutes import MINUTE, MINUTE_GRACE, MINUTES_KEPT, fetch_minutes

if TYPE_CHECKING:
    from stock_assets.sources.yahoo_session import NotingSession

GAP_SOURCE = "yahoo_gap"
RETRY_AFTER = timedelta(minutes=1)
_MINUTE_US = 60_000_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gap:
    """Minutes of one symbol that no connection covered whole: starts from ``first`` to before ``after``."""

    symbol: str
    first: datetime
    after: datetime
    due: datetime

    def __str__(self) -> str:
        return f"{self.symbol} from {self.first:%Y-%m-%d %H:%M} to {self.after:%Y-%m-%d %H:%M} UTC"


def gap_between(symbol: str, last: int, following: int) -> Gap | None:
    """The gap between two frames (instants), if a session has whole minutes in it; due when the last one is final."""
    first = datetime.fromtimestamp(-(-last // _MINUTE_US) * 60, UTC)
    after = datetime.fromtimestamp(following // _MINUTE_US * 60, UTC)
    days = sessions_between(first.astimezone(EXCHANGE_ZONE).date(), after.astimezone(EXCHANGE_ZONE).date())
    held = [session(day) for day in days]
    if any(max(first, one.pre_open_time) < min(after, one.post_close_time) for one in held):
        return Gap(symbol, first, after, due=after + MINUTE_GRACE)
    return None


class GapFiller:
    """Fetches one gap at a time; a thread of its own waits for Yahoo, so that nobody else does.

    Args:
        http_session: makes a session whose requests end when the given event is set.
        refused: called with the reason of each minute that could not be taken.

    Attributes:
        gaps: what is not filled yet.
    """

    def __init__(
        self,
        http_session: Callable[[threading.Event], NotingSession],
        refused: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self.gaps: list[Gap] = []
        self._make_session, self._refused, self._now = http_session, refused, now
        self._session: tuple[threading.Event, NotingSession] | None = None
        self._thread: threading.Thread | None = None
        self._fetched: queue.SimpleQueue[tuple[Gap, Fetched | Exception]] = queue.SimpleQueue()

    def messages(self, stop: threading.Event) -> Iterator[Message]:
        """What came for a gap since the last call; nothing is waited for. A due gap is asked for next.

        A gap stays among ``gaps`` until all of its messages were taken.
        """
        if self._thread is None:
            self._begin(stop)
        try:
            gap, outcome = self._fetched.get_nowait()
        except queue.Empty:
            return
        self.join()
        if stop.is_set():  # perhaps only given up: the gap stays
            return
        if isinstance(outcome, VendorThrottled | ServiceUnavailable):
            self._postpone(gap, outcome)
            return
        if isinstance(outcome, OF_ONE_SYMBOL):
            log.warning("The gap of %s cannot be filled: %s", gap, outcome)
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            yield from self._taken(gap, outcome)
        self.gaps.remove(gap)

    def join(self) -> None:
        """Wait until no thread is left; one ends at once when the event of its session is set."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _begin(self, stop: threading.Event) -> None:
        now = self._now()
        for gap in [gap for gap in self.gaps if gap.due <= now]:
            oldest = now - MINUTES_KEPT
            if gap.first < oldest:
                log.warning(
                    "The gap of %s is older than Yahoo's minutes, which reach back about 30 days: what was before %s UTC "
                    "cannot be filled",
                    gap,
                    min(oldest, gap.after).astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
                )
                if gap.after <= oldest:
                    self.gaps.remove(gap)
                    continue
            if self._session is None or self._session[0] is not stop:
                self._session = stop, self._make_session(stop)
            # Daemon: whoever ends without having set the event is not held up.
            self._thread = threading.Thread(
                target=self._fetch, args=(gap, max(gap.first, oldest), self._session[1]), name="yahoo-gap", daemon=True
            )
            self._thread.start()
            return

    def _fetch(self, gap: Gap, first: datetime, http: NotingSession) -> None:
        outcome: Fetched | Exception
        try:
            outcome = fetch_minutes(gap.symbol, first, gap.after, http, self._now, source=GAP_SOURCE, attempts=1)
        except Exception as broken:  # noqa: BLE001 - raised, or told, where messages are taken
            outcome = broken
        self._fetched.put((gap, outcome))

    def _postpone(self, gap: Gap, broken: VendorThrottled | ServiceUnavailable) -> None:
        later = (isinstance(broken, VendorThrottled) and broken.retry_at) or self._now() + RETRY_AFTER
        # one gap refused, all refused: the others would only be asked for in vain
        self.gaps = [replace(one, due=max(one.due, later)) for one in self.gaps]
        log.warning("The gap of %s stays for now: %s; again at %s", gap, broken, later.isoformat(timespec="seconds"))

    def _taken(self, gap: Gap, fetched: Fetched) -> list[Message]:
        for reason in fetched.refused:
            self._refused(reason)
        bars = [bar for bar in fetched.messages if isinstance(bar, Bar)]
        # Without the splits since, nobody could tell as-traded prices from the bars.
        day = gap.first.astimezone(EXCHANGE_ZONE).date()
        splits = [it for it in fetched.messages if isinstance(it, Action) and it.kind == "split" and it.ex_date > day]
        log.info("The gap of %s: %d bars for %d minutes", gap, len(bars), round((gap.after - gap.first) / MINUTE))
        return [*splits, *bars]
