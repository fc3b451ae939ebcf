"""Grad-CAM: the regions of an image that support a class, from the last feature map of a model.

The method is from Selvaraju et al. 2017, *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization*.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from dogs_vs_cats.compute.backend import gradient
from dogs_vs_cats.models.graph import dissect


def explainer(model: keras.Model) -> Callable[[np.ndarray, int], np.ndarray] | None:
    """Prepares Grad-CAM for a model, so that many images can be explained.

    Args:
        model: See `dissect`.

    Returns:
        A function of an image, (height, width, channels) in 0..255, and a label. It returns a heat map, float32 of
        shape (height, width) in 0..1: the support of each place for the class, 1 at the strongest; 0 everywhere if none
        supports it. None for a model without convolutions, which has no map to weight.
    """
    parts = dissect(model)
    if parts.feature_map is None:
        return None
    to_maps = keras.Model(parts.image, parts.feature_map, name="to_maps")
    to_logits = keras.Model(parts.feature_map, parts.logits(), name="to_logits")

    def explain(image: np.ndarray, label: int) -> np.ndarray:
        maps = np.asarray(to_maps(image[np.newaxis].astype(np.float32), training=False), dtype=np.float32)
        slopes = gradient(lambda tensor: _score(to_logits(tensor, training=False), label), maps)
        heat = np.maximum((maps[0] * slopes[0].mean(axis=(0, 1))).sum(axis=-1), 0)
        resized = keras.ops.image.resize(heat[..., np.newaxis], image.shape[:2], data_format="channels_last")
        heat = np.asarray(resized, dtype=np.float32)[..., 0]
        highest = heat.max()
        return heat / highest if highest > 0 else heat

    return explain


def _score(logits: Any, label: int) -> Any:
    """Returns the support of a class: against the other one of two classes, its own logit for more."""
    if logits.shape[-1] == 1:
        return logits[0, 0] if label == 1 else -logits[0, 0]
    if logits.shape[-1] == 2:
        return logits[0, label] - logits[0, 1 - label]
    return logits[0, label]
