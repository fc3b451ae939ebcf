"""One run of an experiment at a time."""

import os
from pathlib import Path

from filelock import FileLock, Timeout
from kedro.framework.session.store import BaseSessionStore

from dogs_vs_cats.errors import ProjectError, unwritable


class RunLock:
    """The lock of the run that goes on in this process."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None

    def acquire(self, path: Path) -> None:
        """Acquires the lock for a run, and first the one that an earlier run in this process has left behind.

        Args:
            path: The lock file of the experiment. Its time is the start of the run.

        Raises:
            ProjectError: Another process holds it.
            WriteError: Its folder can't be written to.
        """
        # One object a path and process, also after %reload_kedro.
        lock = FileLock(path, is_singleton=True, thread_local=False)
        try:
            lock.release(force=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0.5)  # a command that checks for running experiments holds it for a moment
            os.utime(path)
        except Timeout:  # which is an OSError too
            raise ProjectError(
                f"Another run of this experiment is going on ({path} is locked). Wait until it has ended; a run in "
                "another environment can go on beside it."
            ) from None
        except OSError as error:
            raise unwritable(path.parent, error) from error
        self._lock = lock

    def release(self) -> None:
        """Releases the lock, if it is held."""
        if self._lock is not None:
            self._lock.release(force=True)
            self._lock = None


RUN_LOCK = RunLock()


class SessionStore(BaseSessionStore):
    """Releases the lock when its session is closed, also after an interrupt, for which Kedro calls no hook."""

    def save(self) -> None:
        """Stores nothing."""
        RUN_LOCK.release()
