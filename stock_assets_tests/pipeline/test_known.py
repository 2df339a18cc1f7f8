"""A rerun of history publishes what differs from the newest known values, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from stock_assets.domain.messages import Action, Bar, Message, Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.lake.tables import open_or_create_table
from stock_assets.landing.commit import commit
from stock_assets.landing.decode import Decoder
from stock_assets.landing.plan import next_offset
from stock_assets.landing.rows import rows_of
from stock_assets.raw.known import Known
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import topic_of

DAY, SATURDAY = date(2025, 6, 27), date(2025, 6, 28)
KNOWN_AT = instant(session(DAY).close_time)
LATER = KNOWN_AT + 3600 * 1_000_000
TOPIC_ID = "topic"


def bar(**given: Any) -> Bar:
    values: dict[str, Any] = {
        "symbol": "IBM",
        "interval": "1d",
        "trading_day": DAY,
        "start_time": instant(session(DAY).open_time),
        "open": 289.1,
        "high": 291.2,
        "low": 285.3,
        "close": 289.7,
        "volume": 5_033_400,
        "currency": "USD",
        "price_basis": "split_adjusted",
        "final": True,
        "source": "yahoo",
        "known_at": KNOWN_AT,
        "adj_close": 288.4,
    }
    return Bar(**values | given)


def split(value: float = 2.0, **given: Any) -> Action:
    values = {"symbol": "IBM", "ex_date": DAY, "kind": "split", "source": "yahoo", "known_at": KNOWN_AT}
    return Action(**values | {"value": value} | given)


def dividend(value: float = 1.68, **given: Any) -> Action:
    return split(value, kind="dividend", currency="USD", **given)


def tick(event_id: str = "1", day: date = DAY, **given: Any) -> Tick:
    moment = instant(session(DAY).open_time + (day - DAY))
    values: dict[str, Any] = {"symbol": "IBM", "event_time": moment, "price": 289.0, "currency": "USD"}
    return Tick(**values | {"source": "simulator", "event_id": event_id, "size": 100} | given)


def land(lake: str, messages: Sequence[Message | bytes], like: Message | None = None) -> None:
    """Land messages of one kind as the drain does; bytes are broken records, of the topic of ``like``."""
    topic = topic_of(next((m for m in messages if not isinstance(m, bytes)), like or tick()))
    table = open_or_create_table(lake, topic.table)
    first = next_offset(table, TOPIC_ID, 0)
    payloads: list[bytes | None] = [m if isinstance(m, bytes) else encode(m) for m in messages]
    offsets = np.arange(first, first + len(messages))
    landing_id = uuid.uuid4().hex
    chunk = Chunk(0, offsets, payloads, np.full(len(messages), KNOWN_AT // 1000))
    rows = rows_of(topic, chunk, Decoder(topic), TOPIC_ID, landing_id)
    commit(lake, topic, table, rows, TOPIC_ID, {0: first}, {0: first + len(messages)}, landing_id)


def new(lake: str, *messages: Message) -> list[Message]:
    return list(Known(lake).new(messages))


def test_everything_is_new_to_an_empty_lake(lake: str) -> None:
    given = [tick(), tick("2", SATURDAY), bar(), split(), dividend()]
    assert new(lake, *given) == given


def test_a_rerun_publishes_nothing(lake: str) -> None:
    land(lake, [bar(), bar(symbol="AAPL"), bar(interval="1m")])
    land(lake, [split(), dividend()])
    land(lake, [tick(), tick("2")])
    again = {"known_at": LATER}
    assert not new(lake, bar(**again), bar(symbol="AAPL", **again), bar(interval="1m", **again))
    assert not new(lake, split(**again), dividend(**again), tick(), tick("2"))


@pytest.mark.parametrize(
    "change",
    [
        {"close": 289.71},
        {"open": 289.0},
        {"high": 292.0},
        {"low": 285.0},
        {"volume": 5_033_500},
        {"volume": None},
        {"currency": "EUR"},
        {"price_basis": "as_traded"},
        {"source": "alpha_vantage"},
        {"interval": "1m"},
    ],
)
def test_a_changed_bar_is_published(lake: str, change: dict[str, Any]) -> None:
    land(lake, [bar()])
    changed = bar(**change, known_at=LATER)
    assert new(lake, changed) == [changed]


def test_a_bar_whose_adjusted_close_alone_moved_is_not(lake: str) -> None:
    """Every dividend moves the adjusted closes of all sessions before it."""
    land(lake, [bar()])
    assert not new(lake, bar(adj_close=100.0, known_at=LATER), bar(adj_close=None, known_at=LATER))


def test_a_bar_that_became_final_is_published_once(lake: str) -> None:
    land(lake, [bar(final=False)])
    assert not new(lake, bar(final=False, known_at=KNOWN_AT + 1))
    final = bar(final=True, known_at=LATER)
    assert new(lake, final) == [final]
    land(lake, [final])
    assert not new(lake, bar(known_at=LATER + 1))


def test_a_new_split_and_the_prices_it_divides_are_published(lake: str) -> None:
    land(lake, [bar(), bar(trading_day=date(2025, 6, 26), start_time=instant(session(date(2025, 6, 26)).open_time))])
    halved = bar(open=144.55, high=145.6, low=142.65, close=144.85, volume=10_066_800, known_at=LATER)
    unmoved = bar(trading_day=date(2025, 6, 26), start_time=instant(session(date(2025, 6, 26)).open_time))
    stated = split(known_at=LATER)
    assert new(lake, stated, halved, unmoved) == [stated, halved]


def test_a_corrected_action_is_published(lake: str) -> None:
    land(lake, [split(2.0), dividend(1.68)])
    assert new(lake, split(3.0, known_at=LATER)) == [split(3.0, known_at=LATER)]
    assert new(lake, dividend(1.67, known_at=LATER)) == [dividend(1.67, known_at=LATER)]
    assert len(new(lake, split(ex_date=date(2025, 6, 26)), split(symbol="AAPL"), split(source="bokeh"))) == 3
    assert len(new(lake, structs.replace(dividend(), currency="EUR"))) == 1


def test_the_newest_statement_counts_in_whatever_order_it_landed(lake: str) -> None:
    land(lake, [bar(close=290.0, known_at=LATER), bar(close=289.7)])
    assert not new(lake, bar(close=290.0, known_at=LATER + 1))
    assert len(new(lake, bar(close=289.7, known_at=LATER + 1))) == 1  # a vendor may take a correction back
    land(lake, [split(3.0, known_at=LATER), split(2.0)])
    assert not new(lake, split(3.0, known_at=LATER + 1))
    assert len(new(lake, split(2.0, known_at=LATER + 1))) == 1


def test_statements_of_the_same_moment_are_all_known(lake: str) -> None:
    """Recordings do not say when they were fetched: a corrected file has the same known_at as the one before."""
    land(lake, [bar(close=289.7), bar(close=288.8), bar(close=290.1)])
    assert not new(lake, bar(close=289.7), bar(close=288.8), bar(close=290.1))
    assert len(new(lake, bar(close=289.9))) == 1


def test_ticks_are_known_by_their_event_id_alone(lake: str) -> None:
    land(lake, [tick("1"), tick("2"), tick("2")])
    assert not new(lake, tick("1", price=1.0, size=7), tick("2"))
    same_content = tick("3")
    assert new(lake, tick("1"), same_content) == [same_content]


def test_ids_of_another_symbol_source_or_session_are_other_ids(lake: str) -> None:
    land(lake, [tick("1")])
    others = [tick("1", symbol="AAPL"), tick("1", source="algoseek"), tick("1", day=date(2025, 6, 30))]
    assert new(lake, *others) == others


def test_repeats_within_what_is_published_are_left_to_the_bars(lake: str) -> None:
    assert len(new(lake, tick("1"), tick("1"))) == 2


def test_the_last_moments_of_a_session_belong_to_it(lake: str) -> None:
    """20:30 in New York is the next day in UTC."""
    evening = instant(session(DAY).post_close_time + timedelta(minutes=30))
    land(lake, [tick("1", event_time=evening)])
    assert not new(lake, tick("1", event_time=evening))


def test_a_rejected_tick_of_a_saturday_is_not_published_again(lake: str) -> None:
    land(lake, [tick("1"), tick("s", SATURDAY), b"{broken"])
    assert not new(lake, tick("s", SATURDAY))
    assert len(new(lake, tick("t", SATURDAY), tick("s", SATURDAY, price=1.0))) == 2


def test_a_rejected_bar_or_action_of_a_saturday_is_not_published_again(lake: str) -> None:
    land(lake, [bar(trading_day=SATURDAY), b"{broken"])
    land(lake, [split(ex_date=SATURDAY), b"{broken"])
    assert not new(lake, bar(trading_day=SATURDAY, known_at=LATER), split(ex_date=SATURDAY, known_at=LATER))
    assert len(new(lake, bar(trading_day=SATURDAY, close=290.0), split(3.0, ex_date=SATURDAY))) == 2


def test_a_rejected_record_is_known_in_the_frame_of_a_schema_registry_too(lake: str) -> None:
    frame = b"\0\0\0\0\x07"
    for given in (tick("s", SATURDAY), bar(trading_day=SATURDAY), split(ex_date=SATURDAY)):
        land(lake, [frame + encode(given)], like=given)
        assert not new(lake, given)


@pytest.mark.parametrize("broken", [b'{"x":' + b"[" * 1000, b'{"symbol":"\xff"}', b"", b"\0"])
def test_records_that_nobody_can_read_keep_nobody_from_publishing(lake: str, broken: bytes) -> None:
    saturdays: list[Message] = [tick("s", SATURDAY), bar(trading_day=SATURDAY), split(ex_date=SATURDAY)]
    for given in saturdays:
        land(lake, [broken], like=given)
    assert new(lake, *saturdays) == saturdays


def test_a_record_that_was_rejected_for_its_content_is_not_known(lake: str) -> None:
    land(lake, [encode(bar()).replace(b'"close":289.7', b'"close":-1')], like=bar())
    assert new(lake, bar()) == [bar()]
