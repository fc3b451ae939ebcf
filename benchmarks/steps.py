"""Single steps: augmenting images, an optimizer's update, and what batch normalisations cost."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from material import MOBILENET, SIZE, lecture_parameters, photos
from turns import ROUNDS, Result, compared, usual_and_ours

AUGMENTED, STEPS, TRAINED, PREDICTED = 300, 5, 30, 64


def augmentation() -> Result:
    """Augments the same images with the lecture's settings: `ImageDataGenerator.flow()` against our batches.

    Returns:
        Milliseconds of processor time an image.
    """
    with usual_and_ours() as (_, our_side):
        return our_side(_augmentation)


def optimizer_update() -> Result:
    """Trains the naive CNN on one batch, with Keras's own update of its weights and with the compiled one.

    Returns:
        Milliseconds a step of 30 photos, Nadam, in the precision of `conf/lecture`.
    """
    with usual_and_ours() as (_, our_side):
        return our_side(_optimizer_update)


def batch_normalisation() -> Result:
    """Predicts photos with MobileNetV2 as it is, and with its batch normalisations folded into its convolutions.

    Returns:
        Milliseconds a batch of 64 photos, in float32.
    """
    with usual_and_ours() as (_, our_side):
        return our_side(_batch_normalisation)


def _augmentation() -> Result:
    from lecture.dogs_vs_cats import AUGMENTATION, BATCH_SIZE

    from dogs_vs_cats.images.augmentation.generator import FastImageDataGenerator, ImageDataGenerator
    from dogs_vs_cats.images.batches import RowBatches

    images = np.random.default_rng(0).integers(0, 256, (AUGMENTED, SIZE, SIZE, 3), dtype=np.uint8)
    rows, labels = np.arange(AUGMENTED), np.arange(AUGMENTED) % 2
    flow = ImageDataGenerator(**AUGMENTATION).flow(images, labels, batch_size=BATCH_SIZE, seed=0)
    augmenter = FastImageDataGenerator(**AUGMENTATION)
    ours = RowBatches(images, rows, labels, batch_size=BATCH_SIZE, shuffle=True, augmenter=augmenter)
    for index in range(len(ours)):
        difference = float(np.abs(next(flow)[0] - ours.batch(0, index)[0]).max())
        if difference > 0.01:
            raise RuntimeError(f"pixels differ by {difference:.4f} of 255: the comparison is worth nothing")
    seconds = _side_by_side(
        lambda: [next(flow) for _ in range(len(ours))],
        lambda: [ours.batch(1, index) for index in range(len(ours))],
        clock=time.process_time,
    )
    usual, ours_ms = ([1e3 * taken / AUGMENTED for taken in side] for side in seconds)
    return compared(usual, ours_ms, "CPU ms an image")


def _optimizer_update() -> Result:
    import keras

    from dogs_vs_cats.approaches import naive_cnn
    from dogs_vs_cats.compute.backend import compile_updates
    from dogs_vs_cats.compute.precision import dtype_policy, with_dtype_policy
    from dogs_vs_cats.parameters.compute import ComputeParameters

    parameters = lecture_parameters()
    compute = ComputeParameters.model_validate(parameters["compute"])
    images, labels = (array[:TRAINED] for array in photos())

    def trained(*, compiled: bool) -> Callable[[], Any]:
        keras.utils.set_random_seed(0)
        model = naive_cnn.build(naive_cnn.Parameters.model_validate(parameters["naive_cnn"]), images.shape[1:], 2)
        model = with_dtype_policy(model, dtype_policy(compute, model))
        optimizer = keras.optimizers.Nadam(3e-4)
        if compiled:
            compile_updates(optimizer, compute)
        model.compile(optimizer, "binary_crossentropy")
        return lambda: [model.train_on_batch(images, labels) for _ in range(STEPS)]

    usual, ours = _side_by_side(trained(compiled=False), trained(compiled=True))
    return compared(*_milliseconds(usual, ours), "ms a step of the naive CNN")


def _batch_normalisation() -> Result:
    from dogs_vs_cats.models.backbones import build
    from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
    from dogs_vs_cats.parameters.backbone import BackboneParameters

    values = {"name": "MobileNetV2", "kwargs": {"alpha": 0.35}, "weights": str(MOBILENET)}
    model = build(BackboneParameters.model_validate({**lecture_parameters()["backbone"], **values}), SIZE, 3)
    folded = fold_batch_normalisation(model)
    images = photos()[0][:PREDICTED]
    usual, ours = _side_by_side(
        lambda: [model.predict_on_batch(images) for _ in range(STEPS)],
        lambda: [folded.predict_on_batch(images) for _ in range(STEPS)],
    )
    return compared(*_milliseconds(usual, ours), "ms a batch of 64 through MobileNetV2")


def _side_by_side(*works: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> list[list[float]]:
    """Seconds that each takes, round by round, in turn."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS + 1):
        for work, taken in zip(works, seconds, strict=True):
            begin = clock()
            work()
            taken.append(clock() - begin)
    return [taken[1:] for taken in seconds]


def _milliseconds(*sides: list[float]) -> list[list[float]]:
    """Of one step."""
    return [[1e3 * taken / STEPS for taken in side] for side in sides]
