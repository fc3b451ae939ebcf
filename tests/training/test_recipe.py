"""The knobs of training that all approaches share: each does what it says, and a training with all of them resumes."""

import math

import keras
import numpy as np
import pytest

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.images.mixing import cut_mix, mix_up
from dogs_vs_cats.images.soft_batches import SoftBatches
from dogs_vs_cats.parameter_schema import check
from dogs_vs_cats.parameters.training import TrainingParameters
from dogs_vs_cats.pipelines.approach import nodes
from dogs_vs_cats.training.inputs import LabelledImages
from dogs_vs_cats.training.phases import Phase, averaged_weights, create_optimizer, learning_rate
from tests.approaches.test_approaches import BOTTLENECK, COMMON
from tests.parameters.test_parameters import parameters as environment_parameters
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


def parameters(**values):
    return TrainingParameters.model_validate({**COMMON, **values})


def soft_batches(labels, classes, class_weight=None, **values):
    """One batch of small images, each of one value: its number."""
    pixels = np.broadcast_to(np.arange(len(labels), dtype=np.uint8)[:, None, None, None], (len(labels), 6, 6, 3))
    batches = RowBatches(pixels, np.arange(len(labels)), np.array(labels), batch_size=len(labels), seed=3)
    return SoftBatches(batches, classes, parameters(**values), class_weight)


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(images, manifest, tmp_path):  # noqa: F811
    values = {**COMMON, "epochs": 4, "batch_size": 6, "learning_rate": 0.01, "warmup_epochs": 1.5}
    *_, history, _, _ = train("naive_cnn", {**values, "schedule": "cosine"}, images, manifest, tmp_path)
    falling = [0.01 * (1 + math.cos(math.pi * done / 15)) / 2 for done in (3, 9)]  # 15 of 24 steps follow the warm-up
    assert history["learning_rate"].tolist() == pytest.approx([0, 0.01 * 6 / 9, *falling], abs=1e-8)
    *_, history, _, _ = train("naive_cnn", values, images, manifest, tmp_path)
    assert history["learning_rate"].tolist() == pytest.approx([0, 0.01 * 6 / 9, 0.01, 0.01])


def test_a_warm_up_as_long_as_the_training_is_refused():
    with pytest.raises(ValueError, match=r"warmup_epochs is 2, which leaves nothing of epochs: 2 .*set it lower"):
        parameters(epochs=2, warmup_epochs=2)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_kernels_decay_and_biases_and_normalisations_do_not(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    before = [np.ones(weight.shape, np.float32) for weight in model.trainable_variables]
    for decay, kept in (
        (0.5, [0.95, 1, 1, 1]),
        (0, [1, 1, 1, 1]),
        (None, [0.9996] * 4 if optimizer == "adamw" else [1] * 4),
    ):
        for weight, value in zip(model.trainable_variables, before, strict=True):
            weight.assign(value)
        phase, settings = Phase("head", 1, 0.1), parameters(optimizer=optimizer, weight_decay=decay)
        created = create_optimizer(settings, phase, model.trainable_variables, steps=5)
        created.apply([np.zeros(value.shape, np.float32) for value in before], model.trainable_variables)
        left = [float(np.mean(weight)) for weight in model.trainable_variables]
        assert left == pytest.approx(kept), (optimizer, decay)


def test_labels_are_smoothed_as_keras_does():
    _, two = soft_batches([0, 1, 1], 2, label_smoothing=0.2)[0]
    assert two == pytest.approx(np.array([[0.1], [0.9], [0.9]]))
    _, three = soft_batches([0, 2], 3, label_smoothing=0.3)[0]
    assert three == pytest.approx(np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))
    answers = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], np.float32)
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.3)(np.eye(3)[[0, 2]], answers)
    assert float(keras.losses.CategoricalCrossentropy()(three, answers)) == pytest.approx(float(smoothed))


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


def test_weights_of_classes_are_those_of_the_labels():
    _, _, weights = soft_batches([0, 1, 1], 2, {0: 3.0, 1: 0.5}, label_smoothing=0.2)[0]
    assert weights.tolist() == [3.0, 0.5, 0.5]


@pytest.mark.parametrize(("mix", "layer"), [(mix_up, keras.layers.MixUp), (cut_mix, keras.layers.CutMix)])
def test_rows_are_mixed_as_keras_does(mix, layer):
    rows = np.random.default_rng(1).integers(0, 256, (64, 20, 30, 3), dtype=np.uint8)
    mixed, partners, left = mix(rows, np.random.default_rng(2), 0.4)
    assert mixed.dtype == np.float32
    assert sorted(partners) == list(range(64))
    from_partner = mixed == rows[partners]
    if mix is cut_mix:
        np.testing.assert_allclose((mixed == rows).mean(axis=(1, 2, 3)), left, atol=0.02)  # some pixels are equal
        assert (from_partner | (mixed == rows)).all()
        transform = {"batch_masks": from_partner}
    else:
        transform = {"mix_weight": left}
    theirs = layer(dtype="float32").transform_images(rows, transform | {"permutation_order": partners})
    np.testing.assert_allclose(mixed, theirs, atol=1e-3)
    assert np.std(left) > 0.3, "fractions from Beta(0.4, 0.4) are mostly near 0 and 1"


def test_labels_and_weights_are_mixed_as_the_rows_are():
    labels, weights = [0, 1, 2, 1, 0, 2, 1, 1], np.array([4.0, 0.5, 1.0])
    batches = soft_batches(labels, 3, dict(enumerate(weights)), mixup=1.0)
    rows, answers, weighed = batches[0]
    assert answers.sum(axis=1) == pytest.approx(np.ones(8))
    assert weighed == pytest.approx(answers @ weights)
    value, certain = rows[:, 0, 0, 0], np.eye(3)[labels]
    for row in np.flatnonzero(np.abs(value - np.arange(8)) > 0.01):
        # A row's value says how much of which other row is in it.
        possible = [(value[row] - other) / (row - other) for other in range(8) if other != row]
        found = [
            part * certain[row] + (1 - part) * certain[other]
            for other, part in zip([o for o in range(8) if o != row], possible, strict=True)
        ]
        assert any(np.allclose(answers[row], labels, atol=1e-3) for labels in found)


def test_a_batch_is_a_function_of_seed_epoch_and_number():
    rows, settings = np.random.default_rng(0).random((12, 6, 6, 3)), parameters(mixup=0.5, cutmix=0.5)

    def batch(epoch, number, seed=0):
        batches = RowBatches(rows, np.arange(12), np.arange(12) % 2, batch_size=6, seed=seed)
        batches.epoch = epoch
        return SoftBatches(batches, 2, settings)[number][0]

    assert np.array_equal(batch(1, 1), batch(1, 1))
    assert not np.array_equal(batch(0, 1), batch(1, 1))
    assert not np.array_equal(batch(1, 1), batch(1, 1, seed=1))


def test_averages_are_validated_kept_and_leave_the_training_alone(images, manifest, tmp_path):  # noqa: F811
    values = {**COMMON, "epochs": 3, "learning_rate": 0.002}
    *_, usual, _, _ = train("naive_cnn", values, images, manifest, tmp_path)
    model, info, history, _, seed_metrics = train("naive_cnn", {**values, "ema": 0.95}, images, manifest, tmp_path)
    assert history["loss"].tolist() == usual["loss"].tolist()
    assert (history["val_loss"] != usual["val_loss"]).all()
    _, metrics, _ = evaluate(model, info, seed_metrics, images, manifest)
    assert metrics["validation"]["log_loss"] == pytest.approx(history["val_loss"].iloc[-1], rel=1e-4)


def test_averages_follow_the_weights_by_their_momentum():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    phase = Phase("head", 1, 1.0)
    model.compile(create_optimizer(parameters(optimizer="sgd", ema=0.75), phase, model.trainable_variables, steps=3))
    for gradient in (-8.0, -8.0):
        model.optimizer.apply([np.full((1, 1), gradient, np.float32)], model.trainable_variables)
    with averaged_weights(model):
        assert model.get_weights()[0].item() == pytest.approx(0.75 * 8 + 0.25 * 16)
    assert model.get_weights()[0].item() == 16


def test_lower_blocks_learn_more_slowly():
    names = ["block4_conv", "block5_conv1", "block5_conv2", "block5_pool", "top_conv"]
    layers = [keras.layers.Identity(name=n) if "pool" in n else keras.layers.Dense(1, name=n) for n in names]
    model = keras.Sequential([keras.Input((1,)), *layers, keras.layers.Dense(1, name="head")])
    phase = Phase("fine_tuning", 1, 0.8, unfrozen=layers, layer_decay=0.5)
    optimizer = create_optimizer(parameters(optimizer="sgd", weight_decay=0), phase, model.trainable_variables, 1)
    before = [np.array(weight) for weight in model.trainable_variables]
    optimizer.apply([np.ones(value.shape, np.float32) for value in before], model.trainable_variables)
    steps = {}
    for weight, value in zip(model.trainable_variables, before, strict=True):
        steps.setdefault(weight.path.split("/")[-2], []).append(float(np.mean(value - np.array(weight))))
    expected = {"block4_conv": 0.1, "block5_conv1": 0.2, "block5_conv2": 0.2, "top_conv": 0.4, "head": 0.8}
    assert {name: pytest.approx(value) for name, (value, _) in steps.items()} == expected
    assert learning_rate(optimizer) == pytest.approx(0.8)


def test_a_fine_tuning_with_every_knob_resumes_bit_for_bit(base, images, manifest, tmp_path, monkeypatch):  # noqa: F811
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


def test_images_that_stay_on_the_device_are_not_mixed():
    values = environment_parameters()
    values["naive_cnn"] |= {"mixup": 0.2}
    values["compute"] |= {"images_on_device": True}
    with pytest.raises(ParameterError, match=r"naive_cnn.mixup: .*compute.images_on_device.*auto"):
        check(values)


def test_a_training_with_every_knob_resumes_bit_for_bit(images, manifest, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("dogs_vs_cats.training.loop.SECONDS_BETWEEN_STATES", 0)
    values = {**COMMON, **ALL}
    undisturbed, _, full_history, _, _ = train("naive_cnn", values, images, manifest, tmp_path)
    with killed_in_epoch(3):
        train("naive_cnn", values, images, manifest, tmp_path)
    resumed, _, history, _, _ = train("naive_cnn", values, images, manifest, tmp_path)
    assert weights_equal(undisturbed, resumed)
    assert history.equals(full_history)
