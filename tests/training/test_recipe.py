"""The training options that all approaches share: each does what it says, and a training with all of them resumes."""

import math

import pytest

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.parameter_schema import check
from dogs_vs_cats.pipelines.approach import nodes
from dogs_vs_cats.training.inputs import LabelledImages
from tests.approaches.test_approaches import BOTTLENECK, COMMON, END_TO_END
from tests.parameters.test_parameters import parameters as environment_parameters
from tests.parameters.test_parameters import refused
from tests.training.test_phases import parameters
from tests.training.test_training import (  # noqa: F401 - fixtures
    COMPUTE,
    RECORD,
    augmentation,
    base,
    evaluate,
    fine_tune,
    images,
    inputs,
    killed_in_epoch,
    manifest,
    train,
    train_head,
    weights_equal,
)

ALL = {
    "epochs": 4,
    "batch_size": 8,
    "optimizer": "adamw",
    "schedule": "cosine",
    "warmup_epochs": 1.5,
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
    "mixup": 0.2,
    "cutmix": 1.0,
    "ema": 0.9,
    "augment": True,
    "class_weights": True,
    "keep_best_epoch": True,
}


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(images, manifest, tmp_path):  # noqa: F811
    values = {**COMMON, "epochs": 4, "batch_size": 6, "learning_rate": 0.01, "warmup_epochs": 1.5}
    *_, history, _, _ = train("naive_cnn", {**values, "schedule": "cosine"}, images, manifest, tmp_path)
    falling = [0.01 * (1 + math.cos(math.pi * done / 15)) / 2 for done in (3, 9)]  # 15 of 24 steps follow the warm-up
    assert history["learning_rate"].tolist() == pytest.approx([0, 0.01 * 6 / 9, *falling], abs=1e-8)


def test_a_warm_up_as_long_as_the_training_is_refused():
    with pytest.raises(ValueError, match=r"warmup_epochs\n.*must be less than epochs \(2\)"):
        parameters(epochs=2, warmup_epochs=2)
    values = {**END_TO_END, "epochs": 3, "fine_tuning_epochs": 2, "unfreeze_from": "auto", "warmup_epochs": 2.5}
    with pytest.raises(
        ValueError, match=r"fine_tuning_epochs\n.*must be greater than warmup_epochs \(2\.5\); raise it"
    ):
        approach_of("transfer_end_to_end", {}).Parameters.model_validate(values)


@pytest.mark.parametrize("classes", [2, 3])
def test_validation_is_measured_on_labels_that_are_certain(classes, images, manifest, tmp_path):  # noqa: F811
    labels = manifest.assign(label=manifest.index % classes)
    values = {**COMMON, "epochs": 2, "label_smoothing": 0.4, "batch_size": 12}
    data = LabelledImages(images, labels, ["cat", "dog", "fox"][:classes], RECORD)
    model, info, history, _, seed_metrics = nodes.train(inputs("naive_cnn", values, data), tmp_path)
    _, metrics, _ = evaluate(model, info, seed_metrics, images, labels)
    last = history.iloc[-1]
    assert last["val_loss"] == pytest.approx(metrics["validation"]["log_loss"], rel=1e-4)
    assert last["val_accuracy"] == pytest.approx(metrics["validation"]["accuracy"])
    assert last["accuracy"] > 1 / classes


def test_averages_are_validated_kept_and_leave_the_training_alone(images, manifest, tmp_path):  # noqa: F811
    values = {**COMMON, "epochs": 3, "learning_rate": 0.002}
    *_, usual, _, _ = train("naive_cnn", values, images, manifest, tmp_path)
    model, info, history, _, seed_metrics = train("naive_cnn", {**values, "ema": 0.95}, images, manifest, tmp_path)
    assert history["loss"].tolist() == usual["loss"].tolist()
    assert (history["val_loss"] != usual["val_loss"]).all()
    _, metrics, _ = evaluate(model, info, seed_metrics, images, manifest)
    assert metrics["validation"]["log_loss"] == pytest.approx(history["val_loss"].iloc[-1], rel=1e-4)


@pytest.mark.medium
def test_a_training_with_every_option_resumes_bit_for_bit(base, images, manifest, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("dogs_vs_cats.training.loop.SECONDS_BETWEEN_STATES", 0)
    values = {**ALL, "epochs": 2, "fine_tuning_epochs": 3, "unfreeze_from": "block2_convolution2"}
    values |= {"fine_tuning_layer_decay": 0.6, "fine_tuning_learning_rate": 1e-4, "average_flips": True}
    undisturbed, _, full_history, _, _ = fine_tune(base, images, manifest, tmp_path, **values)
    with killed_in_epoch(5):
        fine_tune(base, images, manifest, tmp_path, **values)
    resumed, _, history, _, _ = fine_tune(base, images, manifest, tmp_path, **values)
    assert weights_equal(undisturbed, resumed)
    assert history.equals(full_history)


@pytest.mark.parametrize("values", [{"cutmix": 1.0}, {"average_flips": True}])
def test_features_have_no_rectangles_and_no_mirror_image(values):
    with pytest.raises(ValueError, match=r"is for images.*leave it out, or use transfer_end_to_end"):
        approach_of("transfer_bottleneck", {}).Parameters.model_validate({**BOTTLENECK, **values})


def test_a_head_is_trained_on_mixed_features(base, images, manifest, tmp_path):  # noqa: F811
    values = {**BOTTLENECK, "dense_units": 8, "epochs": 2, "mixup": 0.4, "class_weights": True}
    *_, history, _, _ = train_head(values, base, images, manifest, tmp_path)
    *_, usual, _, _ = train_head({**values, "mixup": 0}, base, images, manifest, tmp_path)
    assert (history["loss"] != usual["loss"]).all()


def test_mixed_images_are_augmented_on_the_device(images, manifest, tmp_path):  # noqa: F811
    on_device = augmentation().model_copy(update={"engine": "device"})
    compute = COMPUTE.model_copy(update={"images_on_device": "auto"})
    values = {**COMMON, "epochs": 2, "augment": True, "mixup": 0.2, "cutmix": 0.5}
    *_, history, _, _ = train("naive_cnn", values, images, manifest, tmp_path, compute=compute, transforms=on_device)
    assert history["val_loss"].iloc[-1] < 0.7


def test_images_that_stay_on_the_device_are_neither_mixed_nor_augmented_on_the_host():
    values = environment_parameters()
    values["compute"] |= {"images_on_device": True}
    values["transfer_bottleneck"] |= {"mixup": 0.2}  # of features
    check(values)
    values["naive_cnn"] |= {"mixup": 0.2}
    assert "naive_cnn.mixup: mixes on the host, but compute.images_on_device: true" in refused(values)
    values["naive_cnn"] |= {"mixup": 0}
    values["augmentation"] |= {"engine": "warp"}
    assert "set it to auto, or augmentation.engine to device" in refused(values)
