"""What parameters leave to the base: the size of the images, and the name of a base that is a file."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dogs_vs_cats.errors import ModelFileError
from dogs_vs_cats.models.file_header import existing_file, read_header
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, SOURCE_CNN, is_model_file
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
        BackboneError: The size is that of a file which isn't there.
        ModelFileError: It is that of a file which is damaged.
    """
    base, ingestion = parameters.get("backbone"), parameters.get("ingestion")
    if not isinstance(base, Mapping) or not isinstance(ingestion, Mapping):
        return dict(parameters), None  # the schema refuses it
    name = str(base.get("name"))
    if is_model_file(name, base.get("weights")):
        name = _name_in_file(str(base["weights"]), name)
        base = {**base, "name": name}
    size = None
    if ingestion.get("image_size") == AUTO:
        size = _size_of(name, str(base.get("weights")))
        ingestion = {**ingestion, "image_size": size.pixels}
    return {**parameters, "backbone": base, "ingestion": ingestion}, size


def _name_in_file(weights: str, name: str) -> str:
    """The name of the model in a file; the given one where it can't be read, which matters to runs that need it."""
    path = resolve(weights)
    try:
        return read_header(path).name if path.is_file() else name
    except ModelFileError:
        return name


def _size_of(name: str, weights: str) -> ImageSize:
    if not is_model_file(name, weights) and name != EARLIER_MODEL:
        pixels = SIZES.get(name, USUAL_SIZE)
        return ImageSize(pixels, f"Images are {pixels}×{pixels} pixels, the size of {name}")
    path = existing_file(weights)
    height = next(iter(read_header(path).input_shape), None)
    if height is None:
        return ImageSize(USUAL_SIZE, f"Images are {USUAL_SIZE}×{USUAL_SIZE} pixels, as {name} takes any size")
    return ImageSize(height, f"Images are {height}×{height} pixels, the size of {name}")
