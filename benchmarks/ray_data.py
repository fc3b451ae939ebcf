"""Photos classified through Ray Data against the project's own window of Ray tasks, on two machines of one processor.

Both read files on this machine, decode and predict on the cluster, and keep the order. They take turns.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from cluster import write_photos
from ray_processes import RayProcesses

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIDE = 64
OPTIONS: Any = {"max_pixels": 10**6, "min_side": 4, "bit_depth": None, "fit": "stretch"}


def predictor_of_files(model: Any, parameters: Any) -> Callable[[list[bytes]], np.ndarray]:
    """Makes the function that workers run in both ways."""
    from dogs_vs_cats.images.decoding import decode
    from dogs_vs_cats.inference.predictor import predictor

    run = predictor(model, parameters)
    return lambda files: run(np.stack([decode(file, image_size=SIDE, channels=3, **OPTIONS).pixels for file in files]))


def with_tasks(make: Callable[[], Any], paths: list[str], size: int) -> Iterator[np.ndarray]:
    """The project's way."""
    from dogs_vs_cats.compute import cluster

    parts = (paths[start : start + size] for start in range(0, len(paths), size))
    files = ([Path(path).read_bytes() for path in part] for part in parts)
    return cluster.in_order(make, files, "predict")


def with_ray_data(make: Callable[[], Any], paths: list[str], size: int) -> Iterator[np.ndarray]:
    """The same with a dataset of paths, a stage pinned to this machine that reads, and a pool of actors."""
    import ray
    import ray.data
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    made = (ray.put(make),)

    def read(batch: Any) -> Any:
        return {"file": [Path(path).read_bytes() for path in batch["item"]]}

    class Predictor:
        def __init__(self) -> None:
            self.run = ray.get(made[0])()

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            return {"outputs": self.run([bytes(file) for file in batch["file"]])}

    dataset: Any = (
        ray.data.from_items(paths, override_num_blocks=-(-len(paths) // size))
        .map_batches(read, batch_size=None, num_cpus=0, scheduling_strategy=here)
        .map_batches(Predictor, batch_size=size, num_cpus=1, compute=ray.data.ActorPoolStrategy(min_size=1, max_size=2))
    )
    for batch in dataset.iter_batches(batch_size=None, prefetch_batches=0):
        yield batch["outputs"]


@click.command()
@click.option("--photos", default=10_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(photos: int, rounds: int) -> None:
    """Print seconds to the first batch, and photos a second after it, as JSON: medians of some rounds."""
    from material import lecture_parameters

    from dogs_vs_cats.compute import cluster
    from dogs_vs_cats.compute.start import prepare_environment, start_keras
    from dogs_vs_cats.parameters.compute import BATCH_SIZE, ComputeParameters

    parameters = ComputeParameters.model_validate({**lecture_parameters()["compute"], "threads": 1})
    prepare_environment(parameters)
    start_keras()
    import keras

    from dogs_vs_cats.models.backbones import source_cnn

    model = keras.Sequential([source_cnn(SIDE, 3), keras.layers.GlobalAveragePooling2D()])
    make = partial(predictor_of_files, model, parameters)
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        write_photos(folder, photos)
        paths = sorted(map(str, folder.iterdir()))
        expected = np.concatenate(list(map(make(), ([Path(path).read_bytes()] for path in paths[:BATCH_SIZE]))))
        machines = RayProcesses({})
        try:
            cluster.connect(machines.address)
            for _ in range(rounds):
                for way in (with_tasks, with_ray_data):
                    begin = time.perf_counter()
                    batches = way(make, paths, BATCH_SIZE)
                    answers = [next(batches)]
                    first = time.perf_counter()
                    answers += batches
                    end = time.perf_counter()
                    outputs = np.concatenate(answers)
                    assert len(outputs) == photos
                    np.testing.assert_allclose(outputs[:BATCH_SIZE], expected, atol=1e-5)
                    found.setdefault(way.__name__, []).append((first - begin, (photos - BATCH_SIZE) / (end - first)))
        finally:
            cluster.disconnect()
            machines.stop()
    print(json.dumps({way: np.median(values, axis=0).tolist() for way, values in found.items()}, indent=2))


if __name__ == "__main__":
    main()
