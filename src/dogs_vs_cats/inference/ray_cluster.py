"""Prediction by the machines of a Ray cluster.

Batches come from a memory map or an archive that only this machine may have, must be answered in order, and never all
be in memory at once. So they are handed to one actor on each machine, a few at a time, rather than put into a
`ray.data.Dataset`, which reads what every machine can reach, or holds all of it in its object store first.
"""

import importlib.util
import logging
import socket
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dogs_vs_cats.errors import ClusterError
from dogs_vs_cats.parameters.compute import ComputeParameters

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

BATCHES_PER_MACHINE = 4
"""So many batches for each machine are sent or answered, and not yet used: the bound on what is in memory."""

ATTEMPTS = 3
"""A batch on which so many machines died is not given to another one."""

_SECONDS_BETWEEN_LOOKS = 1.0


def predict_on_cluster(
    model: "keras.Model", batches: Iterable[np.ndarray], compute: ComputeParameters
) -> Iterator[np.ndarray]:
    """Predicts a stream of batches on every machine of a cluster.

    What a machine had when it died is given to another one. A machine that joins takes part from then on.

    Args:
        model: Takes raw images.
        batches: uint8 or float arrays of images.
        compute: Gives the cluster's address and the precision.

    Yields:
        float32 array with one row for each image of a batch: every batch once, in their order.

    Raises:
        ClusterError: Ray isn't installed, the cluster can't be reached, a machine can't do it, or none is left.
    """
    ray = _connect(str(compute.cluster))
    try:
        yield from _Dispatch(ray, model, compute).answers(batches)
    finally:
        ray.shutdown()


class _Task(NamedTuple):
    """A batch, the machine that has it, and Ray's reference to the answer."""

    batch: np.ndarray
    machine: str
    answer: Any


class _Dispatch:
    """An actor on each machine, and the batches that they have, in their order."""

    def __init__(self, ray: Any, model: "keras.Model", compute: ComputeParameters):
        self._ray = ray
        self._address = compute.cluster
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            model.save(file)
            self._model = ray.put(file.read_bytes())
        self._compute = compute.model_copy(update={"cluster": None}).model_dump()
        self._actors: dict[str, Any] = {}
        self._lost: set[str] = set()
        self._looked_at = 0.0
        self._tasks: deque[_Task] = deque()

    def answers(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for batch in batches:
            self._look_for_machines()
            while len(self._tasks) >= BATCHES_PER_MACHINE * len(self._actors):
                yield self._answer(self._tasks.popleft())
            self._tasks.append(self._sent(batch))
        while self._tasks:
            yield self._answer(self._tasks.popleft())

    def _sent(self, batch: np.ndarray) -> _Task:
        """Gives a batch to the machine that has the fewest to compute."""
        self._look_for_machines()
        machines = {task.answer: task.machine for task in self._tasks}
        unanswered = self._ray.wait(list(machines), num_returns=len(machines), timeout=0)[1] if machines else []
        busy = Counter(machines[answer] for answer in unanswered)
        machine = min(self._actors, key=busy.__getitem__)
        return _Task(batch, machine, self._actors[machine].predict.remote(batch))

    def _answer(self, task: _Task) -> np.ndarray:
        """Waits for the answer to a batch, which goes to another machine if its own dies."""
        from ray.exceptions import RayError, RayTaskError

        for _ in range(ATTEMPTS):
            try:
                return self._ray.get(task.answer)
            except RayTaskError as error:
                raise self._refusal(error.cause) from None
            except RayError as error:
                if getattr(error, "actor_init_failed", False):
                    raise self._refusal(error) from None
                self._lost.add(task.machine)
                if self._actors.pop(task.machine, None):
                    logger.warning("A machine of the cluster is gone; what it had goes to another one")
                task = self._sent(task.batch)
        raise ClusterError(
            f"{ATTEMPTS} machines of the cluster {self._address} died of the same batch of images, most likely "
            "because their memory is too small. Give them more, or set compute.cluster: null."
        )

    def _refusal(self, error: BaseException) -> ClusterError:
        reason = str(error).strip().splitlines()[-1]
        return ClusterError(
            f"A machine of the cluster {self._address} can't predict: {reason}. Its Python environment must be the "
            "one of this project (make install)."
        )

    def _look_for_machines(self) -> None:
        """Starts an actor on each machine that has none."""
        if self._actors and time.monotonic() - self._looked_at < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked_at = time.monotonic()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        alive = {
            node["NodeID"]: node["Resources"]
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= 1 and node["NodeID"] not in self._lost
        }
        if not alive:
            raise ClusterError(
                f"No machine of the cluster {self._address} has a processor to predict with (any more). "
                "Add one (ray start --address=…), or set compute.cluster: null."
            )
        for machine in alive.keys() - self._actors.keys():
            actor = self._ray.remote(_Predictor).options(
                num_cpus=alive[machine]["CPU"],
                num_gpus=alive[machine].get("GPU", 0),
                scheduling_strategy=NodeAffinitySchedulingStrategy(machine, soft=False),
                # Ray itself repeats what was under way when the process alone died, not its machine.
                max_restarts=ATTEMPTS - 1,
                max_task_retries=ATTEMPTS - 1,
            )
            self._actors[machine] = actor.remote(self._model, self._compute)


class _Predictor:
    """The actor on each machine."""

    def __init__(self, model_file: bytes, compute: dict[str, Any]):
        from dogs_vs_cats.compute.start import prepare_environment, start_keras

        parameters = ComputeParameters.model_validate(compute)
        prepare_environment(parameters)
        start_keras()
        from dogs_vs_cats.datasets.keras_model import load_model
        from dogs_vs_cats.inference.predictor import predictor

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            file.write_bytes(model_file)
            self._predict = predictor(load_model(file), parameters)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        return self._predict(batch)


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
