"""The last layers of a classifier, which make it keep the model contract.

Two classes: P(class 1), shape (n, 1). N > 2 classes: a probability each, shape (n, N). Always float32, because
a sigmoid in bfloat16 has too few distinct values.
"""

import keras


def probabilities(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """A dense layer with one sigmoid output for two classes, or a softmax over N.

    Args:
        x: Features, shape (n, features).
        classes: Number of classes, at least 2.

    Returns:
        float32 probabilities, shape (n, 1) or (n, N), in 0..1.
    """
    if classes == 2:
        return keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="probability")(x)
    return keras.layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)


def softmax_probabilities(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """A softmax over all classes, also over two, where a published parameter count needs it.

    With two classes the second column, P(class 1), is the output; binary cross-entropy on it is the same
    function of the weights as categorical cross-entropy on both columns.

    Args:
        x: Features, shape (n, features).
        classes: Number of classes, at least 2.

    Returns:
        float32 probabilities, shape (n, 1) or (n, N), in 0..1.
    """
    every = keras.layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    if classes > 2:
        return every
    column = keras.layers.Reshape((2, 1), dtype="float32", name="columns")(every)
    column = keras.layers.Cropping1D((1, 0), dtype="float32", name="column_of_class_1")(column)
    return keras.layers.Reshape((1,), dtype="float32", name="probability")(column)
