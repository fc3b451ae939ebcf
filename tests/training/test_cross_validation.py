"""Cross-validation trains for real: each fold without its test images, and unseen by tracking."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.evaluation import cross_validation
from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.pipelines.approach import folds
from dogs_vs_cats.pipelines.approach.corrections import measure_corrections
from dogs_vs_cats.training import events
from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs
from tests.approaches.test_approaches import BOTTLENECK
from tests.training.test_training import BASE_RECORD, CLASSES, RECORD, inputs

FEATURES_RECORD = {"pooling": "avg", "base_weights": "none"}


@pytest.fixture(scope="module", autouse=True)
def one_repeat() -> Iterator[None]:
    """The folds of one repeat show all there is to see, in a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_validation, "REPEATS", 1)
        yield


@pytest.fixture(scope="module")
def given() -> TrainingInputs:
    """Forty images in use whose features tell their class, and one that is unused."""
    import keras

    from dogs_vs_cats.models.backbones import source_cnn
    from dogs_vs_cats.models.frozen_base import weights_hash

    random = np.random.default_rng(0)
    splits = ["train"] * 26 + ["validation"] * 8 + ["test"] * 6 + ["unused"]
    labels = [number % 2 for number in range(41)]
    columns = {"path": [f"{i}.png" for i in range(41)], "label": labels, "split": splits, "group": range(41)}
    keras.utils.clear_session()
    keras.utils.set_random_seed(5)
    base = source_cnn(32, 3)
    features = random.normal(size=(40, base.output_shape[-1])).astype(np.float32)
    features[1::2] += 2
    data = LabelledImages(
        np.zeros((41, 32, 32, 3), np.uint8),
        pd.DataFrame(columns),
        CLASSES,
        {**RECORD, "folds": 2, "parameters": {"folds": "auto"}},
        base,
        BASE_RECORD,
        features,
        {**FEATURES_RECORD, "base_weights": weights_hash(base.weights)},
    )
    values = {**BOTTLENECK, "pooling": "avg", "dense_units": 8, "epochs": 4, "learning_rate": 0.05}
    return inputs("transfer_bottleneck", values, data, calibrate=True)


@pytest.fixture(scope="module")
def saved(given: TrainingInputs) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The saved model's predictions, all of them 0.25, and its metrics."""
    rows = given.data.manifest[given.data.in_use]
    predictions = predictions_table(rows, np.full((len(rows), 1), 0.25), CLASSES)
    metrics = {
        **classification_metrics(predictions, CLASSES),
        "epochs": 2,
        "calibration": {"temperature": 2.0, "in_model": True, "validation": {}, "test": {}},
        "seeds": {"seeds": [0, 1], "runs": {"0": {"test_accuracy": 1.0, "validation_accuracy": 1.0}},
                  "mean": {"test_accuracy": 1.0}, "std": {"test_accuracy": 0.0},
                  "mean_low": {"test_accuracy": 1.0, "validation_accuracy": 0.9},
                  "mean_high": {"test_accuracy": 1.0, "validation_accuracy": 0.9}},
    }  # fmt: skip
    return predictions, metrics


class Evaluated(NamedTuple):
    """The results of a cross-validation, and what others notice of it: the events of training, and the log."""

    predictions: pd.DataFrame
    metrics: dict[str, Any]
    events: list[events.Event]
    log: list[tuple[str, str]]


@pytest.fixture(scope="module")
def evaluated(given: TrainingInputs, saved: tuple[pd.DataFrame, dict[str, Any]]) -> Evaluated:
    seen: list[events.Event] = []
    log: list[tuple[str, str]] = []
    handler = logging.Handler()
    handler.emit = lambda record: log.append((record.name, record.getMessage()))  # type: ignore[method-assign]
    logger = logging.getLogger("dogs_vs_cats")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    events.subscribe(seen.append)
    try:
        results = folds.evaluate_folds(given, *saved)
        assert seen == []
        events.publish(events.EpochEnd("another", 0, 1, {}))
        logging.getLogger("dogs_vs_cats.training.loop").info("another")
    finally:
        events.unsubscribe(seen.append)
        logger.removeHandler(handler)
        logger.setLevel(level)
    return Evaluated(*results, seen, log)


def test_every_image_in_use_is_predicted_once_by_models_that_learned(evaluated: Evaluated) -> None:
    table = evaluated.predictions.query("split == 'test'")
    assert table["path"].nunique() == len(table) == 40
    assert (table["label"] == table["predicted"]).mean() > 0.8


def test_the_answer_of_a_fold_does_not_depend_on_the_labels_of_its_images(
    given: TrainingInputs, evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = given.data.manifest
    (first, *_) = cross_validation.divide(manifest, 2, given.seed)
    labels = manifest["label"].where(first.splits != "test", 0)  # all cats
    blind = replace(given, data=replace(given.data, manifest=manifest.assign(label=labels)))
    monkeypatch.setattr(folds, "divide", lambda *_: [first])
    answers = folds.predict_folds(blind)
    assert set(answers["label"]) == {0}
    seen = evaluated.predictions.query("split == 'test'").set_index("path")
    assert answers["probability_dog"].tolist() == seen.loc[answers["path"], "probability_dog"].tolist()


def test_epochs_of_folds_are_neither_tracked_nor_logged_but_those_of_later_trainings_are(evaluated: Evaluated) -> None:
    assert [event.approach for event in evaluated.events] == ["another"]
    assert [line for line in evaluated.log if ".training." in line[0]] == [("dogs_vs_cats.training.loop", "another")]


def test_the_folds_take_the_place_of_the_test_images_and_the_rest_is_the_saved_models(
    evaluated: Evaluated, saved: tuple[pd.DataFrame, dict[str, Any]]
) -> None:
    predictions, metrics, *_ = evaluated
    assert predictions["split"].value_counts().to_dict() == {"test": 40, "train": 26, "validation": 8}
    assert (predictions.query("split != 'test'")["probability_dog"] == 0.25).all()
    assert list(predictions) == list(saved[0])
    assert metrics["train"] == saved[1]["train"]
    assert metrics["test"]["images"] == 40
    assert "test" not in metrics["calibration"]
    assert metrics["seeds"]["mean"] == {}
    assert metrics["seeds"]["mean_low"] == {"validation_accuracy": 0.9}
    assert metrics["seeds"]["runs"] == {"0": {"validation_accuracy": 1.0}}
    assert (metrics["cross_validation"]["folds"], metrics["cross_validation"]["repeats"]) == (2, 1)


def test_the_log_names_the_approach_the_reason_and_the_accuracy(evaluated: Evaluated) -> None:
    first, last = (message for name, message in evaluated.log if name == folds.__name__)
    assert first == (
        "transfer_bottleneck is evaluated by 2-fold cross-validation with 2 trainings on all 40 images, because there "
        "are only 6 test images (ingestion.folds: auto; null turns it off)"
    )
    test = evaluated.metrics["test"]
    accuracy = "{accuracy:.3f} (95% interval {accuracy_low:.3f} to {accuracy_high:.3f})".format(**test)
    assert last == f"transfer_bottleneck: cross-validated accuracy {accuracy}"


def test_without_folds_in_the_record_everything_stays_as_it_is(
    given: TrainingInputs, saved: tuple[pd.DataFrame, dict[str, Any]]
) -> None:
    data = replace(given.data, ingestion_record=RECORD)
    assert folds.evaluate_folds(replace(given, data=data), *saved) == saved


@pytest.mark.parametrize("changed", [{"early_stopping_patience": 2}, {"head": "linear"}], ids=["dense", "linear"])
def test_two_shots_of_each_class_with_copies_are_enough(given: TrainingInputs, changed: dict[str, Any]) -> None:
    kept = [*range(0, 20, 2), *range(1, 20, 2)]
    manifest = given.data.manifest.loc[kept].assign(group=np.arange(20) // 5)
    manifest.loc[kept[::5], "split"] = "validation"
    features = cast(np.ndarray, given.data.features)[kept]
    data = replace(given.data, manifest=manifest.reset_index(drop=True), features=features)
    table = folds.predict_folds(replace(given, data=data, block={**given.block, **changed}))
    assert table["path"].nunique() == len(table) == 20
    assert (table["label"] == table["predicted"]).mean() > 0.6


@pytest.mark.parametrize("crossed", [False, True], ids=["test", "k-fold"])
def test_the_effect_of_corrections_is_that_of_the_labels_alone(given: TrainingInputs, crossed: bool) -> None:
    """Before correction, all labels were swapped: a model that learned them is wrong wherever the other is right.

    One image that was in training is left out; its features aren't there.
    """
    manifest = given.data.manifest
    swapped = manifest.assign(
        given_label=1 - manifest["label"], given_split=manifest["split"].replace("unused", "train")
    )
    record = given.data.ingestion_record if crossed else RECORD
    data = replace(given.data, manifest=swapped, ingestion_record=record)
    linear = replace(given, data=data, block={**given.block, "head": "linear"})
    tested = linear.data.in_use if crossed else swapped["split"] == "test"
    right = predictions_table(
        swapped[tested].assign(split="test"), swapped.loc[tested, ["label"]].to_numpy(np.float32), CLASSES
    )
    metrics = {**classification_metrics(right, CLASSES), "corrections": data.corrections}
    metrics |= {"cross_validation": {}} if crossed else {}
    corrections = measure_corrections(linear, right, metrics)["corrections"]
    assert (corrections["relabelled"], corrections["left_out"]) == (40, 1)
    effect, images = corrections["given_labels"], 40 if crossed else 6
    assert effect["accuracy"] < 0.2
    assert effect["images"] == images
    assert effect["only_first_correct"] == 0
    assert effect["only_second_correct"] == images - round(effect["accuracy"] * images)


def test_without_an_effective_correction_nothing_is_trained_again(given: TrainingInputs) -> None:
    manifest = given.data.manifest
    data = replace(given.data, manifest=manifest.assign(given_label=manifest["label"], given_split=manifest["split"]))
    metrics = {"corrections": data.corrections}
    assert data.corrections == {"relabelled": 0, "left_out": 0}
    assert measure_corrections(replace(given, data=data), pd.DataFrame(), metrics) is metrics
    assert given.data.corrections == {}


def test_training_on_validation_images_too_leaves_none_of_them_out(given: TrainingInputs) -> None:
    manifest = given.data.manifest
    corrected = manifest.assign(given_label=manifest["label"], given_split=manifest["split"])
    corrected.loc[0, "split"] = "unused"
    corrected.loc[30, "label"] = 1
    data = replace(given.data, manifest=corrected).as_used_by({"train_on_all": True})
    assert data.corrections == {"relabelled": 1, "left_out": 1}
    assert data.manifest["given_split"].value_counts().to_dict() == {"train": 34, "test": 6, "unused": 1}
