"""Differences between Keras backends: devices, compiled updates, gradients."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dogs_vs_cats.parameters.compute import ComputeParameters

if TYPE_CHECKING:
    import keras
    import numpy as np


def backend_name() -> str:
    """Name of the backend that Keras has or will start with, such as `tensorflow`; see `prepare_environment`."""
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def accelerators() -> list[str]:
    """Names of the GPUs or TPUs that the backend sees, such as `gpu:0`; empty where there is none."""
    import keras

    # Asked for a kind that isn't there, JAX raises.
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


def compile_updates(optimizer: "keras.optimizers.Optimizer", compute: ComputeParameters) -> None:
    """Lets XLA join an optimizer's operations, where the training step itself isn't compiled.

    TensorFlow otherwise reads and writes all weights once for each of the update's some fifteen operations; XLA makes
    one pass for each array that it writes. For the naive CNN's 19 million weights and Nadam, the update takes 45 ms of
    processor time instead of 173 on an Intel Xeon (Emerald Rapids).

    Args:
        optimizer: Any optimizer; its `apply` is replaced.
        compute: With `jit_compile: false` nothing is compiled.
    """
    import keras

    if keras.backend.backend() != "tensorflow" or not compute.jit_compile:
        return
    import tensorflow as tf

    apply = optimizer.apply

    def compiled(gradients: Any, trainable_variables: Any = None) -> None:
        update = tf.function(lambda given: apply(given, trainable_variables), jit_compile=True, autograph=False)
        update(list(gradients))

    optimizer.apply = compiled


def gradient(function: Callable[[Any], Any], at: "np.ndarray") -> "np.ndarray":
    """Differentiates a function written in Keras operations.

    Args:
        function: Takes a float32 tensor of the shape of `at` and returns a scalar tensor.
        at: Where, float32 array.

    Returns:
        float32 array of the shape of `at`.
    """
    import keras
    import numpy as np

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        point = tf.convert_to_tensor(at)
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = function(point)
        return np.asarray(tape.gradient(value, point))
    import jax

    return np.asarray(jax.grad(function)(jax.numpy.asarray(at)))
