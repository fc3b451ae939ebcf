"""Models without their batch normalisations answer as those with them."""

import keras
import numpy as np
import pytest
from keras import layers

from dogs_vs_cats.models.batchnorm_folding import fold_batch_normalisation


def normalisations(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]


def unsettle(model, seed=0):
    """Gives every batch normalisation something to do."""
    random = np.random.default_rng(seed)
    for layer in normalisations(model):
        for weight in layer.weights:
            usual = random.normal(0, 0.1, weight.shape)
            weight.assign(np.exp(usual) if weight.name in ("gamma", "moving_variance") else usual)


def pictures(size, channels=3):
    return np.random.default_rng(1).normal(0, 1, (3, size, size, channels)).astype(np.float32)


def answers(model, images):
    return np.asarray(model(images, training=False))


# A depthwise network, one with biases before its normalisations, and one that normalises before it convolves too.
@pytest.mark.medium
@pytest.mark.parametrize(("name", "left"), [("MobileNetV2", 0), ("ResNet50", 0), ("DenseNet121", 62)])
def test_a_published_network_gives_the_same_features_with_fewer_layers(name, left):
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(64, 64, 3))
    unsettle(model)
    before = model.get_weights()
    folded = fold_batch_normalisation(model)
    assert len(normalisations(folded)) == left
    expected = answers(model, pictures(64))
    np.testing.assert_allclose(answers(folded, pictures(64)), expected, atol=1e-5 * np.abs(expected).max())
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def small(*, activation=None, used_twice=False, options=None):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, activation=activation, name="convolution")(image)
    normal = layers.BatchNormalization(name="normalisation", **(options or {}))(x)
    if used_twice:
        normal = layers.Add(name="sum")([x, normal])
    model = keras.Model(image, normal, name="small")
    unsettle(model)
    return model


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "epsilon": 0.5}])
def test_scale_offset_and_epsilon_are_taken_into_account(options):
    model = small(options=options)
    folded = fold_batch_normalisation(model)
    assert not normalisations(folded)
    np.testing.assert_allclose(answers(folded, pictures(8)), answers(model, pictures(8)), atol=1e-5)


def test_what_cannot_be_folded_stays():
    model = small(activation="relu")
    assert fold_batch_normalisation(model) is model


def test_a_convolution_that_is_used_elsewhere_too_stays_as_it_is():
    model = small(used_twice=True)
    folded = fold_batch_normalisation(model)
    np.testing.assert_allclose(answers(folded, pictures(8)), answers(model, pictures(8)), atol=1e-5)


@pytest.mark.parametrize("frozen_only", [False, True])
def test_the_model_itself_stays_as_it_is(frozen_only):
    model = nested()
    expected, trainable = answers(model, pictures(8)), [weight.path for weight in model.trainable_weights]
    fold_batch_normalisation(model, frozen_only=frozen_only)
    assert np.array_equal(answers(model, pictures(8)), expected)
    assert [weight.path for weight in model.trainable_weights] == trainable


def nested():
    base = small()
    base.trainable = False
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(3, 3, padding="same", name="own_convolution")(image)
    x = layers.BatchNormalization(name="own_normalisation")(x)
    x = layers.GlobalAveragePooling2D(name="pooling")(base(x, training=False))
    model = keras.Model(image, layers.Dense(1, activation="sigmoid", name="probability")(x), name="around")
    unsettle(model)
    return model


def test_a_model_within_a_model_is_folded_too():
    model = nested()
    folded = fold_batch_normalisation(model)
    assert len(normalisations(model)) == 2
    assert not normalisations(folded)
    np.testing.assert_allclose(answers(folded, pictures(8)), answers(model, pictures(8)), atol=1e-6)


def test_while_training_only_what_is_frozen_is_folded():
    model = nested()
    folded = fold_batch_normalisation(model, frozen_only=True)
    assert [layer.name for layer in normalisations(folded)] == ["own_normalisation"]
    np.testing.assert_allclose(answers(folded, pictures(8)), answers(model, pictures(8)), atol=1e-6)
    assert [weight.path.split("/")[0] for weight in folded.trainable_weights] == [
        weight.path.split("/")[0] for weight in model.trainable_weights
    ]
