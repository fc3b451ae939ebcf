"""The outputs of a frozen base are reused: nothing but the time differs."""

import keras
import numpy as np
import pytest

from dogs_vs_cats.evaluation.drift import Sample
from dogs_vs_cats.models.frozen_base import after_base, find_base, last_stage
from dogs_vs_cats.training.inputs import LabelledImages
from tests.approaches.test_approaches import BOTTLENECK, END_TO_END, built
from tests.training.test_training import (
    BASE_RECORD,
    base,
    evaluate,
    features_of,
    images,
    manifest,
    train,
    train_head,
)

__all__ = ["base", "images", "manifest"]  # fixtures


@pytest.fixture
def vectors(base):
    """A base that gives the averages of its maps."""
    average = keras.layers.GlobalAveragePooling2D(name="average")
    return keras.Model(base.inputs[0], average(base.outputs[0]), name="vectors")


VALUES = {**END_TO_END, "dense_units": 8, "augment": True, "epochs": 2}


@pytest.mark.parametrize("name", ["transfer_end_to_end", "transfer_bottleneck"])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_part_after_the_base_answers_as_the_whole(name, classes, images):
    model = built(name, classes)
    found = find_base(model)
    rows = np.asarray(found(images[:6])).reshape(6, -1)
    answers = after_base(model, found, "flatten").predict(rows, verbose=0)
    np.testing.assert_allclose(answers, model.predict(images[:6], verbose=0), atol=1e-6)


def test_averages_do_for_a_model_that_averages(images):
    model = built("transfer_end_to_end", 2)
    found = find_base(model)
    rows = np.asarray(found(images[:6])).mean(axis=(1, 2))
    answers = after_base(model, found, "avg").predict(rows, verbose=0)
    np.testing.assert_allclose(answers, model.predict(images[:6], verbose=0), atol=1e-6)


def test_a_model_without_a_base_has_none():
    assert find_base(built("naive_cnn", 2)) is None


def end_to_end(base, images, manifest, folder, values, **features):
    return train(
        "transfer_end_to_end", values, images, manifest, folder, backbone=base, backbone_record=BASE_RECORD, **features
    )


def test_validation_on_kept_features_is_validation_on_the_images(base, images, manifest, tmp_path):
    features, record = features_of(base, images, manifest, tmp_path / "features")
    whole, _, expected, *_ = end_to_end(base, images, manifest, tmp_path, VALUES)
    kept = {"features": features, "features_record": record}
    model, info, history, *_ = end_to_end(base, images, manifest, tmp_path, VALUES, **kept)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), whole.get_weights(), strict=True))
    for column in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(history[column], expected[column], atol=1e-5)

    predictions, metrics, distribution = evaluate(model, info, {}, images, manifest, features, record)
    grouped = manifest.assign(group=manifest.index // 2, group_name="p")
    same, same_metrics, same_distribution = evaluate(model, info, {}, images, grouped)
    np.testing.assert_allclose(predictions["probability_dog"], same["probability_dog"], atol=1e-5)
    assert predictions["path"].tolist() == same["path"].tolist()
    assert metrics["test"]["accuracy"] == same_metrics["test"]["accuracy"]
    tested, sample = predictions[predictions["split"] == "test"], Sample.from_arrays(distribution)
    assert sample.predicted.tolist() == tested["predicted"].tolist()
    dog = tested["probability_dog"]
    np.testing.assert_allclose(sample.confidences, np.maximum(dog, 1 - dog), rtol=1e-6)
    assert len(sample.unfamiliar) == len(tested)
    assert sample.groups is None
    groups = Sample.from_arrays(same_distribution).groups
    assert groups.tolist() == same["group"][same["split"] == "test"].tolist()
    np.testing.assert_allclose(distribution["means"], same_distribution["means"], rtol=1e-3)


def test_the_base_is_not_run_again(base, images, manifest, tmp_path):
    """Other images' features give other images' answers."""
    features, record = features_of(base, images, manifest, tmp_path / "features")
    model, info, *_ = train_head({**BOTTLENECK, "dense_units": 8}, base, images, manifest, tmp_path)
    given = (model, info, {}, images, manifest)
    predictions, *_ = evaluate(*given, features, record)
    turned, *_ = evaluate(*given, features[::-1], record)
    assert turned["probability_dog"].tolist()[::-1] == pytest.approx(predictions["probability_dog"].tolist())
    assert predictions["probability_dog"].nunique() > 50


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("transfer_bottleneck", {**BOTTLENECK, "dense_units": 8, "pooling": "avg"}),
        ("transfer_end_to_end", VALUES),
    ],
)
def test_a_base_that_gives_a_vector_is_not_run_again_either(name, values, vectors, images, manifest, tmp_path):
    pooling = values.get("pooling", "avg")
    features, record = features_of(vectors, images, manifest, tmp_path / "features", pooling)
    made = {"backbone": vectors, "backbone_record": BASE_RECORD, "features": features, "features_record": record}
    model, info, history, *_ = train(name, values, images, manifest, tmp_path, **made)
    given = (model, info, {}, images, manifest)
    predictions, metrics, distribution = evaluate(*given, features, record)
    same, _, same_distribution = evaluate(*given)
    np.testing.assert_allclose(predictions["probability_dog"], same["probability_dog"], atol=1e-5)
    np.testing.assert_allclose(distribution["means"], same_distribution["means"], rtol=1e-3)
    assert metrics["validation"]["log_loss"] == pytest.approx(history["val_loss"].iloc[-1], abs=1e-3)
    turned, *_ = evaluate(*given, features[::-1], record)
    assert turned["probability_dog"].tolist()[::-1] == pytest.approx(predictions["probability_dog"].tolist())


def test_a_model_that_also_sees_the_mirror_image_is_asked_itself(vectors, images, manifest, tmp_path):
    features, record = features_of(vectors, images, manifest, tmp_path / "features", "avg")
    values, made = {**END_TO_END, "head": "linear", "average_flips": True}, {"features_record": record}
    model, info, *_ = end_to_end(vectors, images, manifest, tmp_path, values, features=features, **made)
    answers = model.predict(images[:56], verbose=0)[:, 0]
    for given in ((features, record), ()):
        predictions, *_ = evaluate(model, info, {}, images, manifest, *given)
        np.testing.assert_allclose(predictions["probability_dog"], answers, atol=1e-5)


def test_a_base_that_was_trained_on_is_asked_itself(base, images, manifest, tmp_path):
    features, record = features_of(base, images, manifest, tmp_path / "features")
    kept = {"features": features, "features_record": record}
    values = {**VALUES, "epochs": 1, "unfreeze_from": "block3_convolution1", "fine_tuning_learning_rate": 0.01}
    model, info, history, *_ = end_to_end(base, images, manifest, tmp_path, values, **kept)
    assert (
        LabelledImages(images, manifest, [], features=features, features_record=record).base_of_features(model) is None
    )
    predictions, metrics, _ = evaluate(model, info, {}, images, manifest, features, record)
    answers = model.predict(images[:56], verbose=0)[:, 0]
    np.testing.assert_allclose(predictions["probability_dog"], answers, atol=1e-5)
    assert metrics["validation"]["log_loss"] == pytest.approx(history["val_loss"].iloc[-1], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "first"),
    [("VGG16", "block5_conv1"), ("MobileNetV2", "block_13_depthwise"), ("ResNet50", "conv5_block1_1_conv")],
)
def test_the_last_stage_begins_where_the_resolution_falls_last(name, first):
    base = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(64, 64, 3))
    assert last_stage(base) == first


def test_of_layers_without_stages_the_last_quarter_is_the_last_stage():
    tokens = [keras.layers.Dense(4, name=f"block_{number}") for number in range(12)]
    assert last_stage(keras.Sequential([keras.Input((16, 4)), *tokens])) == "block_9"
