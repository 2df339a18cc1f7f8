"""errors of the platform -> failures and retries of Dagster.

Belongs here: which errors a run repeats, how often, and how it says them.
Does not belong here: the errors (``domain.errors``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from stock_assets.domain.errors import PermanentError

RETRIES = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For what may pass: broker away, another writer first, warehouse asleep."""
RETRIES_ON_SPARK = dg.RetryPolicy(max_retries=6, delay=2, backoff=dg.Backoff.LINEAR, jitter=dg.Jitter.PLUS_MINUS)
"""For what Spark builds: its server is started again each time it is killed, say for lack of memory."""


@contextmanager
def permanent_failures() -> Iterator[None]:
    """Within it, an error that trying again cannot help fails the step at once, in one sentence."""
    try:
        yield
    except PermanentError as broken:
        raise dg.Failure(description=str(broken), allow_retries=False) from broken
