"""Turns of threads that wait for a cluster."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dogs_vs_cats.compute.turns import Turns, turn_given_away
from dogs_vs_cats.training.events import EpochEnd, Event, publish, quietly, subscribe, unsubscribe

EPOCH = EpochEnd("naive_cnn", 1, 1, {})
PATIENCE = 0.2
"""Seconds that a thread gets to do wrong."""


def start(turns: Turns, function: Callable[[], Any]) -> Future[Any]:
    """Runs a function in a thread of its own, in its turn."""

    def run() -> Any:
        with turns.taken():
            return function()

    with_own_thread = ThreadPoolExecutor(1)
    started = with_own_thread.submit(run)
    with_own_thread.shutdown(wait=False)
    return started


def test_what_a_thread_publishes_while_another_is_quiet_reaches_the_observers() -> None:
    events: list[Event] = []
    turns, quiet, published = Turns(), threading.Event(), threading.Event()

    def predict() -> None:
        with quietly():
            quiet.set()
            with turn_given_away():
                published.wait(PATIENCE)

    def train() -> None:
        publish(EPOCH)
        published.set()

    subscribe(events.append)
    try:
        waiting = start(turns, predict)
        quiet.wait()
        start(turns, train).result()
        waiting.result()
    finally:
        unsubscribe(events.append)
    assert events == [EPOCH]
