"""Labels that are probabilities: smoothed, mixed as their rows are, and weighted."""

import keras
import numpy as np
import pytest

from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.images.soft_batches import SoftBatches
from tests.training.test_phases import parameters


def soft_batches(labels, classes, class_weight=None, **values):
    """One batch of small images, each of one value: its number."""
    pixels = np.broadcast_to(np.arange(len(labels), dtype=np.uint8)[:, None, None, None], (len(labels), 6, 6, 3))
    batches = RowBatches(pixels, np.arange(len(labels)), np.array(labels), batch_size=len(labels), seed=3)
    return SoftBatches(batches, classes, parameters(**values), class_weight)


def test_labels_are_smoothed_as_keras_does():
    _, two = soft_batches([0, 1, 1], 2, label_smoothing=0.2)[0]
    assert two == pytest.approx(np.array([[0.1], [0.9], [0.9]]))
    _, three = soft_batches([0, 2], 3, label_smoothing=0.3)[0]
    assert three == pytest.approx(np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))
    answers = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], np.float32)
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.3)(np.eye(3)[[0, 2]], answers)
    assert float(keras.losses.CategoricalCrossentropy()(three, answers)) == pytest.approx(float(smoothed))


def test_weights_of_classes_are_those_of_the_labels():
    _, _, weights = soft_batches([0, 1, 1], 2, {0: 3.0, 1: 0.5}, label_smoothing=0.2)[0]
    assert weights.tolist() == [3.0, 0.5, 0.5]


def test_labels_and_weights_are_mixed_as_the_rows_are():
    labels, weights = [0, 1, 2, 1, 0, 2, 1, 1], np.array([4.0, 0.5, 1.0])
    batches = soft_batches(labels, 3, dict(enumerate(weights)), mixup=1.0)
    rows, answers, weighted = batches[0]
    assert answers.sum(axis=1) == pytest.approx(np.ones(8))
    assert weighted == pytest.approx(answers @ weights)
    value, certain = rows[:, 0, 0, 0], np.eye(3)[labels]
    for row in np.flatnonzero(np.abs(value - np.arange(8)) > 0.01):
        # A row's value, which was its number, says how much of it is left for each partner that it can have.
        left = {other: (value[row] - other) / (row - other) for other in range(8) if other != row}
        possible = [part * certain[row] + (1 - part) * certain[other] for other, part in left.items()]
        assert any(np.allclose(answers[row], mixture, atol=1e-3) for mixture in possible)


def test_a_batch_is_a_function_of_seed_epoch_and_number():
    rows, settings = np.random.default_rng(0).random((12, 6, 6, 3)), parameters(mixup=0.5, cutmix=0.5)

    def batch(epoch, number, seed=0):
        batches = RowBatches(rows, np.arange(12), np.arange(12) % 2, batch_size=6, seed=seed)
        batches.epoch = epoch
        return SoftBatches(batches, 2, settings)[number][0]

    assert np.array_equal(batch(1, 1), batch(1, 1))
    assert not np.array_equal(batch(0, 1), batch(1, 1))
    assert not np.array_equal(batch(1, 1), batch(1, 1, seed=1))
