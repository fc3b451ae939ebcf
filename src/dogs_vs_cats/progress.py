"""Progress of long work: a bar on a terminal, a log line now and then elsewhere."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0
"""How often work without a terminal reports, in seconds."""

Item = TypeVar("Item")

_is_shown: ContextVar[bool] = ContextVar("is_shown", default=False)


Advance = Callable[[int], None]
"""Call it with the number of units done since the last call."""


@contextmanager
def progress(description: str, total: int | None = None, unit: str = "images") -> Iterator[Advance]:
    """Shows how far a piece of work has come.

    On a terminal this is a live bar on standard error. Elsewhere (a file, a pipe, a CI log) it is one log
    line at most every `SECONDS_BETWEEN_LINES`, and none for work that is over sooner. Work that is a part of other work
    shows nothing of its own.

    Args:
        description: The kind of work, for instance `"Decoding"`.
        total: How many units there are, or None where that is not known beforehand.
        unit: The name of the units, in the plural.

    Yields:
        A function to call with the number of units just finished.
    """
    if _is_shown.get():
        yield lambda units: None
        return
    token = _is_shown.set(True)
    try:
        with _shown(description, total, unit) as advance:
            yield advance
    finally:
        _is_shown.reset(token)


@contextmanager
def _shown(description: str, total: int | None, unit: str) -> Iterator[Advance]:
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TextColumn(unit))
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(description, total=total)
            yield lambda units: bar.advance(task, units)
        return

    done, last = 0, time.monotonic()

    def advance(units: int) -> None:
        nonlocal done, last
        done += units
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            fraction = f" of {total} ({done / total:.0%})" if total else ""
            logger.info("%s: %d%s %s", description, done, fraction, unit)

    yield advance


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yields images, or items that stand for them, one by one while showing `progress`."""
    with progress(description, total) as advance:
        for item in items:
            yield item
            advance(1)
