"""A Keras model in one `.keras` file."""

import json
import shutil
import zipfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dogs_vs_cats.datasets.local_file import LocalFileDataset
from dogs_vs_cats.errors import ModelFileError, first_line

if TYPE_CHECKING:
    import keras

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can hold."""

KERAS_HUB = "keras_hub"
"""The one package whose layers a model file may have beside Keras's own, where its base is a preset of KerasHub."""

INSTALL_HUB = "Install it: make dev"


class KerasModelDataset(LocalFileDataset["keras.Model", "keras.Model"]):
    """Saves and loads a model in Keras's native format.

    Keras writes the date, the time of each zip entry and memory addresses into the archive. They are replaced by
    constants, so that equal models give equal files. Loading is in safe mode: no code in the file is run.
    """

    caches = False
    """Whether each load returns the model that was saved or loaded last, until Kedro releases the dataset.

    It is for runs, whose nodes leave a model's weights as they are: a run doesn't read what it has just written.
    Elsewhere each load reads the file, as for any dataset.
    """

    _cached: "keras.Model | None" = None

    def _read(self) -> "keras.Model":
        model = self._cached or load_model(self._filepath)
        self._cached = model if self.caches else None
        return model

    def _write(self, data: "keras.Model", path: Path) -> None:
        if getattr(data, "compiled", False):
            raise ModelFileError(f"{data.name} is compiled, but a model file holds no optimizer.")
        parts = path.with_suffix("")
        data.save(parts, zipped=False)
        _pack(parts, path)
        shutil.rmtree(parts)
        self._cached = data if self.caches else None

    def _release(self) -> None:
        self._cached = None


def load_model(path: Path) -> "keras.Model":
    """Loads a model file in safe mode, uncompiled.

    Raises:
        ModelFileError: There is no such file, it is damaged, it isn't a Keras model, or it needs KerasHub, which isn't
            installed.
    """
    import keras

    if not path.is_file():
        raise ModelFileError(f"There is no model file {path}. Train first: kedro run")
    try:
        if not zipfile.is_zipfile(path):  # Keras would say that it isn't there
            raise ValueError("it is empty, damaged, or in another format, since a .keras file is a zip archive")
        if _has_layers_of_hub(path):
            import_module(KERAS_HUB)  # Keras then knows them
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except ModuleNotFoundError as error:
        raise ModelFileError(f"{path} has layers of KerasHub, which isn't installed. {INSTALL_HUB}") from error
    except Exception as error:
        raise ModelFileError(
            f"{path} can't be loaded as a Keras model: {first_line(error)}. If it is yours, save it again with Keras: "
            "model.save('NAME.keras')"
        ) from error


def _has_layers_of_hub(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return f'"module": "{KERAS_HUB}.'.encode() in archive.read("config.json")


def _pack(parts: Path, target: Path) -> None:
    """Writes a `.keras` archive as Keras does, without the parts that differ between equal models.

    Args:
        parts: The folder in which Keras has saved a model.
        target: The archive.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for part in sorted(path for path in parts.rglob("*") if path.is_file()):
            content = part.read_bytes()
            entry = zipfile.ZipInfo(part.relative_to(parts).as_posix(), ZIP_EPOCH)
            archive.writestr(entry, _reproducible(content) if part.suffix == ".json" else content)


def _reproducible(content: bytes) -> bytes:
    """Replaces the date by a constant, and the ids of shared objects, which are memory addresses, by counts.

    The ids of dtype policies are removed: which layers share one depends only on whether a model was built or loaded.
    """
    numbers: dict[int, int] = {}

    def replaced(value: dict[str, Any]) -> dict[str, Any]:
        if "date_saved" in value:
            value["date_saved"] = "1980-01-01@00:00:00"
        if value.get("class_name") == "DTypePolicy":
            value.pop("shared_object_id", None)
        if "shared_object_id" in value:
            value["shared_object_id"] = numbers.setdefault(value["shared_object_id"], len(numbers) + 1)
        return value

    return json.dumps(json.loads(content, object_hook=replaced)).encode()
