"""Predicting one batch of images at a time, in one precision and one shape."""

from collections.abc import Callable

import keras
import numpy as np

from dogs_vs_cats.compute.precision import dtype_policy, with_dtype_policy
from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
from dogs_vs_cats.parameters.compute import BATCH_SIZE, ComputeParameters


def predictor(model: keras.Model, compute: ComputeParameters) -> Callable[[np.ndarray], np.ndarray]:
    """Prepares a model to predict batches of at most `BATCH_SIZE` images in the precision of `compute`."""
    run = unpadded_predictor(model, compute)

    def padded(batch: np.ndarray) -> np.ndarray:
        missing = BATCH_SIZE - len(batch)
        full = np.pad(batch, [(0, missing), *[(0, 0)] * (batch.ndim - 1)]) if missing else batch
        return run(full)[: len(batch)]

    return padded


def unpadded_predictor(model: keras.Model, compute: ComputeParameters) -> Callable[[np.ndarray], np.ndarray]:
    """Likewise for batches of any size, where rounding may depend on the size."""
    fast = with_dtype_policy(fold_batch_normalisation(model), dtype_policy(compute, model))
    fast.compile(jit_compile=compute.jit_compile)
    return lambda batch: np.asarray(fast.predict_on_batch(batch), dtype=np.float32)
