"""Running a model over many images in constant memory, here or on a cluster."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import keras
import numpy as np

from dogs_vs_cats.compute import cluster
from dogs_vs_cats.inference.predictor import predictor
from dogs_vs_cats.parameters.compute import BATCH_SIZE, ComputeParameters
from dogs_vs_cats.progress import progress
from dogs_vs_cats.storage.arrays import read_rows, row_parts


def predict(model: keras.Model, images: np.ndarray, rows: np.ndarray, compute: ComputeParameters) -> np.ndarray:
    """Predicts the images of some rows.

    Args:
        model: Takes raw images.
        images: uint8 memory map, (n, height, width, channels).
        rows: Which of them, int array of shape (m,).
        compute: Gives the precision.

    Returns:
        float32 array of shape (m, outputs).
    """
    outputs = np.empty((len(rows), *model.output_shape[1:]), dtype=np.float32)
    done = 0
    with progress(f"Predicting with {model.name}", len(rows)) as advance:
        for part in predict_batches(model, row_batches(images, rows), compute):
            outputs[done : done + len(part)] = part
            done += len(part)
            advance(len(part))
    return outputs


def predict_batches(
    model: keras.Model, batches: Iterable[np.ndarray], compute: ComputeParameters
) -> Iterator[np.ndarray]:
    """Predicts a stream of batches, here or on the machines of a cluster.

    Here, the next batch is read while the current one is computed.

    Every batch is filled up to `BATCH_SIZE` with black images, so that a prediction doesn't depend on how many
    neighbours it has.

    Args:
        model: Takes raw images.
        batches: uint8 or float arrays of at most `BATCH_SIZE` images.
        compute: Gives the precision.

    Yields:
        float32 array with one row for each image of the batch.

    Raises:
        ClusterError: The cluster can't do it.
    """
    if cluster.connected():
        yield from cluster.in_order(partial(predictor, model, compute), batches, "predict")
        return
    run = predictor(model, compute)
    reader = iter(batches)
    with ThreadPoolExecutor(max_workers=1) as ahead:
        upcoming = ahead.submit(next, reader, None)
        while (batch := upcoming.result()) is not None:
            upcoming = ahead.submit(next, reader, None)
            yield run(batch)


def row_batches(images: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the images of `rows`, `BATCH_SIZE` at a time."""
    return (read_rows(images, part) for part in row_parts(rows, BATCH_SIZE))
