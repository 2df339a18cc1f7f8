"""a fake Alpha Vantage, a clock -> the service's polling at work, for the tests of what it spends requests on."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from stock_assets.domain.messages import Bar
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.publishers.alpha_vantage import AlphaVantagePolling
from stock_assets.publishers.alpha_vantage_minutes import AlphaVantageMinutes
from stock_assets.sources.alpha_vantage_client import AlphaVantageClient
from stock_assets_tests.fakes.clock import Clock, Stop
from stock_assets_tests.fakes.fake_alpha_vantage import Row, quote, row
from stock_assets_tests.vendors.alpha_vantage_vendor import Vendor

TODAY = date(2021, 3, 5)
DAYS = sessions_between(date(2021, 2, 1), TODAY)
OPENED, CLOSED = session(TODAY).open_time, session(TODAY).close_time
SETTLED = CLOSED + timedelta(minutes=20)
SYMBOLS = ["AAPL", "MSFT"]
OVER = session(TODAY).post_close_time + timedelta(minutes=20)
CLOCKS = ("08:00", "09:30", "15:58", "15:59", "16:00", "19:59")


class Desk:
    """A polling on a clock of its own; ``newest`` is what the lake holds."""

    def __init__(self, vendor: Vendor, at: datetime) -> None:
        self.fake = vendor.fake
        self.clock = Clock(at)
        self.stop = Stop(self.clock)
        budget = vendor.client.budget
        budget.now = self.clock.now
        budget.per_day = 25
        self.client: AlphaVantageClient = replace(vendor.client, now=self.clock.now)
        self.newest: dict[str, date | None] = dict.fromkeys(SYMBOLS, DAYS[-2])
        self.refused: list[str] = []
        for symbol in SYMBOLS:
            self.fake.daily[symbol] = {
                str(day): row(100 + n, 102 + n, 99 + n, 101 + n, n) for n, day in reversed(list(enumerate(DAYS[:-1])))
            }
            self.fake.bodies["GLOBAL_QUOTE", symbol] = quote(symbol, str(TODAY), 120.0, 7)

    def polling(self, symbols: list[str] | None = None, minutes: dict[str, date] | None = None) -> AlphaVantagePolling:
        """``minutes``: the newest session whose minutes the lake holds; None where they are not wanted."""
        wanted = AlphaVantageMinutes(minutes.get, self.refused.append) if minutes is not None else None
        known = self.newest.get
        return AlphaVantagePolling(self.client, symbols or SYMBOLS, DAYS[0], known, self.refused.append, wanted)

    def until(self, end: datetime, polling: AlphaVantagePolling | None = None) -> list[Bar]:
        """What is delivered until ``end``."""
        self.stop.during = lambda: self.stop.set() if self.clock.at >= end else None
        return [message for message in (polling or self.polling())(self.stop) if isinstance(message, Bar)]

    def asked(self) -> list[tuple[str, str]]:
        return [(request["function"], request["symbol"]) for request in self.fake.requests]


def desk_of_an_evening(vendor: Vendor) -> Desk:
    """An evening on which all daily bars are known."""
    desk = Desk(vendor, OVER)
    desk.newest = dict.fromkeys(SYMBOLS, TODAY)
    for symbol in SYMBOLS:
        desk.fake.minutes[symbol] = minute_rows(*DAYS)
    return desk


def minute_rows(*days: date) -> dict[str, Row]:
    return {f"{day} {clock}:00": row(100, 102, 99, 101, 5) for day in days for clock in CLOCKS}


def ended(desk: Desk, polling: AlphaVantagePolling, minutes: float = 5) -> list[Bar]:
    """What is delivered in some minutes."""
    desk.stop.clear()
    return desk.until(desk.clock.at + timedelta(minutes=minutes), polling)
