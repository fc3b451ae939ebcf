"""How far a training has come, in memory and on disk, so that an interrupted one resumes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dogs_vs_cats.storage.atomic import replace_atomically

Rows = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class TrainState:
    """How far a training has come.

    Attributes:
        history: A row for each epoch: `seed`, `epoch` (from 1, through all phases), `phase`, `loss`, `accuracy`,
            `val_loss`, `val_accuracy` (both None without validation images), `learning_rate` (at the beginning of the
            epoch).
        seconds: Time spent in these epochs, those of an interrupted run included.
        best_weights: The model's weights after the best epoch; empty unless `keep_best_epoch` is set.
    """

    history: Rows = ()
    seconds: float = 0.0
    best_weights: tuple[np.ndarray, ...] = ()

    @property
    def best(self) -> dict[str, Any] | None:
        """The first row with the lowest validation loss; None without validation images."""
        return best_row(self.history)


def best_row(rows: Rows) -> dict[str, Any] | None:
    """Returns the first row with the lowest validation loss; None without validation images."""
    validated = [row for row in rows if row["val_loss"] is not None]
    return min(validated, key=lambda row: row["val_loss"], default=None)


@dataclass(frozen=True)
class Checkpoint:
    """A file with the state of a training and of its model: weights, random states and optimizer.

    Attributes:
        path: The file.
        identity: All that the training depends on, as text; a file of another identity is ignored.
        model: The model to train, compiled before a state is saved or restored.
    """

    path: Path
    identity: str
    model: keras.Model

    def save(self, state: TrainState) -> None:
        """Saves the present state."""
        # NumPy copies one variable at a time, as it writes; with the optimizer's, they are three times the weights.
        arrays: dict[str, Any] = {f"variable_{i}": variable for i, variable in enumerate(self._variables())}
        arrays |= {f"best_{i}": weights for i, weights in enumerate(state.best_weights)}
        text = json.dumps({"checkpoint_of": self.identity, "history": state.history, "seconds": state.seconds})
        with replace_atomically(self.path) as partial:
            np.savez(partial, text=np.array(text), **arrays)

    def restore(self) -> TrainState | None:
        """Puts a saved state into the model; returns None where there is none of this identity."""
        if not self.path.is_file():
            return None
        with np.load(self.path, allow_pickle=False) as archive:
            content = json.loads(str(archive["text"]))
            if content["checkpoint_of"] != self.identity:
                return None
            for i, variable in enumerate(self._variables()):
                variable.assign(archive[f"variable_{i}"])
            best_weights = tuple(archive[name] for name in archive.files if name.startswith("best_"))
        return TrainState(tuple(content["history"]), content["seconds"], best_weights)

    def _variables(self) -> list[keras.Variable]:
        # `variables` has the random states of dropout, which a file of weights lacks.
        return [*without_images(self.model.variables), *self.model.optimizer.variables]


def without_images(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """Leaves out `ResidentImages`, the only bytes there are among a model's variables."""
    return [variable for variable in variables if variable.dtype != "uint8"]
