"""The price of `compute.instruction_set: avx2`: two processes take turns, one of them held to AVX2.

python benchmarks/instruction_sets.py
"""

import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

SETS = ("avx2", "auto")
ROUNDS, STEPS, BATCH, SIZE = 3, 10, 30, 150


def _start(instruction_set: str) -> None:
    from dogs_vs_cats.compute.start import prepare_environment, start_keras
    from dogs_vs_cats.parameters.compute import ComputeParameters

    prepare_environment(ComputeParameters.model_construct(threads=2, instruction_set=instruction_set))
    start_keras()


def _naive_cnn() -> float:
    """Seconds of processor time of training steps in float32."""
    import keras
    import numpy as np

    from dogs_vs_cats.approaches.naive_cnn import Parameters, build

    model = build(Parameters.model_construct(), (SIZE, SIZE, 3), 2)
    model.compile("adam", keras.losses.BinaryCrossentropy())
    images = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.arange(BATCH)[:, None] % 2
    model.train_on_batch(images, labels)
    started = time.process_time()
    for _ in range(STEPS):
        model.train_on_batch(images, labels)
    return time.process_time() - started


def _vgg16() -> float:
    """Seconds of processor time of a prediction in float32."""
    import keras
    import numpy as np

    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    images = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    model.predict_on_batch(images)
    started = time.process_time()
    model.predict_on_batch(images)
    return time.process_time() - started


def main() -> None:
    """Prints the medians and the median ratio of each work."""
    context = multiprocessing.get_context("spawn")
    held, free = (ProcessPoolExecutor(1, context, _start, (name,)) for name in SETS)
    for work in (_naive_cnn, _vgg16):
        rounds = [(held.submit(work).result(), free.submit(work).result()) for _ in range(ROUNDS)]
        medians = [statistics.median(side) for side in zip(*rounds, strict=True)]
        ratio = statistics.median(seconds / newest for seconds, newest in rounds)
        print(f"{work.__name__[1:]}: avx2 {medians[0]:.2f} s, auto {medians[1]:.2f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
