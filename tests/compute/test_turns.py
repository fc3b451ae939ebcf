"""Turns of threads that wait for a cluster."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from dogs_vs_cats.compute.turns import Turns, turn_given_away
from dogs_vs_cats.errors import TrainingError
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


def test_work_that_waits_ends_with_the_failure_of_other_work_but_does_not_fail_itself() -> None:
    turns, waits, failed = Turns(), threading.Event(), threading.Event()
    errors: list[Exception] = []

    def wait() -> None:
        try:
            with turn_given_away():
                waits.set()
                failed.wait()
        except Exception as error:  # as Kedro logs the failure of a node
            errors.append(error)
            raise

    def fail() -> None:
        raise TrainingError("the loss is nan")

    waiting = start(turns, wait)
    waits.wait()
    failing = start(turns, fail)
    failing.exception()
    failed.set()
    assert isinstance(waiting.exception(), TrainingError)
    assert errors == []


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Lets Ctrl-C interrupt the tests even if they run in the background of a shell, which then ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_the_main_thread_waits_for_its_turn_leaves_the_turn_to_its_owner() -> None:
    turns, taken = Turns(), threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> str:
        taken.set()
        time.sleep(PATIENCE)  # until the main thread waits
        signal.pthread_kill(main, signal.SIGINT)
        time.sleep(PATIENCE)
        return "ends"

    def wait() -> None:
        with turns.taken(), turn_given_away():
            interrupting.append(start(turns, interrupt))
            taken.wait()

    interrupting: list[Future[str]] = []
    with pytest.raises(KeyboardInterrupt):
        wait()
    assert interrupting[0].result() == "ends"
