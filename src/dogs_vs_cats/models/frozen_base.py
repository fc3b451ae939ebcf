"""Models from the features of their frozen base on: what the base makes of an image isn't computed twice.

A base that isn't trained makes the same of an unchanged image in every epoch, under every head and in every evaluation.
So validation and evaluation of models on a frozen base begin at the features that were extracted once.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from dogs_vs_cats.models.backbones import weights_digest

Pooling = Literal["flatten", "avg"]

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class KeptFeatures:
    """Features of the images in use, and what made them.

    Attributes:
        rows: float32 array, best a memory map, (images in use, features), in the manifest's order.
        pooling: How a row was made of the base's feature maps: `flatten` or `avg`.
        base_weights: Digest of the weights of the base that made them.
    """

    rows: np.ndarray
    pooling: Pooling
    base_weights: str

    def base_in(self, model: keras.Model) -> keras.Model | None:
        """The base in a model, if it is, weight for weight, the one that made these features."""
        base = find_base(model)
        return base if base is not None and weights_digest(base) == self.base_weights else None

    def averaged(self, channels: int) -> np.ndarray:
        """Averages each feature map over its places.

        Args:
            channels: Number of the base's feature maps.

        Returns:
            float32 array of shape (images in use, channels).
        """
        parts = [self.rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(self.rows), _ROWS_AT_ONCE)]
        return np.concatenate([part.reshape(len(part), -1, channels).mean(axis=1) for part in parts])


def find_base(model: keras.Model) -> keras.Model | None:
    """The model within a model that makes feature maps, (n, rows, columns, features), of images; None without one."""
    return next((part for part in model.layers if isinstance(part, keras.Model) and len(part.output_shape) == 4), None)


def base_output(model: keras.Model, base: keras.Model) -> keras.KerasTensor:
    """The feature maps of a base as they stand in the graph of the model around it."""
    return _layer_after(model, base).input


def after_base(model: keras.Model, base: keras.Model, pooling: Pooling) -> keras.Model:
    """The part of a model that comes after its base.

    Args:
        model: Any model whose base is followed by a pooling or flattening layer.
        base: See `find_base`.
        pooling: How the rows that it will be given are made of the base's feature maps. Averages don't do for a model
            that looks at every place.

    Returns:
        A model with the weights of `model`: rows, (n, features), in, what `model` returns out.
    """
    maps, pooled = base_output(model, base), _layer_after(model, base).output
    start = pooled if pooling == "avg" else maps
    row = keras.Input((int(np.prod(start.shape[1:])),), name="features")
    x = keras.layers.Reshape(start.shape[1:], dtype="float32", name="feature_maps")(row)
    return keras.Model(row, keras.Model(start, model.outputs[0])(x), name=model.name)


def _layer_after(model: keras.Model, base: keras.Model) -> keras.layers.Layer:
    return model.layers[model.layers.index(base) + 1]
