"""errors of the platform -> failures and retries of Dagster.

Belongs here: which errors a run repeats, how often, and that a failed run says them in one sentence.
Does not belong here: the errors (``domain.errors``).
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import dagster as dg

from stock_assets.domain.errors import PermanentError, StockAssetsError

RETRIES = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For what may pass: broker away, another writer first, warehouse asleep."""
RETRIES_ON_SPARK = dg.RetryPolicy(max_retries=6, delay=2, backoff=dg.Backoff.LINEAR, jitter=dg.Jitter.PLUS_MINUS)
"""For what Spark builds: its server is started again each time it is killed, say for lack of memory."""

Body = TypeVar("Body", bound=Callable[..., Any])


def tells_failures(body: Body) -> Body:
    """Decorates what an asset, op or check computes: an error raised on purpose becomes the headline of the failed run.

    One that trying again cannot help fails the step at once; another one is repeated as the retry policy says, and its
    sentence is what is left when that was in vain. Any other exception keeps its trace.
    """
    if inspect.isgeneratorfunction(body):

        @functools.wraps(body)
        def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _told():
                yield from body(*args, **kwargs)

        return generate  # type: ignore[return-value]

    @functools.wraps(body)
    def compute(*args: Any, **kwargs: Any) -> Any:
        with _told():
            return body(*args, **kwargs)

    return compute  # type: ignore[return-value]


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except StockAssetsError as broken:
        raise dg.Failure(str(broken), allow_retries=not isinstance(broken, PermanentError)) from broken
