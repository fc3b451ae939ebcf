"""The speed of the project's own steps on a GPU; runs on any backend, also where TensorFlow isn't installed.

    PYTHONPATH=src python benchmarks/accelerator.py
    KERAS_BACKEND=jax PYTHONPATH=src python benchmarks/accelerator.py

Random images and weights, which cost as much time as real ones.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from material import SIZE, lecture_parameters, training_inputs

TRAINING, VALIDATION, EXTRACTED, MATRIX, ROUNDS = 3000, 1000, 4096, 8192, 5
VGG16_GFLOP = 13.23
"""Of one 150x150 image, multiplications and additions counted apart."""


def seconds(work: Callable[[], Any]) -> float:
    """Median time of some rounds, after one that compiles."""
    measured = []
    for _ in range(ROUNDS + 1):
        begin = time.perf_counter()
        work()
        measured.append(time.perf_counter() - begin)
    return statistics.median(measured[1:])


def training(augment: bool, compute: dict[str, Any], images: np.ndarray) -> float:
    """Images a second of the naive CNN, those of training and validation; the first epoch, which compiles, left out."""
    import pandas as pd

    from dogs_vs_cats.pipelines.approach.nodes import train
    from dogs_vs_cats.training.events import EpochEnd, subscribe, unsubscribe
    from dogs_vs_cats.training.inputs import LabelledImages

    splits = np.where(np.arange(len(images)) < TRAINING, "train", "validation")
    manifest = pd.DataFrame({"path": splits, "label": np.arange(len(images)) % 2, "split": splits})
    data = LabelledImages(images, manifest, ["cat", "dog"], {"identity": "random"})
    inputs = training_inputs(data, "naive_cnn", {"augment": augment, "epochs": ROUNDS + 1}, compute)
    ends: list[float] = []

    def note(event: object) -> None:
        if isinstance(event, EpochEnd):
            ends.append(time.perf_counter())

    subscribe(note)
    with tempfile.TemporaryDirectory() as folder:
        train(inputs, Path(folder))
    unsubscribe(note)
    return len(images) / statistics.median(np.diff(ends))


def extraction(compute: dict[str, Any], images: np.ndarray) -> float:
    """VGG16's features, images a second."""
    import keras

    from dogs_vs_cats.inference.prediction import row_batches
    from dogs_vs_cats.inference.predictor import predictor
    from dogs_vs_cats.models.frozen_base import pooled
    from dogs_vs_cats.parameters.compute import ComputeParameters

    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    typed = ComputeParameters.model_validate({**lecture_parameters()["compute"], **compute})
    run = predictor(pooled(base, "avg"), typed)
    rows = np.arange(EXTRACTED) % len(images)

    def work() -> None:
        for batch in row_batches(images, rows):
            run(batch)

    return EXTRACTED / seconds(work)


def matrix_rate() -> float:
    """The device's own bfloat16 matrix products, TFLOP a second."""
    from keras import ops, random

    matrix = ops.cast(random.normal((MATRIX, MATRIX)), "bfloat16")
    repeats = 20

    def work() -> None:
        product = matrix
        for _ in range(repeats):
            product = ops.matmul(product, matrix)
        # Waits for all of them.
        float(ops.convert_to_numpy(ops.cast(product[0, 0], "float32")))

    return repeats * 2 * MATRIX**3 / seconds(work) / 1e12


def main() -> None:
    """Measures, and prints JSON."""
    from dogs_vs_cats.compute.backend import accelerators
    from dogs_vs_cats.compute.start import prepare_environment, start_keras
    from dogs_vs_cats.parameters.compute import ComputeParameters

    prepare_environment(ComputeParameters.model_validate(lecture_parameters()["compute"]))
    start_keras()
    import keras

    images = np.random.default_rng(0).integers(0, 256, (TRAINING + VALIDATION, SIZE, SIZE, 3), dtype=np.uint8)
    found: dict[str, Any] = {"backend": keras.backend.backend(), "devices": accelerators()}
    found["matrix_tflops"] = matrix_rate()
    found["vgg16_images_per_second"] = extraction({}, images)
    found["vgg16_share"] = found["vgg16_images_per_second"] * VGG16_GFLOP / 1000 / found["matrix_tflops"]
    for augment in (False, True):
        for resident in (True, False):
            name = f"naive_cnn{'_augmented' if augment else ''}{'_images_on_device' if resident else ''}"
            found[f"{name}_images_per_second"] = training(augment, {"images_on_device": resident}, images)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
