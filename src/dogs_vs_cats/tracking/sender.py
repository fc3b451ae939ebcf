"""Repeats a run's journal to the MLflow store, from a process of its own: `python -m dogs_vs_cats.tracking.sender`.

A second process, so that the seconds of importing MLflow, its migrations, a slow network or a crash are never the
run's. It lives until the journal is closed, or until the run's process has died.
"""

import logging
import os
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from dogs_vs_cats.tracking import store
from dogs_vs_cats.tracking.delivery import Delivery
from dogs_vs_cats.tracking.spool import Operation, Spool, left_over

if TYPE_CHECKING:
    from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor

POLL_SECONDS = 0.1
"""Time between two looks into the journal."""

RETRY_SECONDS = 5.0
"""Time between two attempts while the store doesn't answer."""

SAMPLE_SECONDS = 5.0
"""Time between two samples of processor, memory, disk, network and GPU while a model is trained."""


def follow(spool: Spool, store_uri: str) -> bool:
    """Sends a journal while it is being written.

    Args:
        spool: The journal.
        store_uri: The store's URI, with credentials where it needs them.

    Returns:
        Whether all of it was sent.
    """
    delivery = Delivery(spool, store_uri)
    if not store.is_checked(store_uri):
        delivery.connect()  # the run waits to hear whether this works
    sampler: threading.Thread | None = None
    earlier_runs_sent = False
    next_attempt = 0.0
    while True:
        over = spool.is_over()
        operations = _complete(spool) if over else spool.operations()
        if delivery.pending(operations) and (over or time.monotonic() >= next_attempt):
            connected = delivery.connect()
            if connected and not earlier_runs_sent:
                # An evaluation looks for the run of its training, which may be one of these.
                send_left_over(spool, store_uri)
                earlier_runs_sent = True
            if not (connected and delivery.send(operations)):
                next_attempt = time.monotonic() + RETRY_SECONDS
        if over:
            return not delivery.pending(operations)
        if sampler is None and operations:
            # After the first attempt: a run whose store is gone hears of it before MLflow is imported.
            sampler = threading.Thread(target=sample_system_metrics, args=(spool, _monitors()), daemon=True)
            sampler.start()
        time.sleep(POLL_SECONDS)


def send_left_over(present: Spool, store_uri: str) -> None:
    """Sends what earlier runs could not, where it was meant for the same store.

    What still can't be sent stays where it is; `present` itself is left alone.
    """
    for spool in left_over(present.folder.parent.parent):
        with suppress(FileNotFoundError):  # sent, and deleted, by another process in this moment
            same_store = spool.header["store"] == store.without_credentials(store_uri)
            if spool.folder != present.folder and same_store and not send(spool, store_uri):
                return


def send(spool: Spool, store_uri: str) -> bool:
    """Sends the journal of a run that is over, and deletes it when the store has all of it.

    Args:
        spool: The journal. One that another process is sending is left to it.
        store_uri: The store's URI.

    Returns:
        Whether it was sent.
    """
    try:
        with FileLock(spool.lock_path, timeout=0):
            operations = _complete(spool)
            delivery = Delivery(spool, store_uri)
            delivery.send(operations)
            sent = not delivery.pending(operations)
    except Timeout:
        return True
    if sent:
        spool.delete()
    return sent


def _complete(spool: Spool) -> list[Operation]:
    """Operations of a run that is over; one that was killed is closed here."""
    operations = spool.operations()
    if operations and operations[-1]["operation"] != "close":
        spool.append("close", status="KILLED", time=int(time.time() * 1000))
        operations = spool.operations()
    return operations


def sample_system_metrics(spool: Spool, monitors: "list[BaseMetricsMonitor]") -> None:
    """Writes samples of the machine's load into a journal, until it ends, whenever a model is being trained.

    Args:
        spool: The journal.
        monitors: What is sampled.
    """
    steps: dict[str, int] = {}
    next_sample = 0.0
    while not spool.is_over():
        run = _in_training(spool.operations())
        if run is not None and (run not in steps or time.monotonic() >= next_sample):
            step = steps.get(run, 0)
            steps[run] = step + 1
            next_sample = time.monotonic() + SAMPLE_SECONDS
            spool.append("metrics", run=run, values=_sample(monitors), step=step, time=int(time.time() * 1000))
        time.sleep(2 * POLL_SECONDS)


def _sample(monitors: "list[BaseMetricsMonitor]") -> dict[str, float]:
    values: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        values |= {f"system/{name}": value for name, value in monitor.aggregate_metrics().items()}
        monitor.clear_metrics()
    return values


def _in_training(operations: list[Operation]) -> str | None:
    """The run whose model is being trained."""
    run = None
    for operation in operations:
        if operation["operation"] == "begin":
            run = operation["run"]
        elif operation["operation"] == "model" and operation["run"] == run:
            run = None
    return run


def _monitors() -> "list[BaseMetricsMonitor]":
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors: list[BaseMetricsMonitor] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        monitors.append(GPUMonitor())
    except (ImportError, RuntimeError):  # no NVIDIA library, or no GPU
        logging.getLogger(__name__).debug("GPU load isn't sampled")
    return monitors


def prepare_mlflow() -> None:
    """Sets MLflow up before it is imported: quiet, quick to give up, and without telemetry."""
    for name, value in (
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "20"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="mlflow")


def main() -> int:
    """Sends the journal whose folder is given, to the store in `MLFLOW_TRACKING_URI`; 0 if all was sent."""
    spool = Spool(Path(sys.argv[1]))
    if hasattr(os, "nice"):
        os.nice(5)  # the training comes first
    prepare_mlflow()
    with FileLock(spool.lock_path):
        sent = follow(spool, os.environ["MLFLOW_TRACKING_URI"])
    if sent and not spool.owner_lives():
        spool.delete()  # nobody waits for the outcome
    return 0 if sent else 1


if __name__ == "__main__":
    sys.exit(main())
