"""Parts that the sides of `make bench-peers` share. They run in two environments: standard library only."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

SIZE, BATCH_SIZE = 150, 30

PACKAGES = ("keras", "tensorflow-cpu", "tensorflow", "torch", "torchvision")


@dataclass(frozen=True)
class Task:
    """The measurement: where the material is, and how much of it to use.

    Attributes:
        photos: A folder with `train` and `validation`, a folder for each class in each.
        originals: A folder of photos of original size, a folder for each class.
        archive: The archive of the photos.
        weights: MobileNetV2's weights, alpha 0.35, as Keras publishes them.
        training: The number of training photos; a third as many validate.
        epochs: Epochs of each approach; approach 2 is trained for five times as many.
        images: The number of photos whose features are extracted.
        decoded: The number of photos of original size.
        rounds: Rounds of which the median counts, after one that warms up.
        bfloat16: Whether the processor multiplies faster in bfloat16.
    """

    photos: Path
    originals: Path
    archive: Path
    weights: Path
    training: int
    epochs: int
    images: int
    decoded: int
    rounds: int
    bfloat16: bool


Figures = dict[str, Any]
"""Of a row: `seconds` (without them, the whole process is timed), and `accuracies` on the validation photos."""


def main(rows: dict[str, Callable[[Task], Figures]]) -> None:
    """Measures the row that the command names, and prints its figures as JSON on the last line."""
    name, values = sys.argv[1], json.loads(sys.argv[2])
    values |= {field: Path(values[field]) for field in ("photos", "originals", "archive", "weights")}
    figures = rows[name](Task(**values))
    installed = {found.name.replace("_", "-"): found.version for found in metadata.distributions()}
    figures["versions"] = {name: installed[name] for name in PACKAGES if name in installed}
    print(f"\n{json.dumps(figures)}")


def median_seconds(task: Task, work: Callable[[], object]) -> float:
    """Seconds of some work, after a round that warms up."""
    seconds = []
    for _ in range(task.rounds + 1):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])
