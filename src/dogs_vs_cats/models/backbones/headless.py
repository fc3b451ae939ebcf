"""A headless `.keras` file as the base, with its own size, preprocessing and structure."""

import zipfile
from pathlib import Path

import keras

from dogs_vs_cats.compute.precision import ends_in_probabilities, layers_within
from dogs_vs_cats.datasets.keras_model import load_model
from dogs_vs_cats.errors import BackboneError, ModelFileError, first_line, listed
from dogs_vs_cats.models.building import Shape, for_images
from dogs_vs_cats.models.file_header import existing_file, read_header
from dogs_vs_cats.models.graph import Anatomy, dissect
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, BackboneParameters

_AROUND_A_BASE = (
    *("pooling", "dense_1", "dense_2", "dropout_1", "dropout_2"),
    *("probabilities", "columns", "column_of_class_1", "probability", "logits"),
)
"""Names of layers that follow a base in a model."""


def headless_file(parameters: BackboneParameters, image_size: int, channels: int) -> keras.Model:
    """Loads a base from its file.

    Args:
        parameters: The file.
        image_size: Height and width of the images.
        channels: 1 or 3.

    Returns:
        The base, uncompiled; its name is that of the file's model. Models inside it are replaced by their layers, and
        layers get new names where others have theirs. A base for images of any size is fixed to these.

    Raises:
        BackboneError: There is no such file, it takes other images, it has layers of its own, several inputs or
            outputs, models inside it that can't be made flat, or it isn't headless.
        ModelFileError: The file is damaged.
        ParameterError: The images are too small for a base that takes any size.
    """
    path = existing_file(parameters.weights)
    header = read_header(path)
    if header.foreign_layers:
        raise BackboneError(
            f"{path} has layers that aren't Keras's own: {', '.join(header.foreign_layers)}. A base is loaded without "
            "running code of its file. Save it built of stock Keras layers."
        )
    _refuse_damaged(path)
    model = load_model(path)
    _refuse_unlike_a_base(model, path)
    _rename_clashing(model)
    parts = _dissected(model, path)
    _refuse_classifier(parts.steps[-1].layer, model, path)
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        # Flat, so that each layer can be unfrozen by its name.
        model = keras.Model(parts.image, parts.steps[-1].output)
    _refuse_other_images(model.inputs[0].shape[1:], (image_size, image_size, channels), path)

    def at_size(shape: Shape) -> keras.Model:
        image = keras.Input(shape, dtype=model.inputs[0].dtype, name="image")
        copy = keras.models.clone_model(model, input_tensors=image, clone_function=lambda layer: layer)
        return keras.Model(image, copy.outputs[0], name=header.name)

    if None not in model.inputs[0].shape[1:]:
        return keras.Model(model.inputs[0], model.outputs[0], name=header.name)
    return for_images(header.name, (image_size, image_size, channels), at_size)


def _refuse_damaged(path: Path) -> None:
    """Compares the file with its checksums, which Keras doesn't do."""
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ModelFileError(f"{path} is damaged: {damaged} in it differs from its checksum. Copy the file again.")


def _refuse_unlike_a_base(model: keras.Model, path: Path) -> None:
    """Refuses what doesn't lead from one image to feature maps or a feature vector."""
    ends = [f"{len(ends)} {word}s" for ends, word in ((model.inputs, "input"), (model.outputs, "output")) if ends[1:]]
    if ends:
        raise BackboneError(
            f"{path} has {' and '.join(ends)}. A base takes one image and gives its feature maps or one feature "
            "vector: save a model with these alone."
        )
    given, returned = (tuple(tensors[0].shape) for tensors in (model.inputs, model.outputs))
    if len(given) != 4 or len(returned) not in (2, 4):
        raise BackboneError(
            f"{path} leads from {_shown(given)} to {_shown(returned)}. A base leads from images, (n, height, width, "
            "channels), to feature maps, (n, rows, columns, features), or to a vector, (n, features)."
        )


def _rename_clashing(model: keras.Model) -> None:
    """Renames layers whose names others have: layers of other models inside the model, or those that follow a base.

    All other names stay, because features and results on disk are found by them.
    """
    taken = set(_AROUND_A_BASE)
    for layer in dict.fromkeys(layers_within(model)):
        if not isinstance(layer, keras.Model | keras.layers.InputLayer):
            while layer.name in taken:
                layer.name = f"base_{layer.name}"
            taken.add(layer.name)


def _dissected(model: keras.Model, path: Path) -> Anatomy:
    inside = [layer for layer in layers_within(model) if isinstance(layer, keras.Model)]
    if several := [part.name for part in inside if len(part.inputs) > 1 or len(part.outputs) > 1]:
        raise BackboneError(
            f"{path} has a model with several inputs or outputs inside it: {several[0]}. Models inside a base are "
            "replaced by their layers, and must have one input and one output."
        )
    try:
        return dissect(model)
    except ValueError as error:
        raise BackboneError(
            f"Models inside {path} ({listed([part.name for part in inside])}) can't be replaced by their layers: "
            f"{first_line(error)}. Build it of layers, without calls of keras.ops."
        ) from error


def _refuse_classifier(last: keras.layers.Layer, model: keras.Model, path: Path) -> None:
    """Refuses a model that ends in the answers of a classifier."""
    if found := _classifier(last):
        raise BackboneError(
            f"{path} isn't headless: it ends in {last.name}, {found} of {model.output_shape[-1]:,} classes. Save the "
            f"model without its head, or let the project cut it off: backbone.name={EARLIER_MODEL}, "
            "backbone.kwargs.drop_layers=1 or more."
        )


def _classifier(last: keras.layers.Layer) -> str:
    """Says what answers of a classifier a last layer gives; empty for features."""
    if ends_in_probabilities(last) or type(last).__name__ in ("Softmax", "Sigmoid"):
        return "the probabilities"
    # A dense layer that ends in features usually lacks a bias, or has an activation or a normalisation after it.
    if isinstance(last, keras.layers.Dense) and last.use_bias and last.activation is keras.activations.linear:
        return "by all appearances the logits"
    return ""


def _refuse_other_images(taken: tuple[int | None, ...], given: Shape, path: Path) -> None:
    height, width, channels = taken
    what = f"{path} takes images of {_shown(taken)}, but here they are {_shown(given)}."
    if height != width:
        raise BackboneError(f"{what} The images of an experiment are square, and so must a base's be.")
    settings = [
        f"ingestion.{name}={value}"
        for name, value, present in (("image_size", height, given[0]), ("channels", channels, given[2]))
        if value not in (None, present)
    ]
    if settings:
        raise BackboneError(f"{what} Set {' and '.join(settings)}.")


def _shown(shape: tuple[int | None, ...]) -> str:
    return "×".join("any" if side is None else str(side) for side in shape)
