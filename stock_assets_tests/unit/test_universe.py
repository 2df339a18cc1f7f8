"""Which symbols there are on a day, and what a file that cannot be read says."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.messages import Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.universe import Listing, Rename, Universe, default_universe, same_companies
from stock_assets.landing.decode import Decoder
from stock_assets.landing.rows import rows_of
from stock_assets.settings.platform import Settings
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import TICKS

HEAD = "symbol,active_from,active_to,renamed_to\n"
BEFORE, AFTER = date(2022, 6, 8), date(2022, 6, 9)


def test_the_default_is_ten_symbols_today_and_knows_their_past() -> None:
    universe = default_universe()
    assert len(universe.active(date(2025, 6, 30))) == 10
    assert ("FB" in universe.active(BEFORE), "META" in universe.active(BEFORE)) == (True, False)
    assert ("FB" in universe.active(AFTER), "META" in universe.active(AFTER)) == (False, True)


def test_a_present_name_may_tell_of_the_past_and_a_former_name_not_of_the_present() -> None:
    universe = default_universe()
    assert universe.accepts("META", date(2013, 3, 1)) and universe.accepts("FB", date(2013, 3, 1))
    assert not universe.accepts("FB", AFTER)
    assert not universe.accepts("META", date(2012, 5, 17))  # before the company was listed
    assert not universe.accepts("NOBODY", AFTER)


def test_a_ticker_used_again_is_another_company() -> None:
    text = HEAD + "OLD,1990-01-01,1999-12-31,NEW\nNEW,2000-01-01,2009-12-31,\nNEW,2015-01-01,,\nOLD,2012-01-01,,\n"
    universe = Universe.parse(text, "file")
    assert universe.accepts("NEW", date(1995, 1, 3)) and not universe.accepts("NEW", date(2012, 1, 3))
    assert not universe.accepts("OLD", date(2005, 1, 3)) and universe.accepts("OLD", date(2013, 1, 3))


def test_names_that_go_round_in_a_circle_end() -> None:
    text = HEAD + "A,2000-01-01,2000-12-31,B\nB,2001-01-01,2001-12-31,A\nA,2002-01-01,,\n"
    assert Universe.parse(text, "file").accepts("A", date(2001, 6, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\nAAPL\n", "its first row must be symbol,active_from,active_to,renamed_to"),
        (HEAD, "has no symbol"),
        (HEAD + ",2000-01-01,,\n", "row 2: symbol is empty"),
        (HEAD + "AAPL,,,\nIBM,01/02/2000,,\n", "row 3: active_from is '01/02/2000'"),
        (HEAD + "AAPL,2001-01-01,2000-01-01,\n", "row 2: AAPL is active from 2001-01-01 to 2000-01-01"),
        (HEAD + "FB,,2022-06-08,META\n", "FB was renamed to META, which has no row"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(text: str, said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        Universe.parse(text, "universe.csv")


def test_settings_take_names_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(HEAD + "AAPL,,,\nGONE,,2001-01-01,\n")
    named = Settings({"UNIVERSE": str(file)})
    assert named.universe is not None and set(named.universe.spans) == {"AAPL", "GONE"}
    assert named.symbols == ("AAPL",)
    assert Settings({}).universe is None and len(Settings({}).symbols) == 10
    assert Settings({"UNIVERSE": "aapl, ibm", "SYMBOLS": "v"}).symbols == ("V",)
    with pytest.raises(PermanentError, match=r"nowhere\.csv cannot be read"):
        _ = Settings({"UNIVERSE": str(tmp_path / "nowhere.csv")}).universe


def test_a_record_outside_of_its_days_is_an_unknown_symbol() -> None:
    def tick(symbol: str, day: date) -> bytes:
        moment = instant(session(day).open_time)
        fields = {"price": 1.0, "currency": "USD", "source": "simulator", "event_id": f"{symbol}{day}"}
        return encode(Tick(symbol=symbol, event_time=moment, **fields))  # type: ignore[arg-type]

    values = [
        tick("FB", BEFORE),
        tick("FB", AFTER),
        tick("META", BEFORE),
        tick("XYZ", AFTER),
        tick("META", AFTER),
        tick("SIM0", AFTER),
    ]
    chunk = Chunk(0, np.arange(6), list(values), np.full(6, instant(session(AFTER).close_time) // 1000))
    rows = rows_of(TICKS, chunk, Decoder(TICKS, default_universe()), "topic", "landing")
    bad = rows.filter(pc.is_valid(rows["rejected_because"]))
    assert bad["kafka_offset"].to_pylist() == [1, 3]
    assert bad["rejected_because"].to_pylist() == [
        "unknown symbol: FB is not in the universe on 2022-06-09",
        "unknown symbol: XYZ is not in the universe on 2022-06-09",
    ]


def test_renames_lead_to_the_present_symbol() -> None:
    assert default_universe().renames == (Rename("FB", date(2012, 5, 18), date(2022, 6, 8), "META"),)
    first, second, third = date(2001, 1, 1), date(2002, 1, 1), date(2003, 1, 1)
    chain = Universe(
        (
            Listing("A", active_to=first, renamed_to="B"),
            Listing("B", date(2001, 1, 2), second, "C"),
            Listing("C", date(2002, 1, 2)),
            Listing("A", third),
        )
    )
    assert [(each.symbol, each.company) for each in chain.renames] == [("A", "C"), ("B", "C")]
    assert same_companies(["C"], chain.renames) == {"A", "B", "C"}
    assert same_companies(["Z"], chain.renames) == {"Z"}
