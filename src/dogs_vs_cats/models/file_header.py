"""The description of a model in its `.keras` file, read in milliseconds and without Keras."""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dogs_vs_cats.errors import BackboneError, ModelFileError
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, SOURCE_CNN
from dogs_vs_cats.project import resolve

# Names that Keras gives to models without one.
_AUTOMATIC = re.compile(r"(functional|model|sequential)(_\d+)?")
# Names of kinds of bases, and of what surrounds a base in a model.
_RESERVED = (SOURCE_CNN, EARLIER_MODEL, "image", "pooling", "head")


@dataclass(frozen=True)
class ModelHeader:
    """The structure of a model file.

    Attributes:
        name: The model's name; the file's where Keras named the model, or where the name has another meaning here.
        input_shape: Height, width and channels of its first input; None for a side of any length, and empty where the
            file doesn't say.
        foreign_layers: Classes that aren't Keras's own, and `Lambda`, which holds code.
    """

    name: str
    input_shape: tuple[int | None, ...]
    foreign_layers: tuple[str, ...]


def existing_file(weights: str) -> Path:
    """Finds the file that `backbone.weights` names.

    Raises:
        BackboneError: It isn't there.
    """
    path = resolve(weights)
    if not path.is_file():
        raise BackboneError(
            f"backbone.weights={weights!r}: there is no file {path}. It takes `imagenet`, a file of weights without "
            f"the top, or a headless .keras file; {EARLIER_MODEL} takes the model file of a training. Relative paths "
            "start at the project's root."
        )
    return path


def read_header(path: Path) -> ModelHeader:
    """Reads the structure of a model file.

    Raises:
        ModelFileError: The file is damaged, or isn't a `.keras` file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        name, layers = str(config["config"]["name"]), config["config"]["layers"]
        inputs = [layer["config"] for layer in layers if layer["class_name"] == "InputLayer"]
        shape = tuple(inputs[0]["batch_shape"][1:]) if inputs else ()
    except (OSError, EOFError, LookupError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelFileError(
            f"{path} can't be read as a Keras model: {error}. A .keras file is a zip archive with a config.json; save "
            "the model again with model.save('NAME.keras')."
        ) from error
    foreign = {part["class_name"] for part in _classes(config) if _is_foreign(part)}
    is_replaced = _AUTOMATIC.fullmatch(name) or name in _RESERVED
    return ModelHeader(path.stem if is_replaced else name, shape, tuple(sorted(foreign)))


def _classes(value: Any) -> Iterator[dict[str, Any]]:
    """The descriptions of all objects in a configuration."""
    if isinstance(value, dict):
        if {"class_name", "module"} <= value.keys():
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _classes(item)


def _is_foreign(part: dict[str, Any]) -> bool:
    return str(part["module"]).partition(".")[0] != "keras" or part["class_name"] == "Lambda"
