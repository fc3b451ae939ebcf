"""The last layers of a classifier, which make it keep the model contract.

Two classes: P(class 1), shape (n, 1). N > 2 classes: a probability each, shape (n, N). Always float32, because
a sigmoid in bfloat16 has too few distinct values.
"""

from collections.abc import Iterable

from dogs_vs_cats.compute.lazy_types import KerasTensor, Layer, Model


def probabilities(x: KerasTensor, classes: int) -> KerasTensor:
    """A dense layer with one sigmoid output for two classes, or a softmax over N.

    Args:
        x: Features, shape (n, features).
        classes: Number of classes, at least 2.

    Returns:
        float32 probabilities, shape (n, 1) or (n, N), in 0..1.
    """
    from keras import layers

    if classes == 2:
        return layers.Dense(1, activation="sigmoid", dtype="float32", name="probability")(x)
    return layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)


def softmax_probabilities(x: KerasTensor, classes: int) -> KerasTensor:
    """A softmax over all classes, also over two, where a published parameter count needs it.

    With two classes the second column, P(class 1), is the output; binary cross-entropy on it is the same
    function of the weights as categorical cross-entropy on both columns.

    Args:
        x: Features, shape (n, features).
        classes: Number of classes, at least 2.

    Returns:
        float32 probabilities, shape (n, 1) or (n, N), in 0..1.
    """
    from keras import layers

    every = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    if classes > 2:
        return every
    column = layers.Reshape((2, 1), dtype="float32", name="columns")(every)
    column = layers.Cropping1D((1, 0), dtype="float32", name="column_of_class_1")(column)
    return layers.Reshape((1,), dtype="float32", name="probability")(column)


def image_classifier(name: str, input_shape: tuple[int, ...], classes: int, hidden: Iterable[Layer]) -> Model:
    """Builds a network of layers one after the other: a division by 255, the hidden layers, and the probabilities.

    Args:
        name: Name of the model.
        input_shape: Height, width and channels of the images.
        classes: Number of classes, at least 2.
        hidden: The layers between; the last returns (n, features).

    Returns:
        An uncompiled model from raw images, (n, height, width, channels) in 0..255, to probabilities.
    """
    import keras

    image = keras.Input(input_shape, name="image")
    x = keras.layers.Rescaling(1 / 255, name="rescale")(image)
    for layer in hidden:
        x = layer(x)
    return keras.Model(image, probabilities(x, classes), name=name)
