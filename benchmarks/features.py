"""VGG16's features, cached features, and an epoch of approach 2 against one of approach 1.

256 images stand for all of them; weights are random, which costs as much time as trained ones.
"""

import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lecture.dogs_vs_cats import AUGMENTATION, BATCH_SIZE, TRAINING, approach_1
from lecture.dogs_vs_cats import base as lecture_base
from material import SIZE, lecture_parameters, photos, random_vgg16, training_inputs
from turns import ROUNDS, Result, compared, usual_and_ours

if TYPE_CHECKING:
    from dogs_vs_cats.parameters.compute import ComputeParameters

IMAGES, WARM_UP = 256, 64
"""Images measured, and those of the first round, which compiles."""


def vgg16_extraction() -> Result:
    """VGG16's features by our predictor, against Keras's `predict` in float32."""
    usual, ours, _ = _extractions()
    return compared(usual, ours, "images/s", images=IMAGES)


def extraction_cached() -> Result:
    """A second extraction of the same images, against `predict`."""
    usual, _, again = _extractions()
    return compared(usual, again, f"s for {IMAGES} images")


@cache
def _extractions() -> tuple[list[float], ...]:
    """Seconds of `predict`, of our predictor and of features that are cached, round by round."""
    with usual_and_ours() as (usual_side, our_side), tempfile.TemporaryDirectory() as folder:
        usual_side(_predict, WARM_UP)
        our_side(_extract, WARM_UP)
        our_side(_extract_again, folder)
        rounds = [
            (usual_side(_predict, IMAGES), our_side(_extract, IMAGES), our_side(_extract_again, folder))
            for _ in range(ROUNDS)
        ]
    return tuple(map(list, zip(*rounds, strict=True)))


def approach2_epoch() -> Result:
    """An epoch of the head on flattened features against one of approach 1 in float32, the lecture's way."""
    with usual_and_ours() as (usual_side, our_side):
        usual_side(_epoch_of_approach_1, 1)
        pairs = [(usual_side(_epoch_of_approach_1), our_side(_epoch_of_approach_2)) for _ in range(ROUNDS)]
    note = f"approach 1 with VGG16 on {IMAGES} images, scaled; the lecture's own ratio is 45"
    return compared(*zip(*pairs, strict=True), f"s an epoch of {TRAINING:,} images", note=note)


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _predict(count: int) -> float:
    model, scaled = _lecture_base(), photos()[0][:count].astype(np.float32) / 255
    return _seconds(lambda: model.predict(scaled, batch_size=32, verbose=0))


@cache
def _lecture_base() -> Any:
    return lecture_base(None)


def _extract(count: int) -> float:
    return _seconds(lambda: extract(photos()[0][:count]))


def extract(images: np.ndarray) -> None:
    """Computes VGG16's features of photos, uint8 (n, 150, 150, 3), as the project does, with random weights."""
    from dogs_vs_cats.inference.prediction import row_batches

    run = _predictor()
    for batch in row_batches(images, np.arange(len(images))):
        run(batch)


def _extract_again(folder: str) -> float:
    import pandas as pd

    from dogs_vs_cats.pipelines.feature_extraction.nodes import extract_features

    base, images, store = _backbone(), photos()[0][:IMAGES], Path(folder)
    manifest = pd.DataFrame({"split": ["train"] * IMAGES})
    records: list[dict[str, Any]] = [{"identity": "vgg16"}, {"identity": "photos"}]
    return _seconds(
        lambda: extract_features(base, records[0], images, manifest, records[1], "flatten", _compute(), store)
    )


@cache
def _backbone() -> Any:
    from dogs_vs_cats.models.backbones import build
    from dogs_vs_cats.parameters.backbone import BackboneParameters

    with tempfile.TemporaryDirectory() as folder:
        settings = {**lecture_parameters()["backbone"], "weights": str(random_vgg16(Path(folder)))}
        return build(BackboneParameters.model_validate(settings), SIZE, 3)


@cache
def _predictor() -> Callable[[np.ndarray], np.ndarray]:
    from dogs_vs_cats.inference.predictor import predictor
    from dogs_vs_cats.models.frozen_base import pooled

    return predictor(pooled(_backbone(), "flatten"), _compute())


def _compute() -> "ComputeParameters":
    from dogs_vs_cats.parameters.compute import ComputeParameters

    return ComputeParameters.model_validate(lecture_parameters()["compute"])


def _epoch_of_approach_1(steps: int | None = None) -> float:
    model, batches = _lecture_approach_1()
    return _seconds(lambda: model.fit(batches, steps_per_epoch=steps, verbose=0)) * TRAINING / IMAGES


@cache
def _lecture_approach_1() -> tuple[Any, Any]:
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    images, labels = (array[:IMAGES] for array in photos())
    generator = ImageDataGenerator(rescale=1.0 / 255, **AUGMENTATION)
    return approach_1(None), generator.flow(images, np.eye(2)[labels], batch_size=BATCH_SIZE, seed=0)


def _epoch_of_approach_2() -> float:
    import pandas as pd

    from dogs_vs_cats.pipelines.approach.nodes import train
    from dogs_vs_cats.training.inputs import LabelledImages

    images, labels = photos()
    features = np.random.default_rng(0).random((len(images), 8192), dtype=np.float32)
    splits = np.where(np.arange(len(images)) < TRAINING, "train", "validation")
    manifest = pd.DataFrame({"path": splits, "label": labels, "split": splits})
    record = {"identity": "vgg16", "name": "VGG16", "made_with": {"preprocessing": "own"}}
    bundle = (images, manifest, ["cat", "dog"], {"identity": "photos"}, _backbone(), record, features)
    data = LabelledImages(*bundle, {"pooling": "flatten"})
    with tempfile.TemporaryDirectory() as state:
        *_, timings, _ = train(training_inputs(data, "transfer_bottleneck", {"epochs": 3}), Path(state))
    return timings["seconds_per_epoch"]
