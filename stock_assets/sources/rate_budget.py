"""a vendor's limits -> when the next request may go out.

Belongs here: requests counted per day and spaced within a second, in a file that every process and every restart shares.
Does not belong here: what is asked, and what the vendor answers.

A request is counted before it goes out: a crash may waste one, and never spends one twice.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from stock_assets.domain.errors import PermanentError, VendorThrottled
from stock_assets.domain.sessions import EXCHANGE_ZONE

CLOCKS_APART = timedelta(minutes=2)
"""How far the vendor's clock may be from ours, at midnight."""
_KEPT_DAYS = timedelta(days=2)


class _Spent(msgspec.Struct, kw_only=True):
    """``refused_until`` is the vendor's own word; ``last`` the newest request."""

    taken: dict[date, int] = {}
    last: datetime | None = None
    refused_until: datetime | None = None


class RateBudget:
    """So many requests a day of ``zone``, and so many a second; ``per_day`` 0 means any number, as ``per_second`` does.

    Raises:
        PermanentError: the file cannot be read; the text says what to do.
    """

    def __init__(
        self,
        path: Path,
        per_second: float = 1,
        per_day: int = 25,
        zone: ZoneInfo = EXCHANGE_ZONE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path, self.per_day, self.zone, self.now = path, per_day, zone, now
        self._spacing = timedelta(seconds=1 / per_second if per_second else 0)

    def acquire(self, stop: threading.Event) -> datetime | None:
        """Wait until a request may go out and count it; the instant it was counted at, None when ``stop`` was set.

        Raises:
            VendorThrottled: no request is left today; ``retry_at`` is when the day is over.
        """
        while not stop.is_set():
            with self._locked() as spent:
                now = self.now()
                self._refuse_spent(spent, now)
                if spent.last is None or now - spent.last >= self._spacing:
                    spent.last = now
                    spent.taken[self._day(now)] = spent.taken.get(self._day(now), 0) + 1
                    self._store(spent, now)
                    return now
                if now < spent.last:  # the clock was set back: nobody knows how long ago that was
                    spent.last = now
                    self._store(spent, now)
                left = spent.last + self._spacing - now
            stop.wait(left.total_seconds())
        return None

    def spend(self, asked_at: datetime) -> datetime:
        """The vendor says that the day is spent: nothing goes out until the returned instant.

        A refusal right after midnight is about the day before, by the vendor's clock.
        """
        day = self._day(asked_at)
        of_day_before = self._day(asked_at - CLOCKS_APART) != day
        until = asked_at + CLOCKS_APART if of_day_before else self._end_of(day)
        with self._locked() as spent:
            spent.refused_until = max(until, spent.refused_until or until)
            self._store(spent, self.now())
            return spent.refused_until

    def left(self) -> int | None:
        """Requests that may still go out today; None for any number."""
        with self._locked() as spent:
            now = self.now()
            if spent.refused_until and now < spent.refused_until:
                return 0
            return max(0, self.per_day - spent.taken.get(self._day(now), 0)) if self.per_day else None

    def _refuse_spent(self, spent: _Spent, now: datetime) -> None:
        day = self._day(now)
        if spent.refused_until and now < spent.refused_until:
            raise VendorThrottled("the vendor says that today's requests are spent", spent.refused_until)
        if self.per_day and spent.taken.get(day, 0) >= self.per_day:
            raise VendorThrottled(f"today's {self.per_day} requests are spent", self._end_of(day))

    def _day(self, now: datetime) -> date:
        return now.astimezone(self.zone).date()

    def _end_of(self, day: date) -> datetime:
        return datetime.combine(day + timedelta(days=1), time(), self.zone).astimezone(UTC)

    @contextmanager
    def _locked(self) -> Iterator[_Spent]:
        """What was spent, while no other process or thread may change it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, also by a crash
            yield self._load()

    def _load(self) -> _Spent:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Spent)
        except FileNotFoundError:
            return _Spent()
        except msgspec.MsgspecError as broken:
            raise PermanentError(
                f"{self.path} counts requests and cannot be read ({broken}): delete it, and today's count is lost"
            ) from broken

    def _store(self, spent: _Spent, now: datetime) -> None:
        today = self._day(now)
        spent.taken = {day: count for day, count in spent.taken.items() if abs(day - today) <= _KEPT_DAYS}
        written = self.path.with_name(f".{self.path.name}")
        with written.open("wb") as file:
            file.write(msgspec.json.encode(spent))
            file.flush()
            os.fsync(file.fileno())
        written.replace(self.path)
