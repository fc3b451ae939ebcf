"""Work on the machines of a Ray cluster.

A run connects to the cluster at `compute.cluster` before its first node, and whatever can be spread over machines is
spread over them from then on. A process that isn't connected, such as a worker of the cluster, does its work itself.
"""

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import click

from dogs_vs_cats.compute import start
from dogs_vs_cats.compute.turns import turn_given_away
from dogs_vs_cats.errors import ClusterError

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_PER_MACHINE = 4
"""Items that are sent and not yet returned, for each machine: the bound on memory."""

ATTEMPTS = 3
"""Times that a task is tried if its worker dies: Ray's `max_retries` is one less."""

SECONDS_BETWEEN_CHECKS = 1.0
"""How often work that waits for the cluster looks for machines that are gone."""

_lock = threading.Lock()
_address: str | None = None
_task = {"CPU": 1.0, "GPU": 0.0}
"""Resources of a task: a whole machine, as far as the machines were alike when the run connected."""


def connect(address: str) -> None:
    """Connects this process to a cluster; a connection that it has already is ended unless it is the same.

    Workers get this package from here, and its dependencies from the Python environment of their machine. Libraries
    find the same variables as here, so that they compute with as many threads and the same instructions.

    Args:
        address: `auto`, `HOST:6379` or `ray://HOST:10001`.

    Raises:
        ClusterError: Ray isn't installed, the cluster can't be reached, or it has no processor.
    """
    global _address, _task
    with _lock:
        try:
            import ray

            if ray.is_initialized():  # asked of Ray, since %reload_kedro makes this module forget its connection
                if _address == address:
                    return
                ray.shutdown()
            _address = None
            host, _, port = address.removeprefix("ray://").rpartition(":")
            if host and port.isdigit():  # where nothing listens, Ray itself would try for minutes
                socket.create_connection((host, int(port)), timeout=10).close()
            ray.init(
                address=address,
                runtime_env={
                    "py_modules": [str(Path(__file__).parents[1])],
                    "env_vars": {
                        **{name: os.environ[name] for name in start.VARIABLES if name in os.environ},
                        # Workers stay alive between tasks, and would keep nearly all memory of a GPU.
                        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
                        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
                    },
                },
                log_to_driver=False,
                configure_logging=False,
            )
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            raise ClusterError(
                f"compute.cluster is {address}, but no Ray cluster can be reached there "
                f"({' '.join(str(error).split())}). Install Ray (make dev) and start one (ray start --head; on each "
                "further machine ray start --address=HOST:6379), or set compute.cluster: null."
            ) from None
        _address, _task = address, {"CPU": 1.0, "GPU": 0.0}
        there = machines().values()
        _task = {name: min(each.get(name, 0.0) for each in there) for name in _task}


def disconnect() -> None:
    """Ends the connection, if there is one, and the workers that it has started."""
    global _address
    with _lock:
        if _address is not None:
            import ray

            ray.shutdown()
            _address = None


def connected() -> bool:
    """Whether this process is connected to a cluster."""
    return _address is not None


def machines() -> dict[str, dict[str, float]]:
    """The resources of each machine of the cluster that can take a task, by its id.

    Raises:
        ClusterError: There is none: Ray would wait for one for ever.
    """
    import ray

    nodes: Callable[[], list[dict[str, Any]]] = ray.nodes
    found = {
        node["NodeID"]: node["Resources"]
        for node in nodes()
        if node["Alive"] and all(node["Resources"].get(name, 0.0) >= least for name, least in _task.items())
    }
    if not found:
        least = " and ".join(f"{amount:g} {name}" for name, amount in _task.items() if amount)
        raise ClusterError(
            f"The cluster {_address} has no machine with {least} (any more). Add one (ray start --address=…), run "
            "again with the machines that are left, or set compute.cluster: null."
        )
    return found


def one_machine() -> dict[str, float | str]:
    """Options of a Ray task that takes a whole machine, as far as the machines are alike, and is repeated elsewhere."""
    sizes = {"num_cpus": _task["CPU"], "num_gpus": _task["GPU"]}
    return {**sizes, "max_retries": ATTEMPTS - 1, "scheduling_strategy": "SPREAD"}


@contextmanager
def explained(work: str) -> Iterator[None]:
    """Turns an error of Ray into one line; a failure of this project that ended a task is raised as it is.

    Args:
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
            f"The cluster {_address} can't {work}: {' '.join(str(cause).split())}. Its machines need the Python "
            "environment of this project (make install) and memory for the model and a batch of images; or set "
            "compute.cluster: null."
        ) from None


def in_order(make: Callable[[], Callable[[Item], Result]], items: Iterable[Item], work: str) -> Iterator[Result]:
    """Applies a function to every item, on all machines.

    Each item is a Ray task. Ray places the tasks, repeats those of a machine that dies, and uses machines that join if
    they are large enough.

    Args:
        make: Makes the function, once in each worker.
        items: Its arguments. Only `ITEMS_PER_MACHINE` for each machine are taken ahead of the results.
        work: The work, for messages: a verb with its object.

    Yields:
        The results, in the order of the items. Their arrays are read-only and lie in shared memory until they are gone.

    Raises:
        ClusterError: The cluster can't do the work, or no machine is left.
        ProjectError: Whatever the function raises.
    """
    import ray

    with explained(work):
        there = machines()
        task = ray.remote(_apply).options(**one_machine())
        # In a tuple Ray passes the reference on: each worker fetches the object once.
        made = (ray.put(make),)
        remaining, window = iter(items), deque[Any]()
        while True:
            before, there = there, machines()
            if before.keys() - there.keys():
                logger.warning("A machine of the cluster is gone; its work is reassigned")
            room = max(ITEMS_PER_MACHINE * len(there) - len(window), 0)
            window.extend(task.remote(made, item) for item in islice(remaining, room))
            if not window:
                return
            with turn_given_away():
                ready, _ = ray.wait([window[0]], timeout=SECONDS_BETWEEN_CHECKS)
            if ready:
                yield ray.get(window.popleft())


def _apply(made: tuple[Any], item: Any) -> Any:
    """Runs on the cluster."""
    return _function(made[0])(item)


@lru_cache(maxsize=1)
def _function(made: Any) -> Callable[[Any], Any]:
    """Makes the function that a reference stands for, once in each worker, which keeps the last one."""
    import ray

    make: Callable[[], Callable[[Any], Any]] = ray.get(made)
    return make()
