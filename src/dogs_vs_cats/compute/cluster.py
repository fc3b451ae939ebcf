"""The connection to a Ray cluster, and the start of its workers; `compute.cluster` is its address."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dogs_vs_cats.compute.start import prepare_environment, start_keras
from dogs_vs_cats.errors import ClusterError
from dogs_vs_cats.parameters.compute import ComputeParameters

ATTEMPTS = 3
"""Times that a task is tried if its worker dies: Ray's `max_retries` is one less."""

_lock = threading.Lock()
_connected: list[str] = []
"""The address that this process is connected to, if any."""


def connect(address: str) -> Any:
    """Connects this process to a cluster, unless it is connected already; thread-safe.

    The workers get this package from here, and its dependencies from their own environment.

    Args:
        address: `auto`, `HOST:6379` or `ray://HOST:10001`.

    Returns:
        The module `ray`.

    Raises:
        ClusterError: Ray isn't installed, or the cluster can't be reached.
    """
    with _lock:
        try:
            import ray

            if _connected == [address] and ray.is_initialized():
                return ray
            _disconnect()
            host, _, port = address.removeprefix("ray://").rpartition(":")
            if host and port.isdigit():  # where nothing listens, Ray itself would try for minutes
                socket.create_connection((host, int(port)), timeout=10).close()
            ray.init(
                address=address,
                runtime_env={"py_modules": [str(Path(__file__).parents[1])]},
                log_to_driver=False,
                configure_logging=False,
            )
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ClusterError(
                f"compute.cluster is {address}, but no Ray cluster can be reached there ({reason}). Install Ray (make "
                "dev) and start one (ray start --head; on each further machine ray start --address=HOST:6379), or set "
                "compute.cluster: null."
            ) from None
        _connected.append(address)
        return ray


def disconnect() -> None:
    """Ends the connection, if there is one, and with it the workers that it has started."""
    with _lock:
        _disconnect()


def _disconnect() -> None:
    if _connected:
        import ray

        _connected.clear()
        ray.shutdown()


def machines(address: str) -> dict[str, dict[str, float]]:
    """The resources of each machine that has a processor, by its id.

    Args:
        address: Of the cluster.

    Raises:
        ClusterError: The cluster can't be reached, or has no such machine.
    """
    found = {
        node["NodeID"]: node["Resources"]
        for node in connect(address).nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    }
    if not found:
        raise ClusterError(
            f"The cluster {address} has no machine with a processor (any more). Add one (ray start --address=…), or "
            "set compute.cluster: null."
        )
    return found


@contextmanager
def explained(address: str, work: str) -> Iterator[None]:
    """Turns an error of Ray into one line; a failure of this project that ended a task is raised as it is.

    Args:
        address: Of the cluster.
        work: The work, as a verb with its object.

    Raises:
        ClusterError: The cluster can't do the work.
    """
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", error)
        if isinstance(cause, click.ClickException):
            raise cause from None
        raise ClusterError(
            f"The cluster {address} can't {work}: {' '.join(str(cause).split())}. Its machines need the Python "
            "environment of this project (make install) and memory for the model and a batch of images; or set "
            "compute.cluster: null."
        ) from None


def start_worker(compute: ComputeParameters) -> None:
    """Prepares a process of the cluster to compute with Keras, as a run prepares its own; repeating it is harmless."""
    prepare_environment(compute)
    start_keras()
