"""Work on many items on all cores, with the results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Sequence[Item], chunk: int) -> Iterator[tuple[Item, Result]]:
    """Applies a function to every item, on as many threads as there are cores.

    Works ahead by two chunks a core at most, so that memory stays bounded however slowly the results are taken.

    Args:
        function: Releases the interpreter lock for most of its time, as decoders do.
        items: What it is applied to.
        chunk: How many items a thread takes at once.

    Yields:
        Each item with its result, in the order of the items.
    """
    threads = cores()

    def work(part: Sequence[Item]) -> list[tuple[Item, Result]]:
        return [(item, function(item)) for item in part]

    with ExitStack() as stack:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="decoding")
        # Whatever ends the loop early: what hasn't begun isn't begun any more.
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        running: deque[Future[list[tuple[Item, Result]]]] = deque()
        for start in range(0, len(items), chunk):
            if len(running) == 2 * threads:
                yield from running.popleft().result()
            running.append(pool.submit(work, items[start : start + chunk]))
        while running:
            yield from running.popleft().result()


def cores() -> int:
    """Cores that this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
