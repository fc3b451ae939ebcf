"""Comparing the answers of an exported file with those of the model it was made from."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from dogs_vs_cats.errors import ExportError
from dogs_vs_cats.evaluation.probabilities import predicted_classes
from dogs_vs_cats.evaluation.significance import fraction_interval
from dogs_vs_cats.export import runtimes
from dogs_vs_cats.project import child_environment
from dogs_vs_cats.storage.arrays import save_array

NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}
"""All runtimes are timed on the CPU; and this process may have taken the memory of the GPU."""


def answers_of(
    path: Path, images: Path, rows: NDArray[np.integer], threads: int | None
) -> tuple[NDArray[np.float32], float]:
    """Classifies images with an exported file, in a new process.

    Args:
        path: The file.
        images: `.npy` file of raw images, (n, height, width, channels).
        rows: Which of them, (m,).
        threads: Threads of one operation; None takes one a core.

    Returns:
        Probabilities, (m, outputs), and the milliseconds that one image takes by itself.

    Raises:
        ExportError: The format's runtime refuses the file.
    """
    with TemporaryDirectory() as name:
        asked, answered = Path(name) / "rows.npy", Path(name) / "answers.npy"
        save_array(asked, rows)
        arguments = map(str, (path, images, asked, answered, threads or 0))
        done = subprocess.run(
            [sys.executable, "-m", runtimes.__name__, *arguments],
            capture_output=True,
            text=True,
            env={**child_environment(), **NO_GPU},
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] if done.returncode > 0 else []
            raise ExportError("".join(last) or f"the runtime of its format ended with {done.returncode}")
        return np.load(answered), float(json.loads(done.stdout.splitlines()[-1])["milliseconds"])


def compare(
    expected: NDArray[np.float32], found: NDArray[np.float32], labels: NDArray[np.int64]
) -> dict[str, float | int]:
    """Compares answers to the same images. An answer that isn't a number is wrong, and counts as changed.

    Args:
        expected: The model's probabilities, (n, 1) for two classes, else (n, classes).
        found: The file's, of the same shape.
        labels: The true classes, (n,).

    Returns:
        `largest_difference` of a probability; the number of `changed_answers`; the file's `accuracy`, with the ends of
        its 95 % Wilson interval; and the model's, `keras_accuracy`.
    """
    before, after = predicted_classes(expected), predicted_classes(found)
    after[~np.isfinite(found).all(axis=1)] = -1
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


def size(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())
