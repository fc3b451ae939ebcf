"""Training with augmentation: `ImageDataGenerator` and `fit` as in the lecture, against the project's node."""

import tempfile
import time
from pathlib import Path

import numpy as np
from lecture.dogs_vs_cats import AUGMENTATION, BATCH_SIZE
from lecture.dogs_vs_cats import naive_cnn as lecture_network
from material import photos, training_inputs
from turns import ROUNDS, Result, compared, usual_and_ours

TRAINING, VALIDATION = 1500, 500
"""Half of the lecture's photos, and one of its two epochs; `lecture_run` trains as the lecture does."""


def training_with_augmentation() -> Result:
    """Trains the naive CNN for an epoch on 1,500 photos and validates on 500, with a seed for each round.

    Returns:
        Training images a second, everything between the arrays and the trained model included.
    """
    with usual_and_ours() as (usual_side, our_side):
        usual, ours = zip(*((usual_side(_usual, seed), our_side(_ours, seed)) for seed in range(ROUNDS)), strict=True)
    return compared(usual, ours, "training images/s", images=TRAINING)


def _photos() -> tuple[np.ndarray, np.ndarray]:
    return tuple(array[: TRAINING + VALIDATION] for array in photos())


def _usual(seed: int) -> float:
    import keras
    import tensorflow as tf
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    images, labels = _photos()
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    begin = time.perf_counter()
    augmented = ImageDataGenerator(rescale=1.0 / 255, **AUGMENTATION)
    plain = ImageDataGenerator(rescale=1.0 / 255)
    lecture_network(tf.keras.optimizers.Nadam(3e-4)).fit(
        augmented.flow(images[:TRAINING], labels[:TRAINING], batch_size=BATCH_SIZE, seed=seed),
        validation_data=plain.flow(images[TRAINING:], labels[TRAINING:], batch_size=BATCH_SIZE, shuffle=False),
        epochs=1,
        verbose=0,
    )
    return time.perf_counter() - begin


def _ours(seed: int) -> float:
    import pandas as pd

    from dogs_vs_cats.pipelines.approach.nodes import train
    from dogs_vs_cats.training.inputs import LabelledImages

    images, labels = _photos()
    splits = np.where(np.arange(len(images)) < TRAINING, "train", "validation")
    manifest = pd.DataFrame({"path": splits, "label": labels, "split": splits})
    data = LabelledImages(images, manifest, ["cat", "dog"], {"identity": "photos"})
    inputs = training_inputs(data, "naive_cnn", {"augment": True, "epochs": 1}, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        train(inputs, Path(folder))
        return time.perf_counter() - begin
