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
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dogs_vs_cats.errors import ClusterError
from dogs_vs_cats.parameters.compute import ComputeParameters

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

BATCHES_AHEAD = 2
"""Batches that a machine has at once: while it computes one, the next is on its way."""

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
        yield from _Dispatch(ray, model, compute).answers(iter(batches))
    finally:
        ray.shutdown()


class _Dispatch:
    """Which batch is where."""

    def __init__(self, ray: Any, model: "keras.Model", compute: ComputeParameters):
        self._ray = ray
        self._address = compute.cluster
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            model.save(file)
            self._model = ray.put(file.read_bytes())
        self._compute = compute.model_copy(update={"cluster": None}).model_dump()
        self._actors: dict[str, Any] = {}
        self._looked_at = 0.0
        self._under_way: dict[Any, tuple[int, np.ndarray, str]] = {}
        self._again: list[tuple[int, np.ndarray]] = []
        self._deaths: Counter[int] = Counter()

    def answers(self, batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        numbered = enumerate(batches)
        finished: dict[int, np.ndarray] = {}
        upcoming = 0
        is_read = False
        while True:
            self._look_for_machines()
            # One slow machine must not let the answers of all others pile up.
            reach = upcoming + 4 * BATCHES_AHEAD * len(self._actors)
            while (machine := self._free_machine()) is not None and (self._again or not is_read):
                if self._again:
                    number, batch = self._again.pop()
                elif (following := next(numbered, None)) is None:
                    is_read = True
                    break
                else:
                    number, batch = following
                reference = self._actors[machine].predict.remote(batch)
                self._under_way[reference] = (number, batch, machine)
                if number >= reach:
                    break
            for reference in self._finished():
                number, batch, machine = self._under_way.pop(reference)
                answer = self._answer(reference, number, batch, machine)
                if answer is not None:
                    finished[number] = answer
            while upcoming in finished:
                yield finished.pop(upcoming)
                upcoming += 1
            if is_read and not self._under_way and not self._again:
                return

    def _finished(self) -> list[Any]:
        if not self._under_way:
            return []
        return self._ray.wait(list(self._under_way), timeout=_SECONDS_BETWEEN_LOOKS)[0]

    def _answer(self, reference: Any, number: int, batch: np.ndarray, machine: str) -> np.ndarray | None:
        """What a machine answered; None if it died, after which the batch waits for another one."""
        from ray.exceptions import RayActorError, RayTaskError

        try:
            return self._ray.get(reference)
        except RayActorError:
            self._actors.pop(machine, None)
            self._again.append((number, batch))
            self._deaths[number] += 1
            if self._deaths[number] == ATTEMPTS:
                raise ClusterError(
                    f"{ATTEMPTS} machines of the cluster {self._address} died of the same batch of images, most likely "
                    "because their memory is too small. Give them more, or set compute.cluster: null."
                ) from None
            logger.warning("A machine of the cluster is gone; what it had goes to another one")
            return None
        except RayTaskError as error:
            reason = str(error.cause).strip().splitlines()[-1]
            raise ClusterError(
                f"A machine of the cluster {self._address} can't predict: {reason}. Its Python environment must be the "
                "one of this project (make install)."
            ) from None

    def _free_machine(self) -> str | None:
        busy = Counter(machine for _, _, machine in self._under_way.values())
        free = [machine for machine in self._actors if busy[machine] < BATCHES_AHEAD]
        return min(free, key=busy.__getitem__, default=None)

    def _look_for_machines(self) -> None:
        """Starts an actor on each machine that has none, and forgets those that are gone."""
        if self._actors and time.monotonic() - self._looked_at < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked_at = time.monotonic()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        alive = {
            node["NodeID"]: node["Resources"]
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
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
            )
            self._actors[machine] = actor.remote(self._model, self._compute)


class _Predictor:
    """The actor on each machine."""

    def __init__(self, model_file: bytes, compute: dict[str, Any]):
        from dogs_vs_cats.compute import prepare_environment, start_keras

        parameters = ComputeParameters.model_validate(compute)
        prepare_environment(parameters)
        start_keras()
        from dogs_vs_cats.datasets.keras_model import load_model
        from dogs_vs_cats.prediction import predictor

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
            runtime_env={"py_modules": [str(Path(__file__).parent)]},
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
