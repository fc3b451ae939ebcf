"""Training on a cluster of two machines, one of which dies: the same bytes as on one machine, and nothing twice."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from benchmarks.ray_processes import RayProcesses
from dogs_vs_cats.datasets import KerasModelDataset
from dogs_vs_cats.errors import BackboneError
from dogs_vs_cats.training.events import EpochEnd, Event, subscribe, unsubscribe
from tests.approaches.test_approaches import COMMON, END_TO_END
from tests.training import test_tuning
from tests.training.test_training import BASE_RECORD, base, images, manifest, train

__all__ = ["base", "images", "manifest"]

pytestmark = pytest.mark.slow

TRIALS = 14
AT_ONCE = 2
SEEDS = {**COMMON, "epochs": 8, "augment": True, "seeds": [3, 4, 5], "redraw_split": True}


@contextmanager
def published(at_first_epoch: Callable[[], None] = lambda: None) -> Iterator[list[Event]]:
    """Collects events, and does something at the first end of an epoch."""
    events: list[Event] = []

    def observe(event: Event) -> None:
        if isinstance(event, EpochEnd) and not any(isinstance(earlier, EpochEnd) for earlier in events):
            at_first_epoch()
        events.append(event)

    subscribe(observe)
    try:
        yield events
    finally:
        unsubscribe(observe)


def train_seeds(images: np.ndarray, manifest: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Everything that a training leaves, apart from the time that it took."""
    folder.mkdir()
    hashed = manifest.assign(sha256=manifest["path"])
    model, info, history, _, metrics = train("naive_cnn", SEEDS, images, hashed, folder, calibrate=True)
    KerasModelDataset(filepath=str(folder / "model.keras")).save(model)
    file = (folder / "model.keras").read_bytes()
    return {"file": file, "info": info, "history": history.to_csv(), "metrics": metrics}


@pytest.fixture(scope="module")
def seeds_alone(
    images: np.ndarray, manifest: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], list[Event]]:
    with published() as events:
        return train_seeds(images, manifest, tmp_path_factory.mktemp("alone") / "seeds"), events


def test_seeds_give_the_same_bytes_though_a_machine_dies(
    seeds_alone: tuple[dict[str, Any], list[Event]],
    connected_machines: RayProcesses,
    images: np.ndarray,
    manifest: pd.DataFrame,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with published(at_first_epoch=connected_machines.kill_a_machine) as events:
        made = train_seeds(images, manifest, tmp_path / "seeds")
    assert "a machine of the cluster is gone; a training that was there starts again on another" in caplog.text
    assert "naive_cnn: epoch 8/8" in caplog.text
    assert (made, events) == seeds_alone


def search(folder: Path, trials: int) -> tuple[str, dict[str, Any]]:
    found, summary = test_tuning.search(folder, test_tuning.tuning(trials=trials, trials_at_once=AT_ONCE))
    return found.to_csv(), summary


@pytest.fixture(scope="module")
def trials_alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, dict[str, Any]], list[Event]]:
    """A search whose last rounds learn from its first ones, and a copy from before these rounds."""
    folder = tmp_path_factory.mktemp("trials")
    search(folder / "alone", TRIALS - 2 * AT_ONCE)
    shutil.copytree(folder / "alone", folder / "begun")
    with published() as events:
        return folder / "begun", search(folder / "alone", TRIALS), events


def test_a_search_gives_the_same_bytes_though_a_machine_dies(
    trials_alone: tuple[Path, tuple[str, dict[str, Any]], list[Event]], connected_machines: RayProcesses, tmp_path: Path
) -> None:
    begun, (expected_table, expected_summary), expected_events = trials_alone
    shutil.copytree(begun, tmp_path / "search")
    with published(at_first_epoch=connected_machines.kill_a_machine) as events:
        table, summary = search(tmp_path / "search", TRIALS)
    assert table.splitlines() == expected_table.splitlines()
    assert summary == expected_summary
    assert events == expected_events


def test_a_training_that_fails_on_the_cluster_fails_in_one_line(
    connected_machines: RayProcesses, images: np.ndarray, manifest: pd.DataFrame, base: keras.Model, tmp_path: Path
) -> None:
    made = {"backbone": base, "backbone_record": BASE_RECORD}
    with pytest.raises(BackboneError, match=r"block9.*block1_convolution1"):
        train("transfer_end_to_end", {**END_TO_END, "unfreeze_from": "block9"}, images, manifest, tmp_path, **made)
