"""Work on a cluster of two machines, one of which dies now and then: the same results as on one machine, each once."""

import logging
import operator
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
import pytest

from benchmarks.ray_processes import RayProcesses
from dogs_vs_cats.compute import cluster
from dogs_vs_cats.errors import ClusterError, SourceError
from dogs_vs_cats.images.reading import write_decoded
from dogs_vs_cats.images.sources import Source, open_source
from dogs_vs_cats.images.sources.files import listed_paths
from dogs_vs_cats.inference.classifiers import Classifier, load_classifier
from dogs_vs_cats.inference.files import classify_files
from dogs_vs_cats.inference.prediction import predict_batches, row_batches
from dogs_vs_cats.inference.predictor import predictor
from dogs_vs_cats.models.backbones import source_cnn
from dogs_vs_cats.models.output_layers import probabilities
from dogs_vs_cats.pipelines.feature_extraction.nodes import extract_features
from tests.images.hostile_corpus import unusual_but_good
from tests.images.sources.test_cloud import odd_folder, upload
from tests.pipelines.test_data_ingestion import jpeg, parameters
from tests.pipelines.test_inference import INGESTION, save
from tests.training.test_training import COMPUTE

pytestmark = pytest.mark.slow

PHOTOS = 1500
ROWS = 300


@dataclass
class Work:
    """Photos and models, and functions that do something with them here or on the cluster."""

    base: keras.Model
    classifier: Classifier
    few: Path
    photos: Path
    images: np.ndarray
    folder: Path

    def decode(self, source: str, name: str, prepare: Callable[[Source], None] = lambda source: None) -> Path:
        ingestion = parameters(source, image_size=32, max_bytes=20_000)
        folder = self.folder / name
        folder.mkdir()
        with open_source(ingestion, Path("/")) as opened:
            prepare(opened)
            write_decoded(opened, ingestion, folder)
        return folder

    def extract(self, name: str) -> bytes:
        splits = pd.DataFrame({"split": ["train"] * len(self.images)})
        data = ({"identity": "base", "weights": ""}, self.images, splits, {"identity": "data"})
        features, _ = extract_features(self.base, *data, "avg", COMPUTE, self.folder / name)
        return features.tobytes()

    def classify(self, name: str, prepare: Callable[[Source], None] = lambda source: None) -> bytes:
        reading = INGESTION.model_copy(update={"source": str(self.photos), "max_bytes": 20_000})
        (self.folder / name).mkdir(exist_ok=True)
        with open_source(reading, Path("/"), labelled=False) as source:
            prepare(source)
            journal = classify_files(source, self.classifier, reading, COMPUTE, self.folder / name)
        return journal.path.read_bytes()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("work")
    few = odd_folder(folder / "few")
    for case in unusual_but_good():  # 16-bit files, too
        (few / "Cat" / case.name).write_bytes(case.data)
    photos = shutil.copytree(few, folder / "photos")
    for number in range(PHOTOS):
        (photos / "Dog" / f"more {number}.jpg").write_bytes(jpeg(1000 + number))
    keras.utils.set_random_seed(0)
    base = source_cnn(32, 3)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooling")(base.output)
    model = keras.Model(base.input, probabilities(pooled, 2))
    classifier = load_classifier("model", save(model, folder / "model.keras", ["cat", "dog"]))
    images = np.random.default_rng(0).integers(0, 256, (ROWS, 32, 32, 3), dtype=np.uint8)
    return Work(base, classifier, few, photos, images, folder)


class Alone(NamedTuple):
    """What comes of the work on one machine."""

    few: Path
    photos: Path
    features: bytes
    answers: bytes


@pytest.fixture(scope="module")
def alone(work: Work) -> Alone:
    few, photos = work.decode(str(work.few), "few alone"), work.decode(str(work.photos), "photos alone")
    return Alone(few, photos, work.extract("features alone"), work.classify("answers alone"))


@pytest.fixture(scope="module")
def connection(alone: Alone, ray_processes: RayProcesses) -> Iterator[None]:
    cluster.connect(ray_processes.address)
    yield
    cluster.disconnect()


@pytest.fixture
def machines(connection: None, ray_processes: RayProcesses) -> RayProcesses:
    ray_processes.complete()
    return ray_processes


def same_files(folder: Path, expected: Path) -> None:
    names = sorted(path.name for path in expected.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


def after_reads(number: int, event: Callable[[], None], monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    """Lets something happen when so many files of a source have been read."""
    read, reads = source.read, count()

    def counted(entry: Any) -> Any:
        if next(reads) == number:
            event()
        return read(entry)

    monkeypatch.setattr(source, "read", counted)


def test_features_are_those_of_one_machine(machines: RayProcesses, work: Work, alone: Alone) -> None:
    assert work.extract("features") == alone.features


def test_only_a_few_items_for_each_machine_are_under_way(machines: RayProcesses) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while taken < 60:
            taken += 1
            yield taken

    results = cluster.in_order(partial(partial, operator.neg), items(), "count")
    under_way = [taken - answered for answered, result in enumerate(results, start=1) if result == -answered]
    assert len(under_way) == 60
    assert 1 < max(under_way) <= 2 * cluster.ITEMS_PER_MACHINE


def test_objects_are_read_by_the_machines(
    machines: RayProcesses, work: Work, alone: Alone, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = upload(s3, work.few)

    def forbid_reading(source: Any) -> None:  # here; the machines make a connection of their own
        monkeypatch.setattr(source._storage, "cat_file", None)

    same_files(work.decode(address, "cloud", forbid_reading), alone.few)


def test_a_machine_that_dies_while_it_decodes_loses_nothing(
    machines: RayProcesses,
    work: Work,
    alone: Alone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kill = partial(after_reads, 800, machines.kill_a_machine, monkeypatch)
    same_files(work.decode(str(work.photos), "decoded", kill), alone.photos)
    assert len(machines.machines) == 1


def test_an_inference_that_loses_a_machine_and_is_interrupted_answers_every_photo_once(
    machines: RayProcesses, work: Work, alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    def prepare(source: Source) -> None:
        after_reads(700, machines.kill_a_machine, monkeypatch, source)
        after_reads(1300, interrupt, monkeypatch, source)

    with pytest.raises(KeyboardInterrupt):
        work.classify("answers", prepare)
    [journal] = (work.folder / "answers").iterdir()
    first = journal.read_bytes()
    assert first
    assert len(first) < len(alone.answers)
    assert alone.answers.startswith(first)
    assert work.classify("answers") == alone.answers


def test_a_machine_that_dies_while_it_predicts_loses_nothing(
    machines: RayProcesses, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    model = keras.Sequential([work.base, keras.layers.GlobalAveragePooling2D()])
    alone = predictor(model, COMPUTE)
    expected = np.concatenate([alone(batch) for batch in row_batches(work.images, np.arange(ROWS))])
    rows = np.random.default_rng(1).integers(0, ROWS, 64 * 500)
    answered = []
    with caplog.at_level(logging.WARNING):
        for number, answer in enumerate(predict_batches(model, row_batches(work.images, rows), COMPUTE)):
            if number == 100:
                machines.kill_a_machine()
            answered.append(answer)
    assert "A machine of the cluster is gone" in caplog.text
    assert sum(map(len, answered)) == len(rows)
    np.testing.assert_array_equal(np.concatenate(answered), expected[rows])


def test_workers_take_no_more_memory_of_a_gpu_than_they_need(machines: RayProcesses) -> None:
    names = ["TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE"]
    assert list(cluster.in_order(partial(partial, os.getenv), names, "look")) == ["true", "false"]


def test_smaller_machines_alone_are_refused_instead_of_waited_for(
    machines: RayProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(cluster.machines()) == 2
    monkeypatch.setattr(cluster, "_task", {"CPU": 2.0, "GPU": 0.0})  # as if the run had begun on larger ones
    with pytest.raises(ClusterError, match=r"has no machine with 2 CPU \(any more\).*run again"):
        next(cluster.in_order(partial(partial, operator.neg), [1], "count"))


def test_a_connection_that_a_reloaded_module_does_not_know_is_replaced(
    machines: RayProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_address", None)  # as after %reload_kedro
    cluster.connect(machines.address)
    assert list(cluster.in_order(partial(partial, operator.neg), [1], "count")) == [-1]


def test_failures_on_the_cluster_are_one_line(machines: RayProcesses) -> None:
    with pytest.raises(ClusterError, match=r"can't divide: .*division by zero.*compute\.cluster: null"):
        list(cluster.in_order(partial(partial, operator.truediv, 1), [0], "divide"))
    with pytest.raises(SourceError, match=r"^The list /nowhere can't be read"):
        list(cluster.in_order(partial(partial, listed_paths), [Path("/nowhere")], "read lists"))


def test_a_cluster_that_is_not_there_is_said() -> None:
    with pytest.raises(
        ClusterError, match=r"no Ray cluster can be reached there.*ray start --head.*compute.cluster: null"
    ):
        cluster.connect("127.0.0.1:9")
