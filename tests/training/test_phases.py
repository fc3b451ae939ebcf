"""The optimizer of a phase: what decays, what is averaged, and how fast each layer learns."""

import keras
import numpy as np
import pytest

from dogs_vs_cats.parameters.training import TrainingParameters
from dogs_vs_cats.training.phases import Phase, averaged_weights, create_optimizer, learning_rate
from tests.approaches.test_approaches import COMMON


def parameters(**values):
    return TrainingParameters.model_validate({**COMMON, **values})


def test_a_warm_up_ends_in_a_constant_rate():
    optimizer = create_optimizer(parameters(epochs=2, warmup_epochs=0.5), Phase("head", 2, 0.01), [], steps=8)
    rates = []
    for step in (0, 1, 4, 15):
        optimizer.iterations.assign(step)
        rates.append(learning_rate(optimizer))
    assert rates == pytest.approx([0, 0.0025, 0.01, 0.01])


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


def test_averages_follow_the_weights_by_their_momentum():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    phase = Phase("head", 1, 1.0)
    model.compile(create_optimizer(parameters(optimizer="sgd", ema=0.75), phase, model.trainable_variables, steps=3))
    for gradient in (-8.0, -8.0):
        model.optimizer.apply([np.full((1, 1), gradient, np.float32)], model.trainable_variables)
    with averaged_weights(model):
        assert model.get_weights()[0].item() == pytest.approx(0.75 * 8 + 0.25 * 16)
    assert model.get_weights()[0].item() == 16


def test_lower_blocks_learn_more_slowly():
    names = ["block4_conv", "block5_conv1", "block5_conv2", "block5_pool", "top_conv"]
    layers = [keras.layers.Identity(name=n) if "pool" in n else keras.layers.Dense(1, name=n) for n in names]
    model = keras.Sequential([keras.Input((1,)), *layers, keras.layers.Dense(1, name="head")])
    phase = Phase("fine_tuning", 1, 0.8, unfrozen=layers, layer_decay=0.5)
    optimizer = create_optimizer(parameters(optimizer="sgd", weight_decay=0), phase, model.trainable_variables, 1)
    before = [np.array(weight) for weight in model.trainable_variables]
    optimizer.apply([np.ones(value.shape, np.float32) for value in before], model.trainable_variables)
    steps = {}
    for weight, value in zip(model.trainable_variables, before, strict=True):
        steps.setdefault(weight.path.split("/")[-2], []).append(float(np.mean(value - np.array(weight))))
    expected = {"block4_conv": 0.1, "block5_conv1": 0.2, "block5_conv2": 0.2, "top_conv": 0.4, "head": 0.8}
    assert {name: pytest.approx(value) for name, (value, _) in steps.items()} == expected
    assert learning_rate(optimizer) == pytest.approx(0.8)
