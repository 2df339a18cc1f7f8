"""The clean stream of a soak: seeded ticks of sessions that are easy to get wrong, and what a clean lake makes of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from stock_assets.domain.messages import Action, Message, Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.lake.tables import open_or_create_table
from stock_assets.landing.decode import Decoder
from stock_assets.landing.rows import rows_of
from stock_assets.sources.simulator import DayBar, session_ticks
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import Topic, topic_of

HALF_DAY = date(2013, 11, 29)
AFTER_DST = date(2014, 3, 10)
BEFORE_SPLIT, SPLIT = date(2014, 6, 6), date(2014, 6, 9)
DAYS = (HALF_DAY, AFTER_DST, BEFORE_SPLIT, SPLIT)
SYMBOLS = ("AAPL", "IBM", "MSFT", "JPM")


def clean_ticks(seed: int, trades: int) -> list[Tick]:
    """Ticks of every symbol and session, ``trades`` in the regular hours of each, in an order of their own."""
    chance = random.Random(seed)
    ticks: list[Tick] = []
    for symbol in SYMBOLS:
        price = 640.0 if symbol == "AAPL" else 40.0 + len(symbol) * 10
        for day in DAYS:
            price = round(price / 7 if (symbol, day) == ("AAPL", SPLIT) else price * chance.uniform(0.98, 1.02), 2)
            bar = DayBar(symbol, day, price, round(price * 1.02, 2), round(price * 0.98, 2), price, trades * 300)
            ticks += session_ticks(bar, seed, trades)
    chance.shuffle(ticks)
    return ticks


def split() -> Action:
    """AAPL, seven for one."""
    moment = instant(session(SPLIT).open_time)
    return Action(symbol="AAPL", ex_date=SPLIT, kind="split", value=7.0, source="simulator", known_at=moment)


def store_cleanly(root: str, messages: Sequence[Message]) -> None:
    """Messages of one kind in their raw table, as one undisturbed landing would leave them."""
    topic = topic_of(messages[0])
    write_deltalake(open_or_create_table(root, topic.table), _rows(topic, messages), mode="append")


def _rows(topic: Topic, messages: Sequence[Message]) -> pa.Table:
    values: list[bytes | None] = [encode(message) for message in messages]
    chunk = Chunk(0, np.arange(len(values)), values, np.zeros(len(values), dtype=np.int64))
    return rows_of(topic, chunk, Decoder(topic), "clean", "clean")
