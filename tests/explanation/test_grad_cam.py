"""Grad-CAM points at what the answer depends on."""

import keras
import numpy as np
import pytest

from dogs_vs_cats.explanation.grad_cam import explainer
from dogs_vs_cats.models.graph import dissect


def bright_corner_model(nested=False, ending="sigmoid"):
    """Says dog the more bright red there is anywhere, cat the more bright blue."""
    keras.utils.clear_session()

    def convolution(x):
        return keras.layers.Conv2D(2, 3, padding="same", use_bias=False, name="convolution")(x)

    image = keras.Input((24, 24, 3), name="image")
    x = keras.layers.Rescaling(1 / 255, name="rescale")(image)
    if nested:
        inner = keras.Input((24, 24, 3), name="inner")
        base = keras.Model(inner, keras.layers.MaxPooling2D(name="pooling")(convolution(inner)), name="base")
        x = base(x, training=False)
    else:
        x = keras.layers.MaxPooling2D(name="pooling")(convolution(x))
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    units = 1 if ending == "sigmoid" else 2
    x = keras.layers.Dense(units, activation=ending, name="probability")(x)
    model = keras.Model(image, x, name="corner")
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[1, 1, 0, 0] = kernel[1, 1, 2, 1] = 1  # red, blue
    (model.get_layer("base") if nested else model).get_layer("convolution").set_weights([kernel])
    weights = np.array([[40.0], [-40.0]], np.float32)
    both = np.concatenate([-weights, weights], axis=1)
    model.get_layer("probability").set_weights([weights if units == 1 else both, np.zeros(units, np.float32)])
    return model


@pytest.fixture
def picture():
    """A red square at the upper left, a blue one at the lower right."""
    pixels = np.zeros((24, 24, 3), np.uint8)
    pixels[2:8, 2:8, 0] = 255
    pixels[16:22, 16:22, 2] = 255
    return pixels


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("ending", ["sigmoid", "softmax"])
def test_the_heat_lies_where_the_class_is(nested, ending, picture):
    explain = explainer(bright_corner_model(nested, ending))
    dog, cat = explain(picture, 1), explain(picture, 0)
    for heat in (dog, cat):
        assert heat.shape == (24, 24)
        assert heat.dtype == np.float32
        assert heat.min() == 0
        assert heat.max() == 1
    assert dog[3:7, 3:7].min() > 0.9
    assert dog[14:, 14:].max() == 0
    assert cat[17:21, 17:21].min() > 0.9
    assert cat[:10, :10].max() == 0


def test_it_explains_a_saturated_answer(picture):
    model = bright_corner_model()
    model.get_layer("probability").set_weights([np.array([[9000.0], [0.0]], np.float32), np.zeros(1, np.float32)])
    assert float(np.asarray(model.predict_on_batch(picture[np.newaxis]))[0, 0]) == 1.0
    assert explainer(model)(picture, 1)[3:7, 3:7].min() > 0.9


def test_nothing_speaks_for_a_class_that_is_not_there():
    heat = explainer(bright_corner_model())(np.zeros((24, 24, 3), np.uint8), 1)
    assert heat.max() == 0


def test_a_model_without_convolutions_has_no_heat_map():
    image = keras.Input((4, 4, 3), name="image")
    x = keras.layers.Dense(1, activation="sigmoid", name="probability")(keras.layers.Flatten(name="flatten")(image))
    assert explainer(keras.Model(image, x, name="mlp")) is None


def test_a_dissected_model_computes_the_same(picture):
    model = bright_corner_model(nested=True)
    parts = dissect(model)
    assert [step.layer.name for step in parts.steps][-4:] == ["convolution", "pooling", "average", "probability"]
    assert parts.feature_map.shape == (None, 24, 24, 2)
    again = keras.Model(parts.image, [parts.probability, parts.logits()]).predict_on_batch(picture[np.newaxis])
    np.testing.assert_array_equal(np.asarray(again[0]), np.asarray(model.predict_on_batch(picture[np.newaxis])))
    np.testing.assert_allclose(1 / (1 + np.exp(-np.asarray(again[1]))), np.asarray(again[0]), atol=1e-6)
