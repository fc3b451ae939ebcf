"""Inference: every file gets one answer, the right one, however often the work is interrupted."""

import base64
import csv
import io
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog
from PIL import Image

from dogs_vs_cats.datasets import JSONDataset, KerasModelDataset
from dogs_vs_cats.errors import ModelFileError, ParameterError, SourceError
from dogs_vs_cats.images.decoding.resizing import BAR
from dogs_vs_cats.inference.classifiers import find_model, load_classifier
from dogs_vs_cats.inference.journal import Journal
from dogs_vs_cats.parameters.inference import InferenceParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.pipelines.inference import nodes
from dogs_vs_cats.storage.file_hash import md5
from tests.conftest import PROJECT, copy_project, kedro
from tests.parameters.test_parameters import parameters as environment_parameters
from tests.training.test_training import COMPUTE

INGESTION = IngestionParameters.model_validate({**environment_parameters()["ingestion"], "image_size": 32})


def small_model(classes=2, size=32):
    import keras
    from keras import layers

    from dogs_vs_cats.models.output_layers import probabilities

    keras.utils.clear_session()
    keras.utils.set_random_seed(classes)
    image = keras.Input((size, size, 3), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="convolution")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(image, probabilities(x, classes), name="small")


def save(model, path, classes):
    KerasModelDataset(filepath=str(path)).save(model)
    path.with_suffix(".json").write_text(json.dumps({"classes": classes}))
    return path


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return save(small_model(), tmp_path_factory.mktemp("model") / "small.keras", ["cat", "dog"])


@pytest.fixture
def classifier(model_file):
    return load_classifier("small", model_file)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Ten pictures of noise of different brightness, and three files that are none."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(1)
    for number in range(1, 11):
        pixels = random.integers(0, 25 * number, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "11.jpg").write_bytes(b"")
    (folder / "12.jpg").write_text("no picture")
    (folder / "13.png").write_bytes((folder / "1.png").read_bytes()[:900])
    return folder


def settings(source, **changes):
    values = {"source": str(source), "model": None, "format": "csv", "unsure_below": None}
    return InferenceParameters.model_validate({**values, **changes})


def classify(source, classifier, folder, reading=INGESTION, **changes):
    result, journal = nodes.classify(settings(source, **changes), reading, COMPUTE, classifier, folder)
    ((name, table),) = result.items()
    file = folder / f"{name}.csv"
    table.to_csv(file, index=False)
    return pd.read_csv(file, keep_default_na=False, dtype=str), journal


def test_every_file_has_a_row_in_natural_order_with_an_answer_or_a_reason(photos, classifier, tmp_path):
    table, _ = classify(photos, classifier, tmp_path)
    assert list(table.columns) == ["path", "probability_dog", "predicted", "unsure", "out_of_distribution", "reason"]
    assert table["path"].tolist() == [*(f"{n}.png" for n in range(1, 11)), "11.jpg", "12.jpg", "13.png"]
    read = table[:10]
    assert (read["predicted"] == np.where(read["probability_dog"].astype(float) > 0.5, "dog", "cat")).all()
    assert set(read["reason"]) == {""}
    assert set(table["probability_dog"][10:]) == {""}
    assert table["reason"][10] == "empty file"
    assert table["reason"][11].startswith("not an image")
    assert table["reason"][12].startswith("truncated")


def test_a_prediction_depends_on_neither_its_neighbours_nor_the_kind_of_source(photos, classifier, tmp_path, s3):
    together, _ = classify(photos, classifier, tmp_path)
    alone, _ = classify(photos / "7.png", classifier, tmp_path)
    assert alone["probability_dog"].tolist() == [together["probability_dog"][6]]
    listed = tmp_path / "list.txt"
    listed.write_text(f"{photos / '9.png'}\n{photos / '2.png'}\n{photos / 'gone.png'}\n")
    answers, _ = classify(listed, classifier, tmp_path)
    assert answers["probability_dog"].tolist() == [together["probability_dog"][8], together["probability_dog"][1], ""]
    assert answers["reason"][2].startswith("can't be read")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(photos.iterdir()):
            archive.write(path, f"inside/{path.name}")
    zipped, _ = classify(tmp_path / "photos.zip", classifier, tmp_path)
    assert zipped["probability_dog"].tolist() == together["probability_dog"].tolist()
    for path in photos.iterdir():
        s3.upload_file(str(path), "bucket", f"new/{path.name}")
    stored, _ = classify("s3://bucket/new", classifier, tmp_path)
    assert stored.equals(together)


def test_a_sixteen_bit_file_is_read_at_the_depth_of_the_training_images(model_file, tmp_path):
    photo = np.random.default_rng(5).integers(0, 256, (32, 32), dtype=np.uint8)
    for name, pixels in (("8 bits", photo), ("12 bits", photo.astype(np.uint16) << 4)):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "scan.png")
    shutil.copy(model_file, tmp_path / "deep.keras")
    (tmp_path / "deep.json").write_text(json.dumps({"classes": ["cat", "dog"], "bit_depth": 12}))
    ordinary = load_classifier("small", model_file)
    wanted, _ = classify(tmp_path / "8 bits", ordinary, tmp_path)
    found, _ = classify(tmp_path / "12 bits", load_classifier("deep", tmp_path / "deep.keras"), tmp_path)
    assert found["probability_dog"].tolist() == wanted["probability_dog"].tolist() != [""]
    (tmp_path / "deep.json").write_text(json.dumps({"classes": ["cat", "dog"], "bit_depth": "12"}))
    with pytest.raises(ModelFileError, match=r"deep\.json, bit_depth: input should be a valid integer; given was '12'"):
        load_classifier("deep", tmp_path / "deep.keras")
    unknown, _ = classify(tmp_path / "12 bits", ordinary, tmp_path)
    assert unknown["reason"].tolist() == [
        "16-bit pixels that use only 12 bits: it isn't known whether white is 4095 or 65535. "
        "Set ingestion.bit_depth to 12 or 16"
    ]
    reading = INGESTION.model_copy(update={"bit_depth": 12})
    found, _ = classify(tmp_path / "12 bits", ordinary, tmp_path, reading)
    assert found["probability_dog"].tolist() == wanted["probability_dog"].tolist()


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_photo_becomes_a_square_as_the_training_images_did(model_file, tmp_path, fit):
    picture = np.random.default_rng(6).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    square = picture[:, 16:48] if fit == "crop" else np.pad(picture, [(16, 16), (0, 0), (0, 0)], constant_values=BAR)
    for name, pixels in (("wide", picture), ("square", square)):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "photo.png")
    shutil.copy(model_file, tmp_path / "fitted.keras")
    (tmp_path / "fitted.json").write_text(json.dumps({"classes": ["cat", "dog"], "fit": fit}))
    usual, fitted = load_classifier("small", model_file), load_classifier("fitted", tmp_path / "fitted.keras")
    wanted, _ = classify(tmp_path / "square", usual, tmp_path)
    found, _ = classify(tmp_path / "wide", fitted, tmp_path)
    assert found["probability_dog"].tolist() == wanted["probability_dog"].tolist()
    # A model whose record says nothing was trained on stretched images, whatever the parameters say now.
    stretched, _ = classify(tmp_path / "wide", usual, tmp_path)
    other, _ = classify(tmp_path / "wide", usual, tmp_path, INGESTION.model_copy(update={"fit": fit}))
    assert other["probability_dog"].tolist() == stretched["probability_dog"].tolist()
    assert stretched["probability_dog"].tolist() != wanted["probability_dog"].tolist()


def noise_and_stripes(folder):
    """60 pictures of noise in each of three folders, and 60 of stripes in one."""
    random = np.random.default_rng(8)
    for name in ("train", "test", "new", "stripes"):
        (folder / name).mkdir()
        for number in range(60):
            shape = (32, 1, 1) if name == "stripes" else (32, 32, 3)
            pixels = np.broadcast_to(random.integers(0, 256, shape, np.uint8), (32, 32, 3))
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_new_photos_are_compared_with_the_test_photos(model_file, tmp_path):
    from dogs_vs_cats.evaluation.drift import Sample
    from dogs_vs_cats.evaluation.out_of_distribution import fit, with_features

    folder = noise_and_stripes(tmp_path)
    pixels = {
        name: np.stack([np.asarray(Image.open(path)) for path in sorted((folder / name).iterdir())])
        for name in ("train", "test")
    }
    both = {name: with_features(small_model()).predict_on_batch(of) for name, of in pixels.items()}
    known = fit(both["train"][:, 1:], np.arange(60) % 2, both["test"][:, 1:])
    dog = both["test"][:, :1].astype(np.float64)
    tested = Sample.of(np.hstack([1 - dog, dog]), known.distances(both["test"][:, 1:]) > known.threshold)
    model = Path(shutil.copy(model_file, tmp_path / "known.keras"))
    shutil.copy(model_file.with_suffix(".json"), tmp_path / "known.json")
    np.savez(tmp_path / "known.npz", **known.arrays(), **tested.arrays())
    classifier = load_classifier("known", model)

    found = {}
    for name in ("new", "stripes"):
        _, journal = classify(folder / name, classifier, tmp_path)
        found[name] = nodes.judge_drift(settings(folder / name), classifier, journal)
        JSONDataset(filepath=str(tmp_path / f"{name}.json")).save(found[name])

    assert found["new"]["verdict"].startswith("No difference from the test photos was found in these 60 photos")
    assert found["stripes"]["verdict"].startswith("These 60 photos don't look like the training photos: 100.0% (94.0–")
    assert found["new"].keys() == {
        *("source", "model", "model_md5", "verdict", "photos", "test_photos", "test_groups", "drift", "p_values"),
        *("out_of_distribution", "confidence", "classes"),
    }
    assert found["new"]["source"] == str(folder / "new")
    assert found["new"]["model_md5"] == md5(model)
    assert found["new"]["test_photos"] == 60


def test_the_photos_of_a_model_without_stored_answers_and_few_photos_are_not_judged(photos, classifier, tmp_path):
    _, journal = classify(photos, classifier, tmp_path)
    asked = settings("https://me:hidden@host/photos.zip")
    few = nodes.judge_drift(asked, classifier, journal)
    assert few["source"] == "https://host/photos.zip"
    assert few["verdict"] == "It takes 30 photos to say whether they look like the training photos; there are 10."
    journal.append(list(journal)[:10] * 3)
    unknown = nodes.judge_drift(asked, classifier, journal)
    assert unknown["verdict"].startswith("These 40 photos can't be compared with the test photos: the model has no")
    assert (unknown["drift"], unknown["out_of_distribution"]) == (None, None)


def test_the_page_answers_for_the_square_that_the_model_sees(model_file, tmp_path):
    from dogs_vs_cats.app.answers import Expert, answer_photo

    picture = np.random.default_rng(7).integers(0, 256, (32, 96, 3), dtype=np.uint8)
    shutil.copy(model_file, tmp_path / "fitted.keras")
    (tmp_path / "fitted.json").write_text(json.dumps({"classes": ["cat", "dog"], "fit": "crop"}))
    expert = Expert(load_classifier("fitted", tmp_path / "fitted.keras"), COMPUTE, INGESTION)
    photos = []
    for pixels in (picture, picture[:, 32:64]):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        photos.append(answer_photo("photo.png", buffer.getvalue(), [expert]))
    wide, square = photos
    assert wide.answers[0].probabilities == square.answers[0].probabilities
    sizes = [
        Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).size
        for address in (wide.picture, wide.answers[0].picture)
    ]
    assert sizes == [(360, 120), (360, 360)]


def test_answers_equal_those_of_the_evaluation(shared, tmp_path):
    from dogs_vs_cats.evaluation.predictions import predictions_table
    from dogs_vs_cats.inference.prediction import predict
    from dogs_vs_cats.pipelines.data_ingestion.nodes import read_images

    with zipfile.ZipFile(shared / "data/kaggle-train-original-size-400.zip") as archive:
        for name in [name for name in archive.namelist() if name.endswith(".jpg")][::5]:
            archive.extract(name, tmp_path / "photos")
    source = tmp_path / "photos"
    reading = INGESTION.model_copy(update={"source": str(source)})
    images, usable, _, class_names, _ = read_images(reading, 0, tmp_path / "store")
    classifier = load_classifier("small", save(small_model(), tmp_path / "m.keras", class_names))
    rows = np.arange(len(images))
    evaluated = predictions_table(
        usable.assign(split="test"), predict(classifier.model, images, rows, COMPUTE), class_names
    )
    table, _ = classify(source, classifier, tmp_path)
    assert table["path"].tolist() == evaluated["path"].tolist()
    served = table["probability_dog"].astype(float).to_numpy()
    np.testing.assert_allclose(served, evaluated["probability_dog"].to_numpy(), rtol=0, atol=1e-6)
    assert np.ptp(served) > 0.01


def test_more_classes_have_a_column_each(photos, tmp_path):
    names = ["bird", "cat", "dog"]
    classifier = load_classifier("three", save(small_model(3), tmp_path / "three.keras", names))
    table, _ = classify(photos, classifier, tmp_path)
    columns = [f"probability_{name}" for name in names]
    assert list(table.columns) == ["path", *columns, "predicted", "unsure", "out_of_distribution", "reason"]
    values = table[columns][:10].astype(float).to_numpy()
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-6)
    assert table["predicted"][:10].tolist() == [names[label] for label in values.argmax(axis=1)]


def test_predictions_below_the_threshold_are_marked_as_unsure(photos, classifier, tmp_path):
    sure, _ = classify(photos, classifier, tmp_path)
    assert set(sure["unsure"][:10]) == {"false"}
    confidence = sure["probability_dog"][:10].astype(float).map(lambda p: max(p, 1 - p))
    limit = float(confidence.median())
    table, _ = classify(photos, classifier, tmp_path, unsure_below=limit)
    assert table["unsure"][:10].tolist() == [str(value < limit).lower() for value in confidence]


def copy_of(model_file, folder, classes):
    """The same model, with other names for its classes."""
    shutil.copy(model_file, folder / "copy.keras")
    (folder / "copy.json").write_text(json.dumps({"classes": classes}))
    return load_classifier("copy", folder / "copy.keras")


def kaggle_folder(photos, folder, names):
    folder.mkdir(parents=True)
    for name, photo in zip(names, itertools.cycle(sorted(photos.glob("?.png"))), strict=False):
        shutil.copy(photo, folder / name)
    return folder


def test_a_submission_has_every_id_once_in_the_order_of_ids(photos, classifier, tmp_path):
    folder = kaggle_folder(photos, tmp_path / "test1", ["10.jpg", "9.jpg", "100.jpg", "2.jpg"])
    (folder / "33.jpg").write_text("no picture")
    submission, _ = classify(folder, classifier, tmp_path, format="kaggle")
    assert list(submission.columns) == ["id", "label"]
    assert submission["id"].tolist() == ["2", "9", "10", "33", "100"]
    table, _ = classify(folder, classifier, tmp_path)
    by_id = dict(zip(table["path"], table["probability_dog"], strict=True))
    assert submission["label"].tolist() == [by_id["2.jpg"], by_id["9.jpg"], by_id["10.jpg"], "0.5", by_id["100.jpg"]]


def test_a_submission_gives_the_dogs_probability_also_where_dog_is_class_0(photos, classifier, model_file, tmp_path):
    folder = kaggle_folder(photos, tmp_path / "test1", ["1.jpg", "2.jpg"])
    straight, _ = classify(folder, classifier, tmp_path, format="kaggle")
    turned, _ = classify(folder, copy_of(model_file, tmp_path, ["dog", "cat"]), tmp_path, format="kaggle")
    np.testing.assert_allclose(straight["label"].astype(float), 1 - turned["label"].astype(float), atol=1e-12)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["1.jpg", "cat.0.jpg"], r"not so cat\.0\.jpg\."), (["1.jpg", "2.jpg", "01.jpg"], r"not so 0?1\.jpg, 0?1\.jpg\.")],
)
def test_names_that_are_no_ids_are_refused_before_anything_is_predicted(photos, classifier, tmp_path, names, message):
    folder = kaggle_folder(photos, tmp_path / "test1", names)
    with pytest.raises(SourceError, match=message):
        classify(folder, classifier, tmp_path, format="kaggle")
    assert not list(tmp_path.glob("*.jsonl"))


def test_a_submission_needs_dogs(photos, model_file, tmp_path):
    other = copy_of(model_file, tmp_path, ["bus", "car"])
    with pytest.raises(ParameterError, match="bus, car"):
        classify(photos, other, tmp_path, format="kaggle")


def test_no_source_and_an_empty_source_are_refused_in_one_line(classifier, tmp_path):
    with pytest.raises(ParameterError, match=r"inference\.source is missing"):
        nodes.classify(settings("x").model_copy(update={"source": None}), INGESTION, COMPUTE, classifier, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no images"):
        classify(tmp_path / "empty", classifier, tmp_path)


# --- interruptions -----------------------------------------------------------------------------------------------


def many_files(photos, folder, count):
    """Hard links to one picture: many files at the price of one."""
    folder.mkdir()
    for number in range(count):
        os.link(photos / f"{number % 13 + 1}.{'jpg' if number % 13 in (10, 11) else 'png'}", folder / f"{number}.png")
    return folder


def test_a_killed_inference_goes_on_and_answers_every_file_once(photos, classifier, model_file, tmp_path, caplog):
    folder = many_files(photos, tmp_path / "many", 4000)
    undisturbed, journal = classify(folder, classifier, tmp_path)
    assert len(undisturbed) == 4000
    nodes.forget_journal(journal, {})
    journals = tmp_path / "journals"
    journals.mkdir()
    script = (
        "import sys; from pathlib import Path; from tests.pipelines import test_inference as t\n"
        "folder, model, journals = map(Path, sys.argv[1:])\n"
        "model = t.load_classifier('small', model)\n"
        "t.nodes.classify(t.settings(folder), t.INGESTION, t.COMPUTE, model, journals)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), str(model_file), str(journals)],
        env={**os.environ, "PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{PROJECT}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not any(path.stat().st_size for path in journals.iterdir()):
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (path,) = journals.iterdir()
    done = path.read_bytes().count(b"\n")
    assert 0 < done < 4000
    with caplog.at_level("INFO"):
        resumed, journal = classify(folder, classifier, journals)
    assert f"{done} of 4000 files are classified already" in caplog.text
    assert journal.count == 4000
    pd.testing.assert_frame_equal(resumed, undisturbed)


def test_half_a_line_is_cut_off_and_its_file_classified_again(photos, classifier, tmp_path):
    whole, journal = classify(photos, classifier, tmp_path)
    (path,) = tmp_path.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]) + lines[5][:-3])
    assert Journal(path).count == 5
    again, _ = classify(photos, classifier, tmp_path)
    pd.testing.assert_frame_equal(again, whole)
    nodes.forget_journal(journal, {})
    assert not path.exists()


def test_another_source_model_or_setting_starts_afresh(photos, classifier, tmp_path):
    folder = tmp_path / "changing"
    shutil.copytree(photos, folder)
    classify(folder, classifier, tmp_path)
    strict, _ = classify(folder, classifier, tmp_path, unsure_below=1)  # only what is written differs
    assert set(strict["unsure"][:10]) == {"true"}
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    shutil.copy(photos / "1.png", folder / "14.png")
    table, _ = classify(folder, classifier, tmp_path)
    assert len(table) == 14
    other = load_classifier("other", save(small_model(), tmp_path / "other.keras", ["cat", "dog"]))
    assert other.digest == classifier.digest  # equal models are equal files
    wrong = small_model()
    wrong.layers[-1].set_weights([weight * 2 for weight in wrong.layers[-1].get_weights()])
    classify(folder, load_classifier("wrong", save(wrong, tmp_path / "wrong.keras", ["cat", "dog"])), tmp_path)
    assert len(list(tmp_path.glob("*.jsonl"))) == 3


# --- which model -------------------------------------------------------------------------------------------------


def catalog_of(folder, losses):
    datasets = {}
    for name, loss in losses.items():
        datasets[f"{name}.model"] = KerasModelDataset(filepath=str(folder / f"{name}.keras"))
        datasets[f"{name}.metrics"] = JSONDataset(filepath=str(folder / f"{name}.metrics.json"))
        if loss is not None:
            (folder / f"{name}.keras").touch()
            datasets[f"{name}.metrics"].save({"validation": {"log_loss": loss}})
    return DataCatalog(datasets)


def test_the_best_by_validation_log_loss_is_the_default(tmp_path, caplog):
    losses = {"naive_cnn": 0.6, "transfer_end_to_end": 0.2, "transfer_bottleneck": None}
    catalog = catalog_of(tmp_path, losses)
    with caplog.at_level("INFO"):
        assert find_model(None, catalog, list(losses), "m") == (
            "transfer_end_to_end",
            tmp_path / "transfer_end_to_end.keras",
        )
    assert (
        "transfer_end_to_end, the best by validation log loss (naive_cnn 0.6000, transfer_end_to_end 0.2000)"
    ) in caplog.text
    for name, recall in (("naive_cnn", 0.9), ("transfer_end_to_end", 0.8)):
        validation = {"log_loss": losses[name], "balanced_accuracy": recall}
        catalog[f"{name}.metrics"].save({"validation": validation})
    assert find_model(None, catalog, list(losses), "m", "balanced_accuracy")[0] == "naive_cnn"
    assert find_model("naive_cnn", catalog, list(losses), "m")[1] == tmp_path / "naive_cnn.keras"
    (tmp_path / "a.keras").touch()
    assert find_model(str(tmp_path / "a.keras"), catalog, list(losses), "m")[1] == tmp_path / "a.keras"


def test_a_model_that_is_not_there_is_refused_with_what_there_is(tmp_path):
    catalog = catalog_of(tmp_path, {"naive_cnn": None})
    with pytest.raises(ModelFileError, match="trained and evaluated yet"):
        find_model(None, catalog, ["naive_cnn"], "m")
    with pytest.raises(ModelFileError, match="naive_cnn has not been trained"):
        find_model("naive_cnn", catalog, ["naive_cnn"], "m")
    with pytest.raises(ParameterError, match=r"'naive'.*naive_cnn.*champion"):
        find_model("naive", catalog, ["naive_cnn"], "m")
    with pytest.raises(ParameterError, match="registered_model is null"):
        find_model("champion", catalog, ["naive_cnn"], None)


def test_a_file_that_is_no_classifier_is_refused(tmp_path):
    import keras

    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(ModelFileError, match="can't be loaded as a Keras model: it is empty, damaged, or in another"):
        load_classifier("text", tmp_path / "text.keras")
    vector = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    KerasModelDataset(filepath=str(tmp_path / "vector.keras")).save(vector)
    with pytest.raises(ModelFileError, match="square images"):
        load_classifier("vector", tmp_path / "vector.keras")
    KerasModelDataset(filepath=str(tmp_path / "small.keras")).save(small_model())
    with pytest.raises(ModelFileError, match=r"has 2 classes, .*small\.json can't be read \(No such file"):
        load_classifier("small", tmp_path / "small.keras")
    (tmp_path / "small.json").write_text('{"classes": ["bird", "cat", "dog"]}')
    with pytest.raises(ModelFileError, match=r"has 2 classes, .*small\.json names 3 classes \(bird, cat, dog\)"):
        load_classifier("small", tmp_path / "small.keras")
    (tmp_path / "small.json").write_text('{"classes": ["hen", "owl"]}')
    found = load_classifier("small", tmp_path / "small.keras")
    assert found.classes == ["hen", "owl"]
    assert found.experiment is None


def test_a_path_that_is_no_model_file_is_refused_with_the_reason(tmp_path, monkeypatch):
    import keras

    catalog = catalog_of(tmp_path, {"naive_cnn": None})

    def refusal(path):
        with pytest.raises((ModelFileError, ParameterError)) as refused:
            find_model(str(path), catalog, ["naive_cnn"], "m")
        return refused.value.message

    model = small_model()
    model.save(tmp_path / "own.h5")
    message = refusal(tmp_path / "own.h5")
    assert message.startswith(f"{tmp_path}/own.h5 is no .keras file. ")
    subprocess.run(shlex.split(message[message.index("python -c") :].replace("python", sys.executable, 1)), check=True)
    pixels = np.full((1, 32, 32, 3), 90, np.uint8)
    converted = keras.models.load_model(tmp_path / "own.keras").predict_on_batch(pixels)
    np.testing.assert_array_equal(converted, model.predict_on_batch(pixels))
    for path in (tmp_path, tmp_path / "gone.keras", "gone.h5", "~nobody-here/gone.keras"):
        message = refusal(path)
        assert message.startswith(f"There is no model '{path}'. Allowed are ")
        assert message.endswith(f"/{Path(path).name} isn't.")


# --- the whole command -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kaggles_test_photos_become_a_submission(finished_project, shared, tmp_path):
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    source = shared / "data/kaggle-test1-200.zip"
    result = kedro(
        project,
        "run",
        "--env=test",
        "--pipelines=inference",
        f"--params=inference.source={source},inference.format=kaggle",
    )
    assert "the best by validation log loss" in result.stdout
    output = project / "data/07_model_output/test"
    assert "data/07_model_output/test/submission.csv" in result.stdout.strip().splitlines()[-1]
    with (output / "submission.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id", "label"]
    ids = [int(row[0]) for row in rows[1:]]
    assert len(ids) == 200
    assert ids == sorted(ids)
    assert all(0 <= float(row[1]) <= 1 for row in rows[1:])
    assert not list((output / ".inference").iterdir())
    summary = json.loads((output / "inference.json").read_text())
    assert (summary["photos"], summary["drift"]) == (200, None)
    assert summary["source"] == str(source)
    assert "the model has 16 test photos; 30 are needed" in summary["verdict"]
    assert "the model has 16 test photos; 30 are needed" in " ".join(result.stdout.split())


@pytest.mark.slow
def test_the_champion_of_the_registry_answers_like_the_same_model_on_disk(finished_project, photos, tmp_path):
    project = copy_project(tmp_path / "project")
    shutil.copytree(finished_project / "data", project / "data", dirs_exist_ok=True)
    # The runs of the training are found by the hashes of the models.
    shutil.copy(finished_project / "mlflow.db", project)
    registered = "tracking.enabled=true,tracking.registered_model=photos"
    output = kedro(project, "run", "--env=test", "--pipelines=comparison", f"--params={registered}").stdout
    assert "is the first champion" in " ".join(output.split())
    tables = {}
    for model in ("null", "champion"):
        given = f"--params={registered},inference.source={photos},inference.model={model}"
        inferred = kedro(project, "run", "--env=test", "--pipelines=inference", given).stdout
        assert "(experiment test)" in " ".join(inferred.split())
        tables[model] = pd.read_csv(project / "data/07_model_output/test/inference.csv")
    assert tables["null"]["out_of_distribution"][:10].notna().all()
    pd.testing.assert_frame_equal(tables["champion"], tables["null"])
