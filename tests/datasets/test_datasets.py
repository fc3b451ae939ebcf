"""Catalog types: the same bytes for the same content, and never a half-written file."""

import time

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog

from dogs_vs_cats.datasets import (
    FigureDataset,
    FolderDataset,
    JSONDataset,
    KerasModelDataset,
    MemoryMapDataset,
)
from dogs_vs_cats.errors import ModelFileError


def small_model(units=3):
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(7)
    image = keras.Input((4, 4, 3), name="image")
    x = keras.layers.Flatten(name="flatten")(keras.layers.Rescaling(1 / 255, name="rescale")(image))
    x = keras.layers.Dense(units, name="dense")(x)
    return keras.Model(image, keras.layers.Dense(1, activation="sigmoid", name="probability")(x))


def test_any_dataset_can_be_written_atomically(tmp_path):
    definition = {
        "type": "dogs_vs_cats.datasets.AtomicDataset",
        "filepath": str(tmp_path / "new" / "table.csv"),
        "dataset": {"type": "pandas.CSVDataset", "save_args": {"index": False}},
    }
    catalog = DataCatalog.from_config({"table": definition})
    assert not catalog.exists("table")
    catalog.save("table", pd.DataFrame({"a": [1, 2]}))
    assert (tmp_path / "new" / "table.csv").read_text() == "a\n1\n2\n"
    assert catalog.load("table")["a"].tolist() == [1, 2]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["table.csv"]


def test_equal_models_are_equal_files_at_any_time(tmp_path):
    first, second = tmp_path / "first.keras", tmp_path / "second.keras"
    KerasModelDataset(filepath=str(first)).save(small_model())
    time.sleep(2.1)  # a zip archive's times are two seconds apart
    KerasModelDataset(filepath=str(second)).save(small_model())
    assert first.read_bytes() == second.read_bytes()


def test_a_model_that_was_loaded_is_saved_as_the_same_file(tmp_path):
    import keras

    first, second = (KerasModelDataset(filepath=str(tmp_path / name)) for name in ("first.keras", "second.keras"))
    shared = keras.DTypePolicy("float32")
    layers = [keras.layers.Dense(2, dtype=shared, name=name) for name in ("one", "other")]
    first.save(keras.Sequential([keras.Input((3,)), *layers], name="two_layers"))
    second.save(first.load())
    assert (tmp_path / "first.keras").read_bytes() == (tmp_path / "second.keras").read_bytes()


def test_a_saved_model_predicts_the_same_and_has_no_optimizer(tmp_path):
    dataset = KerasModelDataset(filepath=str(tmp_path / "model.keras"))
    model = small_model()
    dataset.save(model)
    loaded = dataset.load()
    images = np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)
    assert np.array_equal(model.predict(images, verbose=0), loaded.predict(images, verbose=0))
    assert not loaded.compiled
    model.compile("adam", "mse")
    with pytest.raises(ModelFileError, match="holds no optimizer"):
        dataset.save(model)


def test_a_run_does_not_read_the_model_that_it_has_just_written(tmp_path):
    dataset = KerasModelDataset(filepath=str(tmp_path / "model.keras"))
    dataset.caches = True
    model = small_model()
    dataset.save(model)
    assert dataset.load() is model
    dataset.release()  # as Kedro does after the last node that needs it
    read = dataset.load()
    assert read is not model
    assert dataset.load() is read


def test_outside_a_run_every_load_reads_the_file(tmp_path):
    dataset = KerasModelDataset(filepath=str(tmp_path / "model.keras"))
    model = small_model()
    dataset.save(model)
    saved = model.get_weights()
    for changed in (model, dataset.load()):
        changed.set_weights([value + 1 for value in saved])
    assert all(np.array_equal(value, kept) for value, kept in zip(dataset.load().get_weights(), saved, strict=True))


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 truncated"])
def test_a_damaged_model_file_is_named(tmp_path, content):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.keras can't be loaded"):
        KerasModelDataset(filepath=str(path)).load()


def test_a_model_file_with_code_in_it_is_refused(tmp_path):
    import keras

    image = keras.Input((2,), name="image")
    model = keras.Model(image, keras.layers.Lambda(lambda x: x * 2, name="code")(image))
    path = tmp_path / "model.keras"
    model.save(path)
    with pytest.raises(ModelFileError, match="can't be loaded"):
        KerasModelDataset(filepath=str(path)).load()


def test_a_memory_map_is_linked_not_copied(tmp_path):
    source = tmp_path / "store.npy"
    np.save(source, np.arange(12, dtype=np.uint8).reshape(3, 4))
    dataset = MemoryMapDataset(filepath=str(tmp_path / "images.npy"))
    dataset.save(np.load(source, mmap_mode="r"))
    assert (tmp_path / "images.npy").samefile(source)
    loaded = dataset.load()
    assert isinstance(loaded, np.memmap)
    assert loaded.tolist() == np.arange(12).reshape(3, 4).tolist()
    with pytest.raises(ValueError, match="read-only"):
        loaded[0] = 1


def test_json_is_plain_and_refuses_what_json_lacks(tmp_path):
    dataset = JSONDataset(filepath=str(tmp_path / "metrics.json"))
    dataset.save({"b": 1, "a": "ä"})
    assert (tmp_path / "metrics.json").read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": "ä"\n}\n'
    with pytest.raises(Exception, match="JSON compliant"):
        dataset.save({"loss": float("nan")})
    assert dataset.load() == {"b": 1, "a": "ä"}


def test_optional_json_has_its_default(tmp_path):
    dataset = JSONDataset(filepath=str(tmp_path / "timings.json"), default={"seconds": []})
    dataset.load()["seconds"].append(1)  # is no business of the next node
    assert dataset.load() == {"seconds": []}
    with pytest.raises(Exception, match=r"timings\.json"):
        JSONDataset(filepath=str(tmp_path / "timings.json")).load()


def test_equal_figures_are_equal_files(tmp_path):
    from matplotlib.figure import Figure

    for name in ("first.png", "second.png"):
        figure = Figure()
        figure.subplots().plot([1, 3, 2])
        FigureDataset(filepath=str(tmp_path / name)).save(figure)
    first = FigureDataset(filepath=str(tmp_path / "first.png")).load()
    assert first == (tmp_path / "second.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert b"matplotlib" not in first.lower()


def test_a_working_folder_is_made_when_it_is_used(tmp_path):
    folder = FolderDataset(filepath=str(tmp_path / "a" / "store")).load()
    assert folder.is_dir()
