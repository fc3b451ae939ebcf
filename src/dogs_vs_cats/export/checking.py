"""Comparing the answers of an exported file with those of the model it was made of."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dogs_vs_cats.errors import ExportError
from dogs_vs_cats.evaluation.significance import fraction_interval
from dogs_vs_cats.export import runtimes
from dogs_vs_cats.project import child_environment


def answers_of(path: Path, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Classifies images with an exported file, in a new process.

    Args:
        path: The file.
        images: Raw images, (n, height, width, channels).

    Returns:
        Probabilities, (n, outputs), and the milliseconds that one image takes by itself.

    Raises:
        ExportError: The format's runtime refuses the file.
    """
    with TemporaryDirectory() as name:
        given, answered = Path(name) / "images.npy", Path(name) / "answers.npy"
        np.save(given, images)
        command = [sys.executable, "-m", runtimes.__name__, *map(str, (path, given, answered))]
        done = subprocess.run(command, capture_output=True, text=True, env=child_environment())
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
            raise ExportError(f"The runtime of its format can't run {path.name}: {lines[-1]}")
        return np.load(answered), float(json.loads(done.stdout.splitlines()[-1])["milliseconds"])


def compare(
    expected: NDArray[np.float32], found: NDArray[np.float32], labels: NDArray[np.int64]
) -> dict[str, float | int]:
    """Compares answers to the same images.

    Args:
        expected: The model's probabilities, (n, 1) for two classes, else (n, classes).
        found: The file's, of the same shape.
        labels: The true classes, (n,).

    Returns:
        `largest_difference` of a probability; the number of `changed_answers`; the file's `accuracy`, with the ends of
        its 95 % Wilson interval; and the model's, `keras_accuracy`.
    """
    before, after = predicted(expected), predicted(found)
    accuracy = float((after == labels).mean())
    low, high = fraction_interval(accuracy, len(labels))
    return {
        "images": len(labels),
        "largest_difference": float(np.abs(expected - found).max()),
        "changed_answers": int((before != after).sum()),
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "keras_accuracy": float((before == labels).mean()),
    }


def predicted(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Returns the class of each answer: for two classes 1 where the probability is above 0.5."""
    if probabilities.shape[1] == 1:
        return (probabilities[:, 0] > 0.5).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=1), np.int64)


def size(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def is_refused(row: dict[str, Any], tolerance: float) -> bool:
    """Whether a file changes more than the tolerated share of the answers."""
    return bool(row["changed_answers"] > tolerance * row["images"])
