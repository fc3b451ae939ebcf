"""Parameters that are left to the base: the size of the images, and the name of a base that is a file."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic import ValidationError

from dogs_vs_cats.compute.start import prepare_environment, start_keras
from dogs_vs_cats.errors import ModelFileError
from dogs_vs_cats.models.file_header import existing_file, read_header
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, HUB, MODEL_FILE, PRESET, SOURCE_CNN, kind_of_base
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.project import resolve

AUTO = "auto"
USUAL_SIZE = 224
"""Of most classes of `keras.applications`, and for bases that take any size."""

SIZES = {
    SOURCE_CNN: 64,
    "EfficientNetB1": 240,
    "EfficientNetB2": 260,
    "EfficientNetB3": 300,
    "EfficientNetB4": 380,
    "EfficientNetB5": 456,
    "EfficientNetB6": 528,
    "EfficientNetB7": 600,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384,
    "EfficientNetV2M": 480,
    "EfficientNetV2L": 480,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}
"""Bases that were made for another size. Keras has these numbers in its code alone; a test compares them."""


_OF_ENVIRONMENTS = ("generated", "imagenet")
"""Weights of other bases, which an environment may state where the command line names a preset."""


class ImageSize(NamedTuple):
    """The size of an environment's images that its base has chosen.

    Attributes:
        pixels: Height and width.
        reason: A sentence for the log.
    """

    pixels: int
    reason: str


def fill_in(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], ImageSize | None]:
    """Replaces `ingestion.image_size: auto` by the size of the base, and the name of a base by that in its file.

    Args:
        parameters: All parameters of an environment, runtime parameters included; not checked yet.

    Returns:
        The parameters, and the chosen size; None where they give the size.

    Raises:
        BackboneError: The size is that of a file which isn't there, or of a preset that KerasHub can't load.
        ModelFileError: It is that of a file which is damaged.
    """
    base, ingestion = parameters.get("backbone"), parameters.get("ingestion")
    if not isinstance(base, Mapping) or not isinstance(ingestion, Mapping):
        return dict(parameters), None  # the schema refuses it
    name, weights = str(base.get("name")), str(base.get("weights"))
    kind = kind_of_base(name, weights)
    if kind == MODEL_FILE:
        base = {**base, "name": _name_in_file(weights, name)}
    elif kind == HUB and weights in _OF_ENVIRONMENTS:
        base = {**base, "weights": PRESET}
    size = None
    if ingestion.get("image_size") == AUTO:
        size = _preset_size(name, parameters.get("compute")) if kind == HUB else _size_of(kind, base)
        ingestion = {**ingestion, "image_size": size.pixels}
    return {**parameters, "backbone": base, "ingestion": ingestion}, size


def _name_in_file(weights: str, name: str) -> str:
    """The name of the model in a file; the given one where it can't be read, which matters to runs that need it."""
    path = resolve(weights)
    try:
        return read_header(path).name if path.is_file() else name
    except ModelFileError:
        return name


def _size_of(kind: str, base: Mapping[str, Any]) -> ImageSize:
    name = str(base.get("name"))
    if kind not in (MODEL_FILE, EARLIER_MODEL):
        return _chosen(SIZES.get(name, USUAL_SIZE), name)
    return _chosen(next(iter(read_header(existing_file(str(base["weights"]))).input_shape), None), name)


def _preset_size(name: str, compute: Any) -> ImageSize:
    """Asks KerasHub, for which Keras starts early."""
    with suppress(ValidationError):  # the schema refuses it
        prepare_environment(ComputeParameters.model_validate(compute))
    start_keras()
    from dogs_vs_cats.models.backbones.hub import preset_size

    return _chosen(preset_size(name), name)


def _chosen(pixels: int | None, name: str) -> ImageSize:
    if pixels is None:
        return ImageSize(USUAL_SIZE, f"Images are {USUAL_SIZE}×{USUAL_SIZE} pixels, as {name} takes any size")
    return ImageSize(pixels, f"Images are {pixels}×{pixels} pixels, the size of {name}")
