"""A Keras model in one `.keras` file, the same bytes for the same model."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from dogs_vs_cats.errors import ModelFileError
from dogs_vs_cats.storage.atomic import replace_atomically

if TYPE_CHECKING:
    import keras

_BYTES_AT_ONCE = 1 << 20

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can hold."""


class KerasModelDataset(AbstractDataset["keras.Model", "keras.Model"]):
    """Saves and loads a model in Keras's native format.

    Keras writes the date, the time of each zip entry and memory addresses into the archive; they are replaced
    by constants, so that equal models give equal files. Loading is in safe mode: nothing in the file is run.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Remembers the file.

        Args:
            filepath: The local `.keras` file.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata
        self._keeps = False
        self._kept: keras.Model | None = None

    def keep_during_run(self) -> None:
        """Lets every load return the model that was saved or loaded last, until Kedro releases the dataset.

        For a run, whose nodes leave a model's weights as they are and of which Kedro knows the last node that needs
        it: it doesn't read what it has just written. Elsewhere each load reads the file, as for any dataset.
        """
        self._keeps = True

    def load(self) -> "keras.Model":
        """Loads the model, uncompiled.

        Raises:
            ModelFileError: The file is damaged or isn't a Keras model.
        """
        if self._kept is not None:
            return self._kept
        model = load_model(self._filepath)
        self._kept = model if self._keeps else None
        return model

    def save(self, data: "keras.Model") -> None:
        """Saves an uncompiled model.

        Raises:
            ModelFileError: The model is compiled: its optimizer would be saved with it.
        """
        if getattr(data, "compiled", False):
            raise ModelFileError(f"{data.name} is compiled; a model file holds no optimizer.")
        with replace_atomically(self._filepath) as partial:
            parts = partial.with_suffix("")
            data.save(parts, zipped=False)
            pack(parts, partial)
            shutil.rmtree(parts)
        self._kept = data if self._keeps else None

    def _release(self) -> None:
        self._kept = None

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def load_model(path: Path) -> "keras.Model":
    """Loads a model file in safe mode, uncompiled.

    Raises:
        ModelFileError: There is no such file, it is damaged, or it isn't a Keras model.
    """
    import keras

    if not path.is_file():
        raise ModelFileError(f"There is no model file {path}. Train first: kedro run")
    if not zipfile.is_zipfile(path):  # Keras would say that it isn't there
        raise ModelFileError(
            f"{path} can't be loaded as a Keras model: it is empty, damaged, or in another format, since a .keras file "
            "is a zip archive. Save the model again with Keras: model.save('NAME.keras')"
        )
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelFileError(f"{path} can't be loaded as a Keras model: {reason}") from error


def pack(parts: Path, target: Path) -> None:
    """Makes a `.keras` archive, as Keras itself writes it, but without what differs between equal models.

    Args:
        parts: The folder in which Keras has saved a model.
        target: Where the archive goes.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for part in sorted(path for path in parts.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(part.relative_to(parts).as_posix(), ZIP_EPOCH)
            if part.name == "metadata.json":
                archive.writestr(entry, _without_date(part.read_bytes()))
            elif part.name == "config.json":
                archive.writestr(entry, _with_counted_objects(part.read_bytes()))
            else:
                entry.file_size = part.stat().st_size
                with part.open("rb") as weights, archive.open(entry, "w") as copy:
                    shutil.copyfileobj(weights, copy, _BYTES_AT_ONCE)


def _without_date(content: bytes) -> bytes:
    metadata = json.loads(content)
    metadata["date_saved"] = "1980-01-01@00:00:00"
    return json.dumps(metadata).encode()


def _with_counted_objects(content: bytes) -> bytes:
    """Replaces the ids of shared objects, which are memory addresses, by 1, 2, 3 … as they appear.

    Which layers share an equal dtype policy depends on whether a model was built or loaded, and means nothing.
    """
    numbers: dict[int, int] = {}

    def count(value: dict[str, Any]) -> dict[str, Any]:
        if value.get("class_name") == "DTypePolicy":
            value.pop("shared_object_id", None)
        if "shared_object_id" in value:
            value["shared_object_id"] = numbers.setdefault(value["shared_object_id"], len(numbers) + 1)
        return value

    return json.dumps(json.loads(content, object_hook=count)).encode()
