"""seed, number of records -> the records of an attack, batch by batch.

Belongs here: all kinds by name, and how they are mixed with good records.
Does not belong here: the kinds themselves (``malformed``, ``misstated``, ``peculiar``), and sending (``target``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from stock_assets_tests.chaos.malformed import LARGE, MALFORMED, Mangle
from stock_assets_tests.chaos.market import Market, Record, as_json
from stock_assets_tests.chaos.misstated import Change, misstated
from stock_assets_tests.chaos.peculiar import filled, peculiar

STAGES = {"ticks": 0.55, "bars": 0.3, "actions": 0.15}
"""Topics, and their shares of the records."""
GOOD_SHARE = 0.5
OPTIONAL = {("ticks", "size"), ("actions", "currency")}
ALIKE = 3000
"""Ticks of one shape, of which some thousand are read without an object for each, whatever is around them."""

Made = tuple[str, list[Record]]
"""A topic, and records that follow each other there in one partition."""
Kind = Callable[[Market], list[Record]]


def kinds(stage: str) -> dict[str, Kind]:
    """Every kind of a topic but the good one, by name."""
    found: dict[str, Kind] = {name: _one(make) for name, make in peculiar(stage).items()}
    found |= {name: _mangled(stage, name, wrong) for name, wrong in MALFORMED.items()}
    found |= {name: _misstated(stage, name, wrong) for name, wrong in misstated(stage).items()}
    required = [field for field in Market(0).body(stage) if (stage, field) not in OPTIONAL]
    found |= {f"without {field}": _without(stage, field) for field in required}
    found["wrong topic"] = lambda market: [_of_another_topic(stage, market)]
    found["halves beside two in one"] = lambda market: _halves(stage, market)
    found["sent twice"] = lambda market: [_good(stage, market, "sent twice")] * 2
    return found


def large_ones(stage: str) -> dict[str, Kind]:
    """Kinds of which few are enough."""
    found = {name: _mangled(stage, name, wrong) for name, wrong in LARGE.items()}
    return found | {"as large as may be": _one(lambda market: filled(market.body(stage)))}


def batches(seed: int, records: int, count: int) -> Iterator[list[Made]]:
    """``records`` at least, in ``count`` batches; each has every kind of every topic once at least."""
    market = Market(seed)
    everything = {stage: list(kinds(stage).values()) for stage in STAGES}
    wrong = [_misstated("ticks", *entry) for entry in misstated("ticks").items()]
    for _ in range(count):
        owed, market.owed = market.owed, []
        made: list[Made] = [("bars", [_good("bars", market, "mended", **bar)]) for bar in owed]
        for stage, share in STAGES.items():
            wanted = int(records / count * share) + 1
            mine = [kind(market) for kind in (*everything[stage], *large_ones(stage).values())]
            if stage == "ticks":
                mine += [_alike(market, market.chance.choice(wrong)) for _ in range(1 + wanted // 10_000)]
            left = wanted - sum(map(len, mine))
            while left > 0:
                if market.chance.random() < GOOD_SHARE:
                    mine.append([_good(stage, market, "good")])
                else:
                    mine.append(market.chance.choice(everything[stage])(market))
                left -= len(mine[-1])
            made += [(stage, records_of_kind) for records_of_kind in mine]
        market.chance.shuffle(made)
        yield made


def _one(make: Callable[[Market], Record]) -> Kind:
    return lambda market: [make(market)]


def _good(stage: str, market: Market, kind: str, **given: Any) -> Record:
    body = market.body(stage, **given)
    return Record(kind, as_json(body), body)


def _misstated(stage: str, name: str, wrong: tuple[tuple[str, ...], Change]) -> Kind:
    reasons, change = wrong
    return _one(lambda market: Record(name, as_json(market.body(stage, **change)), reasons=reasons))


def _alike(market: Market, wrong: Kind) -> list[Record]:
    """One that is wrong among many that only look like it."""
    made = [_good("ticks", market, "alike") for _ in range(ALIKE - 1)]
    made.insert(market.chance.randrange(ALIKE), *wrong(market))
    return made


def _without(stage: str, field: str) -> Kind:
    def make(market: Market) -> Record:
        body = {name: value for name, value in market.body(stage).items() if name != field}
        return Record(f"without {field}", as_json(body), reasons=("missing field",))

    return _one(make)


def _mangled(stage: str, name: str, wrong: tuple[tuple[str, ...], Mangle]) -> Kind:
    reasons, mangle = wrong
    return _one(lambda market: Record(name, mangle(as_json(market.body(stage)), market.chance), reasons=reasons))


def _of_another_topic(stage: str, market: Market) -> Record:
    other = market.chance.choice([each for each in STAGES if each != stage])
    return Record("wrong topic", as_json(market.body(other)), reasons=("missing field",))


def _halves(stage: str, market: Market) -> list[Record]:
    """A record in two, two records in one, and good ones around them: as many boundaries as there are records."""
    kind = "halves beside two in one"
    first, second, third, fourth, last = (_good(stage, market, kind) for _ in range(5))
    value = first.value or b""
    cut = value.index(b",") + 1
    bad = ("bad json", "wrong type")
    return [
        Record(kind, value[:cut], reasons=bad),
        Record(kind, value[cut:], reasons=bad),
        second,
        Record(kind, (third.value or b"") + b"\n" + (fourth.value or b""), reasons=bad),
        last,
    ]
