"""Dogs vs cats: what the lecture prints beside accuracies, found on the networks and in conf/lecture."""

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.lectures.outlines import Outline

if TYPE_CHECKING:
    import keras

PHOTO = (150, 150, 3)


def figures(lecture: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and reads everything but what was measured.

    Args:
        lecture: All parameters of the environment `lecture`.
    """
    from dogs_vs_cats.training.loop import loss_function

    loss = loss_function(2).name
    return {
        **_approaches(lecture),
        "softmax_of_one": _softmax_of_one(),
        "loss_of_two_classes": loss.replace("_", " ").replace("crossentropy", "cross-entropy"),
        "vgg16_input": _vgg16_input(),
        "horizontal_flip": "yes" if lecture["augmentation"]["horizontal_flip"] else "no",
        "validation_order": _validation_order(),
        "shear": {
            "by_degrees": _largest_shear(0.2),
            "by_radians": _largest_shear(math.degrees(0.2)),
            "radians_in_degrees": math.degrees(0.2),
        },
    }


def _approaches(lecture: Mapping[str, Any]) -> dict[str, Any]:
    """The networks; of approach 1 also the one with the output that the lecture prints."""
    import keras

    def build(name: str, input_shape: tuple[int, ...], backbone: keras.Model | None = None) -> Outline:
        module = approach_of(name, lecture[name])
        parameters = module.Parameters.model_validate(lecture[name])
        return Outline(lambda: module.build(parameters, input_shape, 2, backbone))

    base = Outline(lambda: keras.applications.VGG16(include_top=False, weights=None, input_shape=PHOTO)).model
    approach_1 = build("transfer_end_to_end", PHOTO, base)
    head = build("transfer_bottleneck", (math.prod(base.output_shape[1:]),))
    dense = approach_1.model.get_layer("dense_1")

    def printed() -> keras.Model:
        output = keras.layers.Dense(1, activation="softmax", name="printed_output")
        return keras.Model(approach_1.model.input, output(dense.output))

    counted = (keras.layers.GlobalAveragePooling2D, keras.layers.Dense)
    layers = [*base.layers, *(layer for layer in approach_1.model.layers if isinstance(layer, counted))]
    frozen = next(number for number, layer in enumerate(layers) if layer.trainable_weights)
    return {
        "naive_cnn": build("naive_cnn", PHOTO),
        "approach_1": approach_1,
        "approach_1_dense": dense,
        "approach_1_layers": {"all": len(layers), "base": len(base.layers), "frozen": frozen},
        "approach_1_printed": Outline(printed),
        "head": head,
        "head_layers": "; ".join(map(_described, head.model.layers[1:])),
    }


def _described(layer: "keras.Layer") -> str:
    return f"dropout {layer.rate:g}" if hasattr(layer, "rate") else f"{layer.units} {layer.activation.__name__}"


def _softmax_of_one() -> str:
    import keras

    logits = np.linspace(-9, 9, 7, dtype=np.float32)[:, np.newaxis]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are using a softmax over axis -1")
        answers = np.unique(keras.activations.softmax(keras.ops.convert_to_tensor(logits)))
    return ", ".join(f"{answer:g}" for answer in answers)


def _vgg16_input() -> dict[str, Any]:
    from keras.applications.vgg16 import preprocess_input

    black, white, red = (
        preprocess_input(np.array([[[colour]]], np.float32))[0, 0, 0] for colour in ([0] * 3, [255] * 3, [255, 0, 0])
    )
    return {
        "order": "BGR" if red[2] - black[2] == 255 else "RGB",
        "below_zero": -black.min(),
        "above_zero": white.max(),
        # Differences between two pixels, by which a picture is told from another.
        "stronger": (white - black).max(),
    }


def _validation_order() -> str:
    from dogs_vs_cats.images.batches import RowBatches

    rows = np.arange(8)
    first_batch = RowBatches(rows, rows, rows, batch_size=8)[0][0]
    return "not shuffled" if (first_batch == rows).all() else "shuffled"


def _largest_shear(degrees: float) -> float:
    """How far Keras itself moves a pixel sideways by a shear, measured on a picture whose values are its columns."""
    from dogs_vs_cats.images.augmentation.generator import ImageDataGenerator

    size = PHOTO[0]
    columns = np.broadcast_to(np.arange(size, dtype=np.float32)[np.newaxis, :, np.newaxis], (size, size, 1))
    moved = ImageDataGenerator().apply_transform(columns.copy(), {"shear": degrees}) - columns
    # Towards the edges the picture ends, and its last pixels are repeated.
    return float(np.abs(moved[:, size // 4 : -size // 4]).max())
