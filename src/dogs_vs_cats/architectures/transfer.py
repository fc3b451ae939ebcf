"""Transfer from one's own earlier model (L1, L4): drop its last layers, freeze what is left, add a new head."""

from collections.abc import Sequence

import keras
from keras import layers

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.output_layers import probabilities


def transfer_from(
    earlier: keras.Model, classes: int, *, drop: int = 2, freeze: int | None = None, dense_units: Sequence[int] = ()
) -> keras.Model:
    """Builds a model for a new task on the first layers of an earlier one, whose weights it copies.

    The lectures load their own model, pop its last two layers, freeze all that are left, or the first three, and add a
    new output.

    Args:
        earlier: A model with one input and one output; it isn't changed.
        classes: Number of classes of the new task.
        drop: How many of the earlier model's last layers are left out, at least 1 (its output).
        freeze: How many of the first layers that are left keep their weights, the input not counted; None for all.
            Frozen batch normalisation keeps its moving statistics too.
        dense_units: Units of new dense layers before the new output, if any.

    Returns:
        An uncompiled model from what the earlier one takes to probabilities. Where `earlier` has `Rescaling` as its
        first layer, that is the first one `freeze` counts.

    Raises:
        ParameterError: There aren't so many layers, or the last layers aren't a chain, so that dropping them
            would drop others as well.
    """
    copy = keras.models.clone_model(earlier)
    copy.set_weights(earlier.get_weights())
    kept = [layer for layer in copy.layers if not isinstance(layer, layers.InputLayer)]
    if not 1 <= drop < len(kept):
        raise ParameterError(
            f"drop={drop}: of the {len(kept)} layers of {earlier.name}, 1 to {len(kept) - 1} can be dropped."
        )
    kept = kept[:-drop]
    if freeze is not None and not 0 <= freeze <= len(kept):
        raise ParameterError(
            f"freeze={freeze}: {len(kept)} layers of {earlier.name} are left; freeze 0 to {len(kept)} of them."
        )
    base = keras.Model(copy.input, kept[-1].output)
    if len([layer for layer in base.layers if not isinstance(layer, layers.InputLayer)]) != len(kept):
        raise ParameterError(
            f"drop={drop} cuts {earlier.name} inside parallel branches, at {kept[-1].name}: drop as many layers as it "
            "takes to reach one that all branches lead to."
        )
    for layer in kept[:freeze]:
        layer.trainable = False
    x = kept[-1].output
    if len(x.shape) > 2:
        x = layers.Flatten(name="head_flatten")(x)
    for number, units in enumerate(dense_units, start=1):
        x = layers.Dense(units, activation="relu", name=f"head_dense_{number}")(x)
    return keras.Model(copy.input, probabilities(x, classes), name=f"transfer_from_{earlier.name}")
