"""The multilayer perceptrons of L3: one on images, two on tables.

| network | parameters | the lecture's result |
| --- | --- | --- |
| 784-128-64-10 | 100,480 + 8,256 + 650 = 109,386 | MNIST 98.36 %, Fashion-MNIST 84.18 % |
| 4-25-15-3 | 125 + 390 + 48 = 563 | Iris 98.7 % |
| 13-8-6-1 | 112 + 54 + 7 = 173 | Boston housing, RMSE 3.97 |
"""

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.models.output_layers import image_classifier, probabilities


def mlp(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds the perceptron with 128 and 64 hidden units, which sees an image as one row of numbers."""
    from keras import layers

    hidden = [
        layers.Flatten(name="flatten"),
        layers.Dense(128, activation="relu", name="dense_1"),
        layers.Dense(64, activation="relu", name="dense_2"),
    ]
    return image_classifier("mlp", input_shape, classes, hidden)


def iris_mlp() -> Model:
    """Builds the perceptron for the Iris table.

    Returns:
        An uncompiled model from four lengths in centimetres, (n, 4), to the probabilities of three species, (n, 3).
    """
    import keras
    from keras import layers

    lengths = keras.Input((4,), name="lengths")
    x = layers.Dense(25, activation="relu", name="dense_1")(lengths)
    x = layers.Dense(15, activation="relu", name="dense_2")(x)
    return keras.Model(lengths, probabilities(x, 3), name="iris_mlp")


def boston_mlp() -> Model:
    """Builds the perceptron for the Boston housing table: a regression, so its last layer is linear.

    Returns:
        An uncompiled model from 13 columns, best standardised, (n, 13), to a price in the unit of the targets it is
        trained on, (n, 1).
    """
    import keras
    from keras import layers

    columns = keras.Input((13,), name="columns")
    x = layers.Dense(8, activation="relu", name="dense_1")(columns)
    x = layers.Dense(6, activation="relu", name="dense_2")(x)
    return keras.Model(columns, layers.Dense(1, dtype="float32", name="price")(x), name="boston_mlp")
