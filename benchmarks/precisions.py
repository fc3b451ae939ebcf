"""One core in each precision: matrix products, training steps of the naive CNN, its convolutions, and VGG16.

python benchmarks/precisions.py
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from material import SIZE, lecture_parameters

ROUNDS, STEPS, BATCH, PREDICTED, SIDE = 3, 3, 30, 32, 2048


def main() -> None:
    """Prints a line for each measurement."""
    from dogs_vs_cats.compute.start import prepare_environment, start_keras
    from dogs_vs_cats.parameters.compute import ComputeParameters

    compute = ComputeParameters.model_validate({**lecture_parameters()["compute"], "threads": 1})
    prepare_environment(compute)
    start_keras()
    for measure in (_products, _steps, _convolutions, _vgg16):
        measure(compute)


def _seconds(work: Callable[[], Any]) -> float:
    """Median of the processor time of one call, after one that compiles."""
    taken = []
    for _ in range(ROUNDS + 1):
        began = time.process_time()
        for _ in range(STEPS):
            work()
        taken.append((time.process_time() - began) / STEPS)
    return statistics.median(taken[1:])


def _products(_: Any) -> None:
    import tensorflow as tf

    for precision in ("float32", "bfloat16"):
        matrix = tf.cast(tf.random.uniform((SIDE, SIDE)), precision)
        seconds = _seconds(partial(tf.matmul, matrix, matrix))
        print(f"matrix product, {precision}: {2 * SIDE**3 / seconds / 1e9:.0f} GFLOP/s")


def _steps(compute: Any) -> None:
    import keras
    import numpy as np

    from dogs_vs_cats.approaches import naive_cnn
    from dogs_vs_cats.compute.backend import compile_updates
    from dogs_vs_cats.compute.precision import with_dtype_policy

    images = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.arange(BATCH)[:, None] % 2
    for policy, joined, jit in (
        ("float32", False, False),
        ("float32", True, False),
        ("mixed_bfloat16", True, False),
        ("float32", False, True),
    ):
        parameters = naive_cnn.Parameters.model_validate(lecture_parameters()["naive_cnn"])
        model = with_dtype_policy(naive_cnn.build(parameters, (SIZE, SIZE, 3), 2), policy)
        optimizer = keras.optimizers.Nadam(3e-4)
        if joined:
            compile_updates(optimizer, compute)
        model.compile(optimizer, "binary_crossentropy", jit_compile=jit)
        seconds = _seconds(partial(model.train_on_batch, images, labels))
        how = "XLA for the whole step" if jit else f"{'compiled' if joined else 'own'} update"
        print(f"training step, {policy}, {how}: {1e3 * seconds:.0f} ms")


def _convolutions(_: Any) -> None:
    """The three convolutions of the naive CNN: the output, and the gradients of the kernel and of the input."""
    import tensorflow as tf

    total, side = 0.0, SIZE
    for given, filters in ((3, 16), (16, 64), (64, 128)):
        x = tf.random.uniform((BATCH, side, side, given))
        kernel = tf.random.uniform((3, 3, given, filters))
        side -= 2

        @tf.function
        def step(x: Any, kernel: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = tf.nn.conv2d(x, kernel, 1, "VALID")
            wanted = [kernel] if x.shape[-1] == 3 else [kernel, x]  # images need no gradient
            return tape.gradient(y, wanted, output_gradients=y)

        seconds = _seconds(partial(step, x, kernel))
        total += seconds
        flop = 2 * BATCH * side**2 * 9 * given * filters * (2 if given == 3 else 3)
        print(f"convolution of {given} to {filters}: {1e3 * seconds:.0f} ms, {flop / seconds / 1e9:.0f} GFLOP/s")
        side //= 2
    print(f"convolutions: {1e3 * total:.0f} ms")


def _vgg16(_: Any) -> None:
    import keras
    import numpy as np

    from dogs_vs_cats.compute.precision import with_dtype_policy

    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    images = np.random.default_rng(0).integers(0, 256, (PREDICTED, SIZE, SIZE, 3), dtype=np.uint8)
    for policy in ("float32", "mixed_bfloat16"):
        converted = with_dtype_policy(model, policy)
        seconds = _seconds(partial(converted.predict_on_batch, images))
        print(f"VGG16, {policy}: {PREDICTED / seconds:.1f} images/s")


if __name__ == "__main__":
    main()
