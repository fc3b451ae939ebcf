"""Sends a run's outbox to MLflow during the run: `python -m dogs_vs_cats.tracking.worker FOLDER PROCESS`.

A separate process keeps the import of MLflow, its migrations, slow networks and crashes away from the run. It ends when
the outbox is closed or the run's process has died, after a last attempt to send the rest.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.project import child_environment
from dogs_vs_cats.storage.atomic import alone_in
from dogs_vs_cats.tracking import store
from dogs_vs_cats.tracking.outbox import Outbox, Report, outboxes
from dogs_vs_cats.tracking.writer import Writer

POLL_SECONDS = 0.1
"""Time between two readings of the outbox."""

RETRY_SECONDS = 1.0
"""Time between two attempts while the store doesn't answer."""

LAST_ATTEMPTS = 2
"""Attempts after the end of the run; the first may find that the store has lost its runs."""


def start(outbox: Outbox, address: str) -> subprocess.Popen[bytes]:
    """Starts a worker for the run of this process.

    Args:
        outbox: The run's outbox.
        address: The store's URI.
    """
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(outbox.folder.absolute()), str(os.getpid())],
        cwd=store.root(),
        env={**child_environment(), "MLFLOW_TRACKING_URI": address},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C ends the run; the worker then sends the rest.
        start_new_session=True,
    )


def follow(outbox: Outbox, address: str, run_is_alive: Callable[[], bool]) -> bool:
    """Sends an outbox until it is closed, while it is being written.

    Args:
        outbox: The outbox.
        address: The store's URI.
        run_is_alive: Whether the process that writes the outbox is still running. If not, its run was killed.

    Returns:
        Whether the store has everything. If not, the outbox's report has the reason.
    """
    writer: Writer | None = None
    records = outbox.read()
    attempts = LAST_ATTEMPTS
    while attempts:
        alive = run_is_alive()  # before reading, so that no record is missed
        records += outbox.read()
        if not alive and records[-1]["kind"] != "close":
            records.append({"kind": "close", "status": "KILLED", "time": records[-1]["time"]})
        over = records[-1]["kind"] == "close"
        try:
            writer = writer or Writer(outbox, address, records[0])
            writer.send(records)
            if over:
                return True
        except Exception as error:
            writer, attempts = None, attempts - over
            outbox.report = Report(problem=store.reason(error))
            time.sleep(RETRY_SECONDS)
        time.sleep(POLL_SECONDS)
    return False


def send(outbox: Outbox, address: str) -> str | None:
    """Sends the outbox of a run that is over, and deletes it when the store has everything.

    Args:
        outbox: The outbox. One that is in use stays with its run and its worker.
        address: The store's URI.

    Returns:
        The reason why it could not be sent, empty if it was sent, None if it is in use.
    """
    with suppress(FileNotFoundError), alone_in(outbox.folder) as alone:  # another process may have just sent it
        if alone:
            if not follow(outbox, address, run_is_alive=lambda: False):
                return outbox.report.problem
            outbox.delete()
            return ""
    return None


def work(outbox: Outbox, address: str, run_is_alive: Callable[[], bool]) -> bool:
    """Sends the waiting outboxes of earlier runs that are meant for the same store, then follows this one.

    An evaluation looks for the run of its training, which an earlier outbox may have.
    """
    outbox.hold()
    for earlier in outboxes(outbox.folder.parents[1]):
        if earlier.store == without_credentials(address) and send(earlier, address):
            break  # the store doesn't answer
    return follow(outbox, address, run_is_alive)


def main() -> None:
    """Sends the outbox in a folder to the store in `MLFLOW_TRACKING_URI`."""
    outbox, run = Outbox(Path(sys.argv[1])), int(sys.argv[2])
    os.nice(5)  # training has priority
    sent = work(outbox, os.environ["MLFLOW_TRACKING_URI"], lambda: os.getppid() == run)
    if sent and os.getppid() != run:
        outbox.delete()  # nobody waits for the report


if __name__ == "__main__":
    main()
