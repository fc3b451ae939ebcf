"""Prediction on a Ray cluster.

Batches come from a memory map or an archive that only this machine may have, so a `ray.data.Dataset`, which reads what
every machine can reach or holds all of it in the object store first, doesn't fit. Neither does `ray.util.ActorPool`,
which takes all batches at once. Instead, each batch is a Ray task. Ray places the tasks, repeats those of a machine
that dies, and uses machines that join. A window of a few batches per machine bounds the memory and preserves the order.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from dogs_vs_cats.compute import cluster
from dogs_vs_cats.parameters.compute import ComputeParameters

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

BATCHES_PER_MACHINE = 4
"""Batches that are sent and not yet returned, for each machine: the bound on memory."""

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
        ClusterError: Ray isn't installed, the cluster can't be reached or can't predict, or no machine is left.
    """
    address = str(compute.cluster)
    ray = cluster.connect(address)
    with cluster.explained(address, "predict"):
        machines = cluster.machines(address)
        # A task takes a whole machine, as far as the machines are alike.
        cpus, gpus = (min(each.get(name, 0) for each in machines.values()) for name in ("CPU", "GPU"))
        task = ray.remote(_predict).options(
            num_cpus=cpus, num_gpus=gpus, max_retries=cluster.ATTEMPTS - 1, scheduling_strategy="SPREAD"
        )
        # In a tuple Ray passes the reference on: each process fetches the model once.
        shared = (ray.put(model),)
        remaining, window = iter(batches), deque[Any]()
        while True:
            before, machines = machines, cluster.machines(address)
            if before.keys() - machines.keys():
                logger.warning("A machine of the cluster is gone; its batches are reassigned")
            room = max(BATCHES_PER_MACHINE * len(machines) - len(window), 0)
            window.extend(task.remote(shared, compute, batch) for batch in islice(remaining, room))
            if not window:
                return
            if ray.wait([window[0]], timeout=_SECONDS_BETWEEN_CHECKS)[0]:
                yield ray.get(window.popleft())


def _predict(model: tuple[Any], compute: ComputeParameters, batch: np.ndarray) -> np.ndarray:
    """Runs on the cluster."""
    return _predictor(model[0], compute)(batch)


@lru_cache(maxsize=1)
def _predictor(model: Any, compute: ComputeParameters) -> Callable[[np.ndarray], np.ndarray]:
    """Prepares the model that a reference stands for, once for each process of the cluster."""
    import ray

    cluster.start_worker(compute)
    from dogs_vs_cats.inference.predictor import predictor

    return predictor(ray.get(model), compute)
