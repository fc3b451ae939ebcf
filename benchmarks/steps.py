"""Single steps: what an optimizer's update and batch normalisations cost, and what is left of that."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from material import MOBILENET, lecture_parameters, photos
from result import Result

ROUNDS, STEPS, TRAINED, PREDICTED = 7, 5, 30, 64


def optimizer_update() -> Result:
    """Trains the naive CNN on one batch, with Keras's own update of its weights and with the compiled one.

    Returns:
        Milliseconds a step of 30 photos, Nadam, in the precision of `conf/lecture`.
    """
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
        return lambda: model.train_on_batch(images, labels)

    usual, ours = _side_by_side(trained(compiled=False), trained(compiled=True))
    return _result(usual, ours, "ms a step of the naive CNN")


def batch_normalisation() -> Result:
    """Predicts photos with MobileNetV2 as it is, and with its batch normalisations folded into its convolutions.

    Returns:
        Milliseconds a batch of 64 photos, in float32.
    """
    from dogs_vs_cats.models.backbones import build
    from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation
    from dogs_vs_cats.parameters.backbone import BackboneParameters

    values = {"name": "MobileNetV2", "kwargs": {"alpha": 0.35}, "weights": str(MOBILENET)}
    model = build(BackboneParameters.model_validate({**lecture_parameters()["backbone"], **values}), 150, 3)
    folded = fold_batch_normalisation(model)
    images = photos()[0][:PREDICTED]
    usual, ours = _side_by_side(lambda: model.predict_on_batch(images), lambda: folded.predict_on_batch(images))
    return _result(usual, ours, "ms a batch of 64 through MobileNetV2")


def _side_by_side(*works: Callable[[], Any]) -> list[list[float]]:
    """Seconds that each takes, round by round, in turn."""
    seconds: list[list[float]] = [[] for _ in works]
    for number in range(ROUNDS + 1):
        for work, taken in zip(works, seconds, strict=True):
            begin = time.perf_counter()
            for _ in range(STEPS):
                work()
            if number:  # the first round compiles
                taken.append((time.perf_counter() - begin) / STEPS)
    return seconds


def _result(usual: list[float], ours: list[float], unit: str) -> Result:
    return {
        "usual": 1e3 * statistics.median(usual),
        "ours": 1e3 * statistics.median(ours),
        "ratio": statistics.median(u / o for u, o in zip(usual, ours, strict=True)),
        "unit": unit,
    }
