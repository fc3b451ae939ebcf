"""How much two versions of an output differ, in the terms of its kind."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

_ROWS = 4096
"""Rows of an array that are compared at once: images of a large experiment don't fit into memory."""


def is_metrics(name: str) -> bool:
    """Whether an output is a file of metrics, by its path in the project."""
    return PurePosixPath(name).match("08_reporting/*/metrics.json")


def is_predictions(name: str) -> bool:
    """Whether an output is a file of predictions, by its path in the project."""
    return PurePosixPath(name).match("07_model_output/*/*/predictions.csv")


class Difference(NamedTuple):
    """How much two versions of an output differ.

    Attributes:
        text: For people.
        deviation: For metrics, the largest difference of a number; for predictions, the fraction of images with
            another answer; None for other files.
    """

    text: str
    deviation: float | None = None


def measure(name: str, before: Path, after: Path) -> Difference:
    """Compares two versions of an output whose bytes differ.

    Args:
        name: Its path in the project.
        before: The one version.
        after: The other one.
    """
    path = Path(name)
    if path.suffix == ".json":
        return compare_values(name, *(json.loads(file.read_text(encoding="utf-8")) for file in (before, after)))
    if path.suffix == ".csv":
        tables = (pd.read_csv(file, keep_default_na=False) for file in (before, after))
        return _compare_tables(*tables)
    if path.suffix == ".keras":
        return _compare_arrays("weights", dict(_weights(before)), dict(_weights(after)))
    if path.suffix in (".npy", ".npz"):
        return _compare_arrays("values", _arrays(before), _arrays(after))
    return Difference("other bytes")


def compare_values(name: str, before: Any, after: Any) -> Difference:
    """Compares the content of two JSON files.

    Args:
        name: The file's path in the project; see `is_metrics`.
        before: The one content.
        after: The other one.
    """
    first, second = dict(_leaves(before)), dict(_leaves(after))
    changed = [key for key in first | second if first.get(key) != second.get(key)]
    sizes = {
        key: abs(second[key] - first[key])
        for key in changed
        if key in first and key in second and _is_number(first[key]) and _is_number(second[key])
    }
    text = f"{len(changed)} of {len(first | second)} values differ"
    if sizes:
        largest = max(sizes, key=lambda key: sizes[key])
        text += f", by up to {sizes[largest]:.2g} ({largest}: {first[largest]:.5g} → {second[largest]:.5g})"
    if not is_metrics(name):
        return Difference(text)
    return Difference(text, max(sizes.values(), default=0.0) if len(sizes) == len(changed) else float("inf"))


def _compare_tables(before: pd.DataFrame, after: pd.DataFrame) -> Difference:
    if list(before) != list(after) or len(before) != len(after):
        shapes = [f"{len(table):,} rows and {len(table.columns)} columns" for table in (before, after)]
        return Difference(" → ".join(shapes), float("inf") if "predicted" in after else None)
    changed = (before != after).any(axis=1)
    text = f"{changed.sum():,} of {len(before):,} rows differ"
    if "path" in after and 0 < changed.sum() <= 3:
        text += f" ({', '.join(after['path'][changed])})"
    probabilities = [name for name in before if str(name).startswith("probability_")]
    if "predicted" not in before or not probabilities:
        return Difference(text)
    largest = np.abs(before[probabilities].to_numpy() - after[probabilities].to_numpy()).max()
    answers = float((before["predicted"] != after["predicted"]).mean())
    text += f", by up to {largest:.2g} in probability; {answers:.1%} of the answers change"
    return Difference(text, answers)


def _compare_arrays(kind: str, before: Mapping[str, NDArray[Any]], after: Mapping[str, NDArray[Any]]) -> Difference:
    shapes, others = ({name: array.shape for name, array in arrays.items()} for arrays in (before, after))
    if shapes != others:
        name = next(name for name in shapes | others if shapes.get(name) != others.get(name))
        return Difference(f"other shapes ({name or 'array'}: {shapes.get(name)} → {others.get(name)})")
    sizes = {name: _largest_difference(before[name], after[name]) for name in before}
    largest = max(sizes, key=lambda name: sizes[name], default="")
    if not sizes.get(largest):
        return Difference(f"the same {kind} in another file")
    return Difference(f"{kind} differ by up to {sizes[largest]:.2g}" + (f" ({largest})" if largest else ""))


def _largest_difference(before: NDArray[Any], after: NDArray[Any]) -> float:
    if not np.issubdtype(before.dtype, np.number):
        return float(not np.array_equal(before, after))
    before, after = np.atleast_1d(before), np.atleast_1d(after)
    parts = (slice(start, start + _ROWS) for start in range(0, len(before), _ROWS))
    differences = (np.abs(after[part].astype(np.float64) - before[part]) for part in parts)
    return float(max((part.max(initial=0.0) for part in differences), default=0.0))


def _weights(model: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with zipfile.ZipFile(model) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        found: dict[str, NDArray[Any]] = {}
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    yield from ((name.replace("/vars", ""), array) for name, array in found.items())


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    loaded = np.load(path, mmap_mode="r" if path.suffix == ".npy" else None, allow_pickle=False)
    return {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield name, value
    else:
        for key, item in items:
            yield from _leaves(item, f"{name}.{key}" if name else str(key))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
