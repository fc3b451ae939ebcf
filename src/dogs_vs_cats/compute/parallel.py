"""Work on many items on all cores, with the results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Sequence[Item], chunk: int) -> Iterator[tuple[Item, Result]]:
    """Applies a function to every item, on as many threads as there are cores.

    Works ahead by two chunks a core at most, so that memory stays bounded however slowly the results are taken.

    Args:
        function: Releases the interpreter lock for most of its time, as decoders do.
        items: Its arguments.
        chunk: How many items a thread takes at once.

    Yields:
        Each item with its result, in the order of the items.
    """

    def work(part: Sequence[Item]) -> list[tuple[Item, Result]]:
        return [(item, function(item)) for item in part]

    pool = ThreadPoolExecutor(cores(), thread_name_prefix="decoding")
    waiting = (items[start : start + chunk] for start in range(0, len(items), chunk))
    running = deque(pool.submit(work, part) for part in islice(waiting, 2 * cores()))
    try:
        while running:
            done = running.popleft().result()
            running.extend(pool.submit(work, part) for part in islice(waiting, 1))
            yield from done
    finally:
        # Whatever ends the loop early: chunks that haven't begun are cancelled.
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """Cores that this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
