"""Prediction on a cluster of two machines, one of which dies midway: every image is answered once."""

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import psutil
import pytest

from dogs_vs_cats.errors import ClusterError
from dogs_vs_cats.inference.prediction import predict_batches, row_batches
from dogs_vs_cats.inference.ray_cluster import BATCHES_PER_MACHINE
from dogs_vs_cats.models.backbones import source_cnn
from dogs_vs_cats.pipelines.feature_extraction.nodes import extract_features
from tests.training.test_training import COMPUTE

pytestmark = pytest.mark.slow


class Cluster:
    """A head without processors and two machines with one each, from real `ray start` processes on this computer."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._pids = set(psutil.pids())
        self._start("--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false")
        self._start(f"--address={self.address}", "--num-cpus=1")
        before = self._raylets()
        self._start(f"--address={self.address}", "--num-cpus=1")
        [self._last] = self._raylets() - before

    def _start(self, *arguments: str) -> None:
        ray = str(Path(sys.executable).with_name("ray"))
        options = ["--disable-usage-stats", "--object-store-memory=100000000"]
        done = subprocess.run([ray, "start", *arguments, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _new(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter(["name", "cmdline"]):
            if process.pid not in self._pids:
                yield process

    def _raylets(self) -> set[psutil.Process]:
        return {process for process in self._new() if process.info["name"] == "raylet"}

    def kill_a_machine(self) -> None:
        """Kills the last machine with all that runs on it, as a lost power supply would."""
        processes = [self._last, *self._last.children(recursive=True)]
        for process in processes:
            process.kill()

    def stop(self) -> None:
        for process in self._new():
            command = " ".join(process.info["cmdline"] or [])
            if "ray" in command or process.info["name"].startswith("ray::"):
                process.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray")
    started = Cluster()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def base() -> keras.Model:
    keras.utils.set_random_seed(0)
    return source_cnn(32, 3)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)


def test_features_are_those_of_one_machine(
    cluster: Cluster, base: keras.Model, images: np.ndarray, tmp_path: Path
) -> None:
    splits = pd.DataFrame({"split": ["train"] * len(images)})
    made = []
    for address in (None, cluster.address):
        compute = COMPUTE.model_copy(update={"cluster": address})
        data = ({"identity": "base"}, images, splits, {"identity": "data"})
        features, _ = extract_features(base, *data, "avg", compute, tmp_path / str(address is None))
        made.append(np.array(features))
    np.testing.assert_allclose(made[1], made[0], atol=1e-6)


def test_only_a_few_batches_for_each_machine_are_under_way(
    cluster: Cluster, base: keras.Model, images: np.ndarray
) -> None:
    taken = 0

    def batches() -> Iterator[np.ndarray]:
        nonlocal taken
        for batch in row_batches(images, np.arange(64 * 60) % len(images)):
            taken += 1
            yield batch

    compute = COMPUTE.model_copy(update={"cluster": cluster.address})
    under_way = [taken - answered for answered, _ in enumerate(predict_batches(base, batches(), compute), start=1)]
    assert len(under_way) == 60
    assert 1 < max(under_way) <= 2 * BATCHES_PER_MACHINE


def test_a_machine_that_dies_midway_loses_nothing(
    cluster: Cluster, base: keras.Model, images: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    model = keras.Sequential([base, keras.layers.GlobalAveragePooling2D()])
    expected = np.asarray(model(images.astype(np.float32)))
    rows = np.random.default_rng(1).integers(0, len(images), 64 * 500)
    compute = COMPUTE.model_copy(update={"cluster": cluster.address})
    answered = []
    with caplog.at_level(logging.WARNING):
        for number, answer in enumerate(predict_batches(model, row_batches(images, rows), compute)):
            if number == 100:
                cluster.kill_a_machine()
            answered.append(answer)
    assert "A machine of the cluster is gone" in caplog.text
    assert sum(map(len, answered)) == len(rows)
    np.testing.assert_allclose(np.concatenate(answered), expected[rows], atol=1e-5)


def test_a_cluster_that_is_not_there_is_said(base: keras.Model, images: np.ndarray) -> None:
    compute = COMPUTE.model_copy(update={"cluster": "127.0.0.1:9"})
    with pytest.raises(
        ClusterError, match=r"no Ray cluster can be reached there.*ray start --head.*compute.cluster: null"
    ):
        next(predict_batches(base, row_batches(images, np.arange(9)), compute))
