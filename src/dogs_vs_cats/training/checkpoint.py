"""The state of a training on disk, from which an interrupted one goes on."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dogs_vs_cats.storage.atomic import replace_atomically

Rows = tuple[dict[str, Any], ...]


class Checkpoint:
    """Weights, random states, optimizer, best weights and history of one phase of a training."""

    def __init__(self, path: Path, identity: str, model: keras.Model):
        """Nothing is read or written yet.

        Args:
            path: The file.
            identity: All that the training depends on, as text; a file of another identity is ignored.
            model: The model to train, compiled before the state is saved or restored.
        """
        self._path = path
        self._identity = identity
        self._model = model

    def _variables(self) -> list[keras.Variable]:
        # `variables` has the random states of dropout, which a file of weights lacks.
        return [*without_images(self._model.variables), *self._model.optimizer.variables]

    def save(self, history: Rows, seconds: float, best: Sequence[np.ndarray]) -> None:
        """Saves the present state of the model.

        Args:
            history: A row for each finished epoch.
            seconds: Time spent in them.
            best: Weights of the best epoch; empty where none is kept.
        """
        arrays = {f"variable_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self._variables())}
        arrays |= {f"best_{i}": value for i, value in enumerate(best)}
        text = json.dumps({"checkpoint_of": self._identity, "history": history, "seconds": seconds})
        with replace_atomically(self._path) as partial:
            np.savez(partial, text=np.array(text), **arrays)

    def restore(self) -> tuple[Rows, float, list[np.ndarray]] | None:
        """Puts a saved state into the model.

        Returns:
            `history`, `seconds` and `best` as they were saved; None where there is no state of this identity.
        """
        if not self._path.is_file():
            return None
        with np.load(self._path, allow_pickle=False) as archive:
            content = json.loads(str(archive["text"]))
            if content.get("checkpoint_of") != self._identity:
                return None
            for i, variable in enumerate(self._variables()):
                variable.assign(archive[f"variable_{i}"])
            count = sum(name.startswith("best_") for name in archive.files)
            best = [archive[f"best_{i}"] for i in range(count)]
        return tuple(content["history"]), content["seconds"], best

    def delete(self) -> None:
        """Deletes the file, if there is one."""
        self._path.unlink(missing_ok=True)


def without_images(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """Leaves out `ResidentImages`, the only bytes there are among a model's variables."""
    return [variable for variable in variables if variable.dtype != "uint8"]


def weights_hash(text: str, model: keras.Model) -> str:
    """SHA-256 over a text and the weights of a model, as hex digits."""
    digest = hashlib.sha256(text.encode())
    for variable in without_images(model.weights):
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()
