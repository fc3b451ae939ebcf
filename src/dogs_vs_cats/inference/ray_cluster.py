"""Prediction on a Ray cluster.

Batches come from a memory map or an archive that only this machine may have, so a `ray.data.Dataset`, which reads what
every machine can reach or holds all of it in the object store first, doesn't fit. Instead, each batch is a Ray task.
Ray places the tasks, repeats those of a machine that dies, and uses machines that join. A window of a few batches per
machine bounds the memory and preserves the order.
"""

import importlib.util
import logging
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dogs_vs_cats.errors import ClusterError
from dogs_vs_cats.parameters.compute import ComputeParameters

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

BATCHES_PER_MACHINE = 4
"""Batches that are sent and not yet returned, for each machine: the bound on memory."""

ATTEMPTS = 3
"""Processes that may die of one batch before prediction stops."""

_SECONDS_BETWEEN_CHECKS = 1.0


def predict_on_cluster(
    model: "keras.Model", batches: Iterable[np.ndarray], compute: ComputeParameters
) -> Iterator[np.ndarray]:
    """Predicts a stream of batches on every machine of a cluster.

    Args:
        model: Takes raw images.
        batches: uint8 or float arrays of images.
        compute: Gives the cluster's address and the precision.

    Yields:
        float32 array with one row for each image of a batch: every batch once, in their order.

    Raises:
        ClusterError: Ray isn't installed, the cluster can't be reached, a machine can't predict, or none is left.
    """
    ray = _connect(str(compute.cluster))
    try:
        cluster = _Cluster(ray, str(compute.cluster))
        send = cluster.task(model, compute)
        window: deque[Any] = deque()
        for batch in batches:
            while len(window) >= BATCHES_PER_MACHINE * len(cluster.machines):
                yield cluster.result(window.popleft())
            window.append(send(batch))
        while window:
            yield cluster.result(window.popleft())
    finally:
        ray.shutdown()


class _Cluster:
    """The machines that can compute, and the tasks on them."""

    def __init__(self, ray: Any, address: str):
        self._ray = ray
        self._address = address
        self.machines: dict[str, dict[str, float]] = {}
        self._find_machines()

    def task(self, model: "keras.Model", compute: ComputeParameters) -> Callable[[np.ndarray], Any]:
        """Returns a function that sends a batch to the cluster and returns Ray's reference to the result."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            model.save(file)
            # In a tuple Ray passes the reference on: each process fetches the model once.
            model_file = (self._ray.put(file.read_bytes()),)
        # A task takes a whole machine, as far as the machines are alike.
        smallest = {name: min(each.get(name, 0) for each in self.machines.values()) for name in ("CPU", "GPU")}
        task = self._ray.remote(_predict).options(
            num_cpus=smallest["CPU"],
            num_gpus=smallest["GPU"],
            max_retries=ATTEMPTS - 1,
            scheduling_strategy="SPREAD",
        )
        parameters = compute.model_copy(update={"cluster": None}).model_dump_json()
        return lambda batch: task.remote(model_file, parameters, batch)

    def result(self, reference: Any) -> np.ndarray:
        """Waits for a result as long as there are machines."""
        from ray.exceptions import RayError, RayTaskError

        if time.monotonic() - self._checked > _SECONDS_BETWEEN_CHECKS:
            self._find_machines()
        while not self._ray.wait([reference], timeout=_SECONDS_BETWEEN_CHECKS)[0]:
            self._find_machines()
        try:
            result: np.ndarray = self._ray.get(reference)
        except RayTaskError as error:
            reason = str(error.cause).strip().splitlines()[-1]
            raise ClusterError(
                f"A machine of the cluster {self._address} can't predict: {reason}. Its Python environment must be the "
                "one of this project (make install)."
            ) from None
        except RayError:
            raise ClusterError(
                f"{ATTEMPTS} processes of the cluster {self._address} died of the same batch of images, most likely "
                "because the memory of their machines is too small. Give them more, or set compute.cluster: null."
            ) from None
        return result

    def _find_machines(self) -> None:
        before, self._checked = self.machines, time.monotonic()
        self.machines = {
            node["NodeID"]: node["Resources"]
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
        }
        if before.keys() - self.machines.keys():
            logger.warning("A machine of the cluster is gone; its batches are reassigned")
        if not self.machines:
            raise ClusterError(
                f"The cluster {self._address} has no machine with a processor (any more). Add one (ray start "
                "--address=…), or set compute.cluster: null."
            )


def _predict(model_file: tuple[Any], parameters: str, batch: np.ndarray) -> np.ndarray:
    """Runs on the cluster."""
    return _predictor(model_file[0], parameters)(batch)


@cache
def _predictor(model_file: Any, parameters: str) -> Callable[[np.ndarray], np.ndarray]:
    """Prepares the model, once for each process of the cluster."""
    import ray

    from dogs_vs_cats.compute.start import prepare_environment, start_keras

    compute = ComputeParameters.model_validate_json(parameters)
    prepare_environment(compute)
    start_keras()
    from dogs_vs_cats.datasets.keras_model import load_model
    from dogs_vs_cats.inference.predictor import predictor

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        file.write_bytes(ray.get(model_file))
        return predictor(load_model(file), compute)


def _connect(address: str) -> Any:
    """Connects to a cluster, and returns the module `ray`."""
    if importlib.util.find_spec("ray") is None:
        raise ClusterError(
            f"compute.cluster is {address}, but Ray isn't installed: make install, or pip install 'ray[data]'."
        )
    import ray

    try:
        _knock(address)
        ray.init(
            address=address,
            runtime_env={"py_modules": [str(Path(__file__).parents[1])]},
            log_to_driver=False,
            configure_logging=False,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"compute.cluster is {address}, but no Ray cluster can be reached there ({' '.join(str(error).split())}). "
            "Start one (ray start --head; on each further machine ray start --address=HOST:6379), or set "
            "compute.cluster: null."
        ) from None
    return ray


def _knock(address: str) -> None:
    """Raises OSError where nothing listens; Ray itself would go on trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()
