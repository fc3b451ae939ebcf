"""The memory that a network needs at once, before it is built."""

import keras
from keras import layers

from dogs_vs_cats.training.dry_build import largest_layer


def test_the_largest_layer_counts_with_its_input_and_inside_other_models():
    image = keras.Input((8, 8, 3))
    base = keras.Model(image, layers.Conv2D(4, 3)(image))
    outer = keras.Input((8, 8, 3))
    model = keras.Model(outer, layers.Dense(1)(layers.GlobalAveragePooling2D()(base(outer))))
    assert largest_layer(model, 10) == 2 * 10 * (8 * 8 * 3 + 6 * 6 * 4)
