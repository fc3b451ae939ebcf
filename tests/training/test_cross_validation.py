"""Cross-validation trains for real: each fold without its test images, resumable, and unseen by tracking."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.errors import TrainingError
from dogs_vs_cats.evaluation import cross_validation
from dogs_vs_cats.evaluation.cross_validation import divide
from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.parameters.training import CalibrationParameters
from dogs_vs_cats.pipelines.approach import folds
from dogs_vs_cats.training import events, recipes
from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs
from tests.approaches.test_approaches import BOTTLENECK
from tests.training.test_training import BASE_RECORD, CLASSES, inputs

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
        {"identity": "data", "folds": 2},
        base,
        BASE_RECORD,
        features,
        {**FEATURES_RECORD, "base_weights": weights_hash(base.weights)},
    )
    values = {**BOTTLENECK, "pooling": "avg", "dense_units": 8, "epochs": 4, "learning_rate": 0.05}
    return inputs("transfer_bottleneck", values, data, calibrate=True)


class Noticed(NamedTuple):
    """What others notice of a cross-validation: the events of training, and the log."""

    table: pd.DataFrame
    events: list[events.Event]
    log: list[str]


@pytest.fixture(scope="module")
def noticed(given: TrainingInputs, tmp_path_factory: pytest.TempPathFactory) -> Noticed:
    found = Noticed(pd.DataFrame(), [], [])
    handler = logging.Handler()
    handler.emit = lambda record: found.log.append(f"{record.name}: {record.getMessage()}")  # type: ignore[method-assign]
    logger = logging.getLogger("dogs_vs_cats")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    events.subscribe(found.events.append)
    try:
        table = folds.cross_validate(given, tmp_path_factory.mktemp("state"))
        assert found.events == []
        events.publish(events.EpochEnd("another", 0, 1, {}))
        logging.getLogger("dogs_vs_cats.training.loop").info("another")
    finally:
        events.unsubscribe(found.events.append)
        logger.removeHandler(handler)
        logger.setLevel(level)
    return found._replace(table=table)


@pytest.fixture
def table(noticed: Noticed) -> pd.DataFrame:
    return noticed.table


def test_every_image_in_use_is_predicted_once_a_repeat_by_models_that_learned(table: pd.DataFrame) -> None:
    assert table["path"].nunique() == len(table) == 40
    assert table["fold"].value_counts().to_dict() == {1: 20, 2: 20}
    assert set(table["split"]) == {"test"}
    assert (table["label"] == table["predicted"]).mean() > 0.9


def test_the_answer_of_a_fold_does_not_depend_on_the_labels_of_its_images(
    given: TrainingInputs, table: pd.DataFrame, tmp_path: Path
) -> None:
    fold = next(divide(given.data.manifest, 2, given.seed))
    within = folds._within(given, fold)
    manifest = within.data.manifest
    labels = manifest["label"].where(manifest["split"] != "test", 0)  # all cats
    data = replace(within.data, manifest=manifest.assign(label=labels))
    blind = folds._fold_predictions(replace(within, data=data), given.seeds[0], tmp_path)
    seen = table.query("repeat == 1 and fold == 1")
    assert blind["probability_dog"].tolist() == seen["probability_dog"].tolist()


def test_epochs_of_folds_are_neither_tracked_nor_logged_but_those_of_later_trainings_are(noticed: Noticed) -> None:
    assert [event.approach for event in noticed.events] == ["another"]
    assert [line for line in noticed.log if ".training." in line] == ["dogs_vs_cats.training.loop: another"]


def test_the_log_states_the_cross_validated_accuracy_of_the_approach(noticed: Noticed) -> None:
    (line,) = [line for line in noticed.log if "accuracy" in line]
    assert "transfer_bottleneck: cross-validated accuracy " in line


def test_an_interrupted_cross_validation_trains_only_the_folds_that_are_left(
    given: TrainingInputs, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, trained = recipes.train_model, []

    def fails_at_the_second(*arguments: Any) -> Any:
        trained.append(1)
        if len(trained) == 2:
            raise TrainingError("the power is off")
        return train(*arguments)

    monkeypatch.setattr(recipes, "train_model", fails_at_the_second)
    with pytest.raises(TrainingError):
        folds.cross_validate(given, tmp_path)
    pd.testing.assert_frame_equal(folds.cross_validate(given, tmp_path), table)
    assert len(trained) == 2 + 1
    assert list(tmp_path.iterdir()) == []


def test_a_finished_fold_is_that_of_its_parameters_images_and_seed_alone(given: TrainingInputs) -> None:
    first, second = (folds._within(given, fold) for fold in divide(given.data.manifest, 2, given.seed))
    other = replace(first, block={**first.block, "learning_rate": 0.02})
    uncalibrated = replace(first, calibration=CalibrationParameters(temperature=False))
    keys = [(given, 0), (first, 0), (first, 1), (second, 0), (other, 0), (uncalibrated, 0)]
    assert len({folds._fold_name(*key) for key in keys}) == len(keys)


def test_the_folds_take_the_place_of_the_test_images_and_the_rest_is_the_saved_models(
    given: TrainingInputs, table: pd.DataFrame
) -> None:
    rows = given.data.manifest[given.data.in_use]
    saved = predictions_table(rows, np.full((40, 1), 0.25), CLASSES)
    metrics = {
        **classification_metrics(saved, CLASSES),
        "epochs": 2,
        "calibration": {"temperature": 2.0, "in_model": True, "validation": {}, "test": {}},
        "seeds": {"seeds": [0, 1], "runs": {"0": {"test_accuracy": 1.0, "validation_accuracy": 1.0}},
                  "mean": {"test_accuracy": 1.0}, "std": {"test_accuracy": 0.0}},
    }  # fmt: skip
    predictions, merged = folds.evaluate_folds(table, saved, metrics, CLASSES)
    assert predictions["split"].value_counts().to_dict() == {"test": 40, "train": 26, "validation": 8}
    assert (predictions.query("split != 'test'")["probability_dog"] == 0.25).all()
    assert list(predictions) == list(saved)
    assert merged["train"] == metrics["train"]
    assert merged["test"]["images"] == 40
    assert "test" not in merged["calibration"]
    assert merged["seeds"]["mean"] == {}
    assert merged["seeds"]["runs"] == {"0": {"validation_accuracy": 1.0}}
    assert (merged["cross_validation"]["folds"], merged["cross_validation"]["repeats"]) == (2, 1)


def test_without_folds_in_the_record_everything_stays_as_it_is(given: TrainingInputs, tmp_path: Path) -> None:
    data = replace(given.data, ingestion_record={"identity": "data"})
    nothing = folds.cross_validate(replace(given, data=data), tmp_path)
    saved = pd.DataFrame({"path": ["0.png"]})
    assert folds.evaluate_folds(nothing, saved, {"epochs": 2}, CLASSES) == (saved, {"epochs": 2})
