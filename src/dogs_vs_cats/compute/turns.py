"""Turns: threads that share Keras, the log and the hooks compute one at a time, and wait for a cluster all at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar


class Turns:
    """Lets one thread at a time compute. Once one has failed, the others fail at their next turn."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # can be released by its owner alone
        self._failure: BaseException | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Waits for a turn, which ends with the block."""
        self._lock.acquire()
        token = _current.set(self)
        try:
            self._refuse_after_failure()
            yield
        except _GivenUp as given_up:
            raise given_up.failure from None
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            _current.reset(token)
            with suppress(RuntimeError):  # Ctrl-C while it waited for its turn
                self._lock.release()

    def fail(self, error: BaseException) -> None:
        """Lets the work of all threads end with this error, unless an earlier one does."""
        self._failure = self._failure or error

    @contextmanager
    def given_away(self) -> Iterator[None]:
        """Lets other threads compute during the block."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
        self._refuse_after_failure()

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise _GivenUp(self._failure)


class _GivenUp(BaseException):
    """Work ends because other work has failed. No `Exception`, so that Kedro doesn't log it as one more failure."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure


_current: ContextVar[Turns | None] = ContextVar("current_turns", default=None)


@contextmanager
def turn_kept() -> Iterator[None]:
    """Lets no other thread compute during the block, even while it waits: it changes what all threads share."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def turn_given_away() -> Iterator[None]:
    """Lets other threads compute while this one waits in the block; does nothing where no one takes turns."""
    turns = _current.get()
    if turns is None:
        yield
    else:
        with turns.given_away():
            yield
