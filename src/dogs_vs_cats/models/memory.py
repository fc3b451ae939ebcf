"""The memory that a network needs at once, as a lower bound: less is certainly too little."""

from math import prod

from dogs_vs_cats.compute.lazy_types import Model

PREDICTED_AT_ONCE = 64
"""Images in every batch of a prediction."""

_LEAST_BYTES = 2  # of a number: bfloat16


def largest_layer(model: Model, images: int) -> int:
    """Bytes of the input and the output of the layer that has most of them.

    Args:
        model: A functional model of stock layers.
        images: How many images it is given at once.
    """
    import keras

    from dogs_vs_cats.models.graph import dissect

    numbers = [
        sum(prod(tensor.shape[1:]) for tensor in keras.tree.flatten((step.given, step.output)))
        for step in dissect(model).steps
    ]
    return int(_LEAST_BYTES * images * max(numbers))
