"""The knobs of training that all approaches share: each does what it says, and a training with all of them resumes."""

import math

import keras
import numpy as np
import pytest

from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.images.soft_batches import SoftBatches
from dogs_vs_cats.parameters.training import TrainingParameters
from dogs_vs_cats.training.phases import Phase, create_optimizer
from tests.approaches.test_approaches import COMMON
from tests.training.test_training import evaluate, images, killed_in_epoch, manifest, train, weights_equal  # noqa: F401 - fixtures

ALL = {
    "epochs": 4,
    "batch_size": 8,
    "optimizer": "adamw",
    "schedule": "cosine",
    "warmup_epochs": 1.5,
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
    "augment": True,
    "class_weights": True,
    "keep_best_epoch": True,
}


def parameters(**values):
    return TrainingParameters.model_validate({**COMMON, **values})


def soft_batches(labels, classes, class_weight=None, **values):
    """One batch of small images, each of one value: its number."""
    pixels = np.broadcast_to(np.arange(len(labels), dtype=np.uint8)[:, None, None, None], (len(labels), 6, 6, 3))
    batches = RowBatches(pixels, np.arange(len(labels)), np.array(labels), batch_size=len(labels), seed=3)
    return SoftBatches(batches, classes, parameters(**values), class_weight)


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(images, manifest, tmp_path):  # noqa: F811
    values = {**COMMON, "epochs": 4, "batch_size": 6, "learning_rate": 0.01, "warmup_epochs": 1.5}
    *_, history, _, _ = train("naive_cnn", {**values, "schedule": "cosine"}, images, manifest, tmp_path)
    falling = [0.01 * (1 + math.cos(math.pi * done / 15)) / 2 for done in (3, 9)]  # 15 of 24 steps follow the warm-up
    assert history["learning_rate"].tolist() == pytest.approx([0, 0.01 * 6 / 9, *falling], abs=1e-8)
    *_, history, _, _ = train("naive_cnn", values, images, manifest, tmp_path)
    assert history["learning_rate"].tolist() == pytest.approx([0, 0.01 * 6 / 9, 0.01, 0.01])


def test_a_warm_up_as_long_as_the_training_is_refused():
    with pytest.raises(ValueError, match=r"warmup_epochs is 2, which leaves nothing of epochs: 2 .*set it lower"):
        parameters(epochs=2, warmup_epochs=2)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_kernels_decay_and_biases_and_normalisations_do_not(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    before = [np.ones(weight.shape, np.float32) for weight in model.trainable_variables]
    for decay, kept in (
        (0.5, [0.95, 1, 1, 1]),
        (0, [1, 1, 1, 1]),
        (None, [0.9996] * 4 if optimizer == "adamw" else [1] * 4),
    ):
        for weight, value in zip(model.trainable_variables, before, strict=True):
            weight.assign(value)
        phase, settings = Phase("head", 1, 0.1), parameters(optimizer=optimizer, weight_decay=decay)
        created = create_optimizer(settings, phase, model.trainable_variables, steps=5)
        created.apply([np.zeros(value.shape, np.float32) for value in before], model.trainable_variables)
        left = [float(np.mean(weight)) for weight in model.trainable_variables]
        assert left == pytest.approx(kept), (optimizer, decay)


def test_labels_are_smoothed_as_keras_does():
    _, two = soft_batches([0, 1, 1], 2, label_smoothing=0.2)[0]
    assert two == pytest.approx(np.array([[0.1], [0.9], [0.9]]))
    _, three = soft_batches([0, 2], 3, label_smoothing=0.3)[0]
    assert three == pytest.approx(np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))
    answers = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], np.float32)
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.3)(np.eye(3)[[0, 2]], answers)
    assert float(keras.losses.CategoricalCrossentropy()(three, answers)) == pytest.approx(float(smoothed))


@pytest.mark.parametrize("classes", [2, 3])
def test_validation_is_measured_on_labels_that_are_certain(classes, images, manifest, tmp_path):  # noqa: F811
    labels = manifest.assign(label=manifest.index % classes)
    values = {**COMMON, "epochs": 2, "label_smoothing": 0.4, "batch_size": 12}
    import tests.training.test_training as training

    names = [f"class_{label}" for label in range(classes)]
    data = training.LabelledImages(images, labels, names, training.RECORD)
    model, info, history, _, seed_metrics = training.nodes.train(training.inputs("naive_cnn", values, data), tmp_path)
    _, metrics, _ = evaluate(model, info, seed_metrics, images, labels)
    last = history.iloc[-1]
    assert last["val_loss"] == pytest.approx(metrics["validation"]["log_loss"], rel=1e-4)
    assert last["val_accuracy"] == pytest.approx(metrics["validation"]["accuracy"])
    assert last["accuracy"] > 1 / classes


def test_weights_of_classes_are_those_of_the_labels():
    _, _, weights = soft_batches([0, 1, 1], 2, {0: 3.0, 1: 0.5}, label_smoothing=0.2)[0]
    assert weights.tolist() == [3.0, 0.5, 0.5]


def test_a_training_with_every_knob_resumes_bit_for_bit(images, manifest, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("dogs_vs_cats.training.loop.SECONDS_BETWEEN_STATES", 0)
    values = {**COMMON, **ALL}
    undisturbed, _, full_history, _, _ = train("naive_cnn", values, images, manifest, tmp_path)
    with killed_in_epoch(3):
        train("naive_cnn", values, images, manifest, tmp_path)
    resumed, _, history, _, _ = train("naive_cnn", values, images, manifest, tmp_path)
    assert weights_equal(undisturbed, resumed)
    assert history.equals(full_history)
