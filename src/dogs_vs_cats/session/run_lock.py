"""One run of an experiment at a time."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout
from kedro.framework.session.store import BaseSessionStore

from dogs_vs_cats.errors import ProjectError, unwritable

_HELD = ExitStack()
"""Releases the lock of the run that goes on in this process, and ends what the run has begun."""


def acquire(path: Path) -> None:
    """Acquires the lock for a run, and first ends what an earlier run in this process has left behind.

    Args:
        path: The lock file of the experiment. Its time is the start of the run.

    Raises:
        ProjectError: Another process holds it.
        WriteError: Its folder can't be written to.
    """
    release()
    # One object a path and process, also after %reload_kedro, which forgets what is held.
    lock = FileLock(path, is_singleton=True, thread_local=False)
    try:
        lock.release(force=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0.5)  # a command that checks for running experiments holds it for a moment
        os.utime(path)
    except Timeout:  # which is an OSError too
        raise ProjectError(
            f"Another run of this experiment is in progress ({path} is locked). Wait for it to end. A run in "
            "another environment can start now."
        ) from None
    except OSError as error:
        raise unwritable(path.parent, error) from error
    _HELD.callback(lock.release, force=True)


def at_end(function: Callable[[], None]) -> None:
    """Calls a function when the run ends, however it ends: when the lock is released."""
    _HELD.callback(function)


def release() -> None:
    """Releases the lock, if it is held, and ends what the run has begun."""
    _HELD.close()


class SessionStore(BaseSessionStore):
    """Releases the lock when its session is closed, also after an interrupt, for which Kedro calls no hook."""

    def save(self) -> None:
        """Stores nothing."""
        release()
