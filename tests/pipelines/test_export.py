"""The export of a trained model: files that are checked, and a table that says how well they answer."""

import shutil

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.datasets import ExportedFilesDataset
from dogs_vs_cats.errors import ExportError, StaleInputError
from dogs_vs_cats.inference.classifiers import Classifier
from dogs_vs_cats.parameters.export import ExportParameters
from dogs_vs_cats.pipelines.export.nodes import check_files, finish, write_files
from dogs_vs_cats.storage.file_hash import md5
from tests.conftest import kedro
from tests.training.test_training import COMPUTE

for package in ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"):
    pytest.importorskip(package, reason="exporting needs it: make dev")

CLASSES = ["cat", "dog"]
MANIFEST = pd.DataFrame({"split": ["train"] * 4 + ["test"] * 10, "label": [0, 1] * 7})
RECORD = {"class_names": CLASSES, "identity": "these"}
ONNX = ExportParameters(approach=None, formats=["onnx"], quantise="none", tolerance=0.5)


def classifier(weight, name="small", classes=CLASSES, data="these"):
    """Says dog (1) for a positive weight, since no pixel is negative, else cat (0)."""
    import keras
    from keras import initializers, layers

    image = keras.Input((8, 8, 3), name="image")
    mean = layers.GlobalAveragePooling2D(name="mean")(image)
    weights = initializers.Constant(weight)
    answer = layers.Dense(1, activation="sigmoid", kernel_initializer=weights, name="answer")(mean)
    return Classifier(name, None, keras.Model(image, answer), classes, 8, 3, "", None, "stretch", None, data)


@pytest.fixture
def images(tmp_path):
    """Memory map of 14 images."""
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(1, 256, (14, 8, 8, 3), np.uint8))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


def write(model, images, folder):
    folder.mkdir()
    return write_files(ONNX, model, images, MANIFEST, RECORD, 0, folder)


def test_a_file_that_answers_otherwise_is_refused_and_an_earlier_one_removed(images, tmp_path):
    written = write(classifier(-0.01), images, tmp_path / "work")
    exported = ExportedFilesDataset(filepath=str(tmp_path / "export"))
    right, _ = check_files(ONNX, written, classifier(-0.01), images, MANIFEST, COMPUTE)
    exported.save(right)
    assert list(exported.load()) == ["small.onnx"]

    wrong, table = check_files(ONNX, written, classifier(0.01), images, MANIFEST, COMPUTE)
    exported.save(wrong)

    assert table["changed_answers"].tolist() == [10]
    assert exported.load() == {}
    with pytest.raises(
        ExportError, match=r"Not kept: small\.onnx: 10 of 10 answers changed \(export\.tolerance is 0\.5\)"
    ):
        finish(ONNX, table, exported.load(), tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_runtime_that_refuses_a_file_loses_no_other(images, tmp_path):
    written = write(classifier(0.01), images, tmp_path / "work")
    (tmp_path / "damaged.onnx").write_bytes(b"no model")

    kept, table = check_files(
        ONNX, {"damaged.onnx": tmp_path / "damaged.onnx", **written}, classifier(0.01), images, MANIFEST, COMPUTE
    )

    assert kept == {"damaged.onnx": None, **written}
    assert "can't be opened" in table["refused"][0]
    assert pd.isna(table["refused"][1])


def test_names_from_mlflow_and_paths_become_file_names(images, tmp_path):
    names = ["models:/dogs-vs-cats/3", "elsewhere/cats-v1.2.keras", "naive_cnn"]

    written = [write(classifier(0.01, name), images, tmp_path / str(number)) for number, name in enumerate(names)]

    assert [list(files) for files in written] == [
        ["models-dogs-vs-cats-3.onnx"],
        ["elsewhere-cats-v1-2.onnx"],
        ["naive_cnn.onnx"],
    ]


def test_a_model_of_other_images_or_classes_is_refused(images, tmp_path):
    with pytest.raises(StaleInputError, match="other images or another split"):
        write(classifier(0.01, data="those"), images, tmp_path / "images")
    with pytest.raises(StaleInputError, match="has the classes dog, cat"):
        write(classifier(0.01, classes=["dog", "cat"]), images, tmp_path / "classes")


@pytest.mark.medium
def test_export_writes_and_checks_a_trained_model(finished_project, tmp_path):
    project = shutil.copytree(finished_project, tmp_path / "project")

    exported = kedro(project, "run", "--env=test", "--pipelines=export", "--params=export.approach=naive_cnn")

    assert "The files: data/06_models/test/export" in exported.stdout
    folder = project / "data" / "06_models" / "test" / "export"
    assert {path.name for path in folder.iterdir()} == {"naive_cnn.onnx", "naive_cnn.tflite", "naive_cnn_saved_model"}
    table = pd.read_csv(project / "data" / "08_reporting" / "test" / "export.csv")
    assert table["changed_answers"].tolist() == [0, 0, 0]
    assert (table["largest_difference"] < 1e-4).all()
    assert table["refused"].isna().all()
    assert table["accuracy"].tolist() == table["keras_accuracy"].tolist()
    assert set(table["model_md5"]) == {md5(project / "data" / "06_models" / "test" / "naive_cnn.keras")}
