"""The difference between two versions of an output, in the terms of its kind."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from dogs_vs_cats.dvc_sync.output_differences import Difference, measure

METRICS = "data/08_reporting/test/metrics.json"


def compare(folder: Path, name: str, before: str, after: str) -> Difference:
    files = [folder / "before", folder / "after"]
    for file, text in zip(files, (before, after), strict=True):
        file.write_text(text)
    return measure(name, *files)


def test_metrics_have_their_largest_difference(tmp_path: Path) -> None:
    before: dict[str, Any] = {"naive_cnn": {"test_accuracy": 0.5, "test_log_loss": 0.7}}
    after: dict[str, Any] = {"naive_cnn": {"test_accuracy": 0.504, "test_log_loss": 0.6}}
    found = compare(tmp_path, METRICS, json.dumps(before), json.dumps(after))
    assert found.text == "2 of 2 values differ, by up to 0.1 (naive_cnn.test_log_loss: 0.7 → 0.6)"
    assert found.deviation == pytest.approx(0.1)
    # The confusion matrices of an approach are no metrics.
    assert compare(tmp_path, "data/08_reporting/test/naive_cnn/metrics.json", "[1]", "[2]").deviation is None
    # A metric that only one of them has is no small difference.
    assert compare(tmp_path, METRICS, '{"accuracy": 0.5}', '{"accuracy": 0.5, "recall": 0}').deviation == np.inf
    assert compare(tmp_path, METRICS, '{"accuracy": null}', '{"accuracy": 0.5}').deviation == np.inf


def test_predictions_have_the_fraction_of_changed_answers(tmp_path: Path) -> None:
    name = "data/07_model_output/test/naive_cnn/predictions.csv"
    head = "path,probability_dog,predicted\n"
    found = compare(tmp_path, name, f"{head}a,0.2,0\nb,0.49,0\n", f"{head}a,0.2,0\nb,0.51,1\n")
    assert found.text == "1 of 2 rows differ (b), by up to 0.02 in probability; 50.0% of the answers change"
    assert found.deviation == 0.5
    found = compare(tmp_path, name, f"{head}a,0.2,0\n", f"{head}a,0.2,0\nb,0.5,0\n")
    assert found == Difference("1 rows and 3 columns → 2 rows and 3 columns", np.inf)
    found = compare(tmp_path, "data/02_intermediate/test/manifest.csv", "path,label\na,0\n", "path,label\na,1\n")
    assert found == Difference("1 of 1 rows differ (a)")


def test_arrays_have_their_largest_difference(tmp_path: Path) -> None:
    files = [tmp_path / "before.npy", tmp_path / "after.npy"]
    images = np.zeros((5000, 2, 2, 3), np.uint8)
    for file, value in zip(files, (3, 1), strict=True):
        images[4999, 0, 0, 0] = value
        np.save(file, images)
    assert measure("images.npy", *files) == Difference("values differ by up to 2")
    np.save(files[1], images[1:])
    assert measure("images.npy", *files).text == "other shapes (array: (5000, 2, 2, 3) → (4999, 2, 2, 3))"
    files = [tmp_path / "before.npz", tmp_path / "after.npz"]
    np.savez(files[0], mean=np.zeros(2), names=np.array(["a"]))
    np.savez(files[1], mean=np.array([0, 1e-7]), names=np.array(["a"]))
    assert measure("naive_cnn.npz", *files) == Difference("values differ by up to 1e-07 (mean)")


def test_models_have_the_largest_difference_of_a_weight(tmp_path: Path) -> None:
    files = [tmp_path / "before.keras", tmp_path / "after.keras"]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="output")])
    model.save(files[0])
    model.save(files[1])
    assert measure("naive_cnn.keras", *files) == Difference("the same weights in another file")
    kernel, bias = model.get_weights()
    model.set_weights([kernel, bias + 0.25])
    model.save(files[1])
    assert measure("naive_cnn.keras", *files) == Difference("weights differ by up to 0.25 (layers/dense/1)")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="output")]).save(files[1])
    assert measure("naive_cnn.keras", *files).text == "other shapes (layers/dense/0: (2, 1) → (3, 1))"
