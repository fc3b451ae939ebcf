"""Training with augmentation: `ImageDataGenerator` and `fit` as in the lecture, against the project's node."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from lecture.dogs_vs_cats import AUGMENTATION, BATCH_SIZE, TRAINING
from lecture.dogs_vs_cats import naive_cnn as lecture_network
from material import photos, training_inputs
from result import Result
from turns import usual_and_ours

SEEDS, EPOCHS = (0, 1, 2), 2


def training_with_augmentation() -> Result:
    """Trains the naive CNN for two epochs on 3,000 photos and validates on 1,000, with three seeds each.

    Returns:
        Training images a second, everything between the arrays and the trained model included; `note` has the
        validation accuracies.
    """
    speeds, accuracies = [], []
    with usual_and_ours() as (usual_side, our_side):
        for seed in SEEDS:
            pair = [usual_side(_usual, seed), our_side(_ours, seed)]
            speeds.append([EPOCHS * TRAINING / seconds for seconds, _ in pair])
            accuracies.append([accuracy for _, accuracy in pair])
    usual, ours = (statistics.median(pair[i] for pair in speeds) for i in (0, 1))
    shown = [" ".join(f"{pair[i]:.3f}" for pair in accuracies) for i in (0, 1)]
    means = [statistics.mean(pair[i] for pair in accuracies) for i in (0, 1)]
    return {
        "usual": usual,
        "ours": ours,
        "ratio": statistics.median(pair[1] / pair[0] for pair in speeds),
        "unit": "training images/s",
        "note": f"validation accuracy, three seeds: usual {shown[0]} (mean {means[0]:.3f}), "
        f"ours {shown[1]} (mean {means[1]:.3f})",
    }


def _usual(seed: int) -> tuple[float, float]:
    import keras
    import tensorflow as tf
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    images, labels = photos()
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    begin = time.perf_counter()
    augmented = ImageDataGenerator(rescale=1.0 / 255, **AUGMENTATION)
    plain = ImageDataGenerator(rescale=1.0 / 255)
    history = lecture_network(tf.keras.optimizers.Nadam(3e-4)).fit(
        augmented.flow(images[:TRAINING], labels[:TRAINING], batch_size=BATCH_SIZE, seed=seed),
        validation_data=plain.flow(images[TRAINING:], labels[TRAINING:], batch_size=BATCH_SIZE, shuffle=False),
        epochs=EPOCHS,
        verbose=0,
    )
    return time.perf_counter() - begin, history.history["val_accuracy"][-1]


def _ours(seed: int) -> tuple[float, float]:
    import pandas as pd

    from dogs_vs_cats.pipelines.approach.nodes import train
    from dogs_vs_cats.training.inputs import LabelledImages

    images, labels = photos()
    splits = np.where(np.arange(len(images)) < TRAINING, "train", "validation")
    manifest = pd.DataFrame({"path": splits, "label": labels, "split": splits})
    data = LabelledImages(images, manifest, ["cat", "dog"], {"identity": "photos"})
    inputs = training_inputs(data, "naive_cnn", {"augment": True, "epochs": EPOCHS}, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        _, _, history, *_ = train(inputs, Path(folder))
        return time.perf_counter() - begin, float(history["val_accuracy"].iloc[-1])
