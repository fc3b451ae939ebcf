"""Training: what is frozen stays, what is interrupted resumes, and equal seeds give equal weights."""

from contextlib import contextmanager

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.compute.backend import compile_updates
from dogs_vs_cats.errors import BackboneError, TrainingError
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.training import CalibrationParameters
from dogs_vs_cats.pipelines.approach import nodes
from dogs_vs_cats.pipelines.approach.training import predict_rows
from dogs_vs_cats.pipelines.feature_extraction.nodes import extract_features
from dogs_vs_cats.reporting import learning_figures
from dogs_vs_cats.training import events, recipes
from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs
from tests.approaches.test_approaches import BOTTLENECK, COMMON, END_TO_END
from tests.parameters.test_parameters import parameters as environment_parameters

COMPUTE = ComputeParameters(
    threads=2,
    instruction_set="auto",
    precision="float32",
    jit_compile="auto",
    steps_per_execution="auto",
    workers="auto",
    devices="auto",
    images_on_device="auto",
    cluster=None,
)
RECORD = {"identity": "data", "bit_depth": None, "fit": "stretch"}
BASE_RECORD = {"identity": "base", "name": "source_cnn", "made_with": {"preprocessing": "own"}}
CLASSES = ["cat", "dog"]


@pytest.fixture(scope="module")
def images():
    """Bright and dark noise: two classes that any network tells apart."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 128, (60, 32, 32, 3), dtype=np.uint8)
    pixels[1::2] += 100
    return pixels


@pytest.fixture(scope="module")
def manifest():
    splits = ["train"] * 36 + ["validation"] * 12 + ["test"] * 8 + ["unused"] * 4
    labels = [i % 2 for i in range(60)]
    return pd.DataFrame({"path": [f"{i}.png" for i in range(60)], "label": labels, "split": splits, "group": range(60)})


@pytest.fixture
def base():
    import keras

    from dogs_vs_cats.models.backbones import source_cnn

    keras.utils.clear_session()
    keras.utils.set_random_seed(5)
    return source_cnn(32, 3)


def augmentation():
    return AugmentationParameters.model_validate(environment_parameters()["augmentation"])


def inputs(name, values, data, compute=COMPUTE, transforms=None, calibrate=False, seed=0):
    calibration = CalibrationParameters(temperature=calibrate)
    given = (data, name, values, compute, seed, calibration)
    if approach_of(name, values).TRAINS_ON == "features":
        return TrainingInputs(*given)
    return nodes.collect_inputs(*given, transforms or augmentation())


def train(name, values, images, manifest, folder, *, compute=COMPUTE, transforms=None, calibrate=False, **extra):
    data = LabelledImages(images, manifest, CLASSES, RECORD, **extra)
    return nodes.train(inputs(name, values, data, compute, transforms, calibrate), folder)


def evaluate(model, info, seed_metrics, images, manifest, features=None, record=None):
    return nodes.evaluate(model, info, seed_metrics, images, manifest, COMPUTE, features, record)


def weights_equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_a_frozen_base_is_bit_identical_after_training(base, images, manifest, tmp_path):
    before = base.get_weights()
    model, info, history, timings, _ = train(
        "transfer_end_to_end",
        {**END_TO_END, "dense_units": 8, "augment": True},
        images,
        manifest,
        tmp_path,
        backbone=base,
        backbone_record=BASE_RECORD,
    )
    inside = model.get_layer("source_cnn")
    assert all(np.array_equal(a, b) for a, b in zip(before, inside.get_weights(), strict=True))
    assert (info["backbone"], info["preprocessing"]) == ("source_cnn", "own")
    assert info["trainable_parameters"] == (64 + 1) * 8 + (8 + 1) * 2
    assert list(history.columns[:3]) == ["seed", "epoch", "phase"]
    assert timings["train_seconds"] > 0


def test_unfreezing_trains_from_the_named_layer_on(base, images, manifest, tmp_path):
    before = {layer.name: layer.get_weights() for layer in base.layers}
    values = {**END_TO_END, "dense_units": 8, "unfreeze_from": "block3_convolution1", "fine_tuning_epochs": 2}
    values["fine_tuning_learning_rate"] = 0.01
    model, info, history, _, _ = train(
        "transfer_end_to_end",
        values,
        images,
        manifest,
        tmp_path,
        backbone=base,
        backbone_record=BASE_RECORD,
    )
    changed = {
        layer.name
        for layer in model.get_layer("source_cnn").layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights(), strict=True))
    }
    assert changed == {"block3_convolution1", "block3_convolution2"}
    assert history["phase"].tolist() == ["head", "fine_tuning", "fine_tuning"]
    assert history["epoch"].tolist() == [1, 2, 3]
    assert approach_of("transfer_end_to_end", {}).Parameters.model_validate(values).epochs_in_all == 3
    assert history["learning_rate"].tolist() == [0.001, 0.01, 0.01]
    originals = [weight for layer in before.values() for weight in layer]
    fine_tuned = [model.get_layer("source_cnn").get_layer(name) for name in sorted(changed)]
    head = [model.get_layer("dense_1"), model.get_layer("probabilities")]
    assert info["trainable_parameters"] == sum(layer.count_params() for layer in fine_tuned + head)
    unchanged = [np.array_equal(a, b) for a, b in zip(base.get_weights(), originals, strict=True)]
    assert all(unchanged), "the backbone that other approaches use was trained"


def test_unfreezing_from_an_unknown_layer_lists_the_layers(base, images, manifest, tmp_path):
    with pytest.raises(BackboneError, match=r"block9.*block1_convolution1"):
        train(
            "transfer_end_to_end",
            {**END_TO_END, "unfreeze_from": "block9"},
            images,
            manifest,
            tmp_path,
            backbone=base,
            backbone_record=BASE_RECORD,
        )


def test_equal_seeds_give_equal_models_whatever_was_built_before(images, manifest, tmp_path):
    import keras

    values = {**COMMON, "epochs": 2, "augment": True}
    first, *_ = train("naive_cnn", values, images, manifest, tmp_path)
    keras.layers.Dense(3)(keras.Input((2,)))
    second, *_ = train("naive_cnn", values, images, manifest, tmp_path)
    assert weights_equal(first, second)
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


def features_of(base, images, manifest, folder, pooling="flatten"):
    from dogs_vs_cats.models.frozen_base import weights_hash

    record = {"identity": "base", "weights": weights_hash(base.weights)}
    return extract_features(base, record, images, manifest, RECORD, pooling, COMPUTE, folder)


def train_head(values, base, images, manifest, folder):
    features, record = features_of(base, images, manifest, folder / "features")
    made = {"backbone": base, "backbone_record": BASE_RECORD, "features": features, "features_record": record}
    return train("transfer_bottleneck", values, images, manifest, folder, **made)


def test_the_joined_model_answers_as_its_head_does_on_the_features(base, images, manifest, tmp_path):
    model, info, *_ = train_head({**BOTTLENECK, "dense_units": 16}, base, images, manifest, tmp_path)
    features, _ = features_of(base, images, manifest, tmp_path / "features")
    answers = model.predict(images[:56], verbose=0)
    assert np.allclose(answers, model.get_layer("head").predict(features, verbose=0), atol=1e-6)
    assert info["trainable_parameters"] == (1024 + 1) * 16 + 17 * 16 + 17


def test_features_are_extracted_once_for_each_image(base, images, manifest, tmp_path, caplog):
    caplog.set_level("INFO")
    first, _ = features_of(base, images, manifest, tmp_path)
    assert "0 images cached, 56 to extract" in caplog.text
    first = np.array(first)
    turned = manifest.assign(split=["unused"] * 4 + ["test"] * 56)
    again, _ = features_of(base, images, turned, tmp_path)
    assert "52 images cached, 4 to extract" in caplog.text
    assert np.array_equal(again[:52], first[4:])


class Killed(Exception):
    """Stands for a process that dies between two epochs."""


@contextmanager
def killed_in_epoch(epoch):
    """Lets the training in the block die at the end of an epoch, before its state is saved."""

    def die(event):
        if event.epoch == epoch:
            raise Killed

    events.subscribe(die)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        events.unsubscribe(die)


@pytest.mark.parametrize("keep_best", [False, True])
def test_an_interrupted_training_ends_with_the_same_weights(base, images, manifest, tmp_path, monkeypatch, keep_best):
    monkeypatch.setattr("dogs_vs_cats.training.loop.SECONDS_BETWEEN_STATES", 0)
    values = {**BOTTLENECK, "dense_units": 16, "epochs": 5, "keep_best_epoch": keep_best}
    undisturbed, _, full_history, _, _ = train_head(values, base, images, manifest, tmp_path)

    with killed_in_epoch(4):
        train_head(values, base, images, manifest, tmp_path)
    seen = []
    events.subscribe(seen.append)
    try:
        resumed, _, history, _, _ = train_head(values, base, images, manifest, tmp_path)
    finally:
        events.unsubscribe(seen.append)
    assert weights_equal(undisturbed, resumed)
    assert history.equals(full_history)
    assert [event.epoch for event in seen] == [1, 2, 3, 4, 5]
    assert list(tmp_path.glob("*.npz")) == []


def test_a_state_of_other_parameters_is_ignored(base, images, manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("dogs_vs_cats.training.loop.SECONDS_BETWEEN_STATES", 0)
    values = {**BOTTLENECK, "dense_units": 16, "epochs": 3}

    with killed_in_epoch(3):
        train_head(values, base, images, manifest, tmp_path)
    seen = []
    events.subscribe(seen.append)
    try:
        changed, *_ = train_head({**values, "learning_rate": 0.01}, base, images, manifest, tmp_path)
    finally:
        events.unsubscribe(seen.append)
    assert [(event.epoch, event.logs["learning_rate"]) for event in seen] == [(1, 0.01), (2, 0.01), (3, 0.01)]
    fresh, *_ = train_head({**values, "learning_rate": 0.01}, base, images, manifest, tmp_path / "elsewhere")
    assert weights_equal(changed, fresh)


def test_the_best_epoch_is_kept_and_training_stops_early(base, images, manifest, tmp_path, caplog):
    caplog.set_level("INFO")
    values = {**BOTTLENECK, "dense_units": 16, "epochs": 40, "learning_rate": 0.3, "optimizer": "sgd"}
    values |= {"keep_best_epoch": True, "early_stopping_patience": 2}
    model, info, history, _, _ = train_head(values, base, images, manifest, tmp_path)
    best = history["val_loss"].idxmin()
    assert f"the model has the weights of epoch {best + 1} (head), which has the lowest validation loss" in caplog.text
    assert len(history) == min(40, best + 3)
    predictions, metrics, _ = evaluate(model, info, {}, images, manifest)
    assert metrics["validation"]["log_loss"] == pytest.approx(history["val_loss"].min(), abs=1e-3)
    assert len(predictions) == 56


FINE_TUNED = {
    **END_TO_END,
    "dense_units": 8,
    "unfreeze_from": "block3_convolution2",
    "keep_best_epoch": True,
    "early_stopping_patience": 2,
    "epochs": 3,
    "learning_rate": 0.01,
    "fine_tuning_epochs": 5,
    "fine_tuning_learning_rate": 1e-5,
}


def fine_tune(base, images, manifest, folder, **values):
    extra = {"backbone": base, "backbone_record": BASE_RECORD}
    return train("transfer_end_to_end", {**FINE_TUNED, **values}, images, manifest, folder, **extra)


def test_fine_tuning_starts_from_the_best_head_and_has_a_patience_of_its_own(base, images, manifest, tmp_path, caplog):
    caplog.set_level("INFO")
    misleading = misled(manifest)
    before = base.get_weights()
    model, info, history, _, _ = fine_tune(base, images, misleading, tmp_path)
    head, fine_tuning = (history[history["phase"] == phase] for phase in ("head", "fine_tuning"))
    assert head["val_loss"].is_monotonic_increasing
    assert fine_tuning["val_loss"].is_monotonic_increasing
    best, last = head["val_loss"].iloc[0], head["val_loss"].iloc[-1]
    assert fine_tuning["val_loss"].iloc[0] - best < (last - best) / 10
    assert len(fine_tuning) == 3, "its first epoch is its best, and two more are its patience"
    assert info["best_epoch"] == 1
    assert "the model has the weights of epoch 1 (head), which has the lowest validation loss" in caplog.text
    inside = model.get_layer("source_cnn").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, inside, strict=True)), "the model is a fine-tuned one"
    _, metrics, _ = evaluate(model, info, {}, images, misleading)
    assert metrics["validation"]["log_loss"] == pytest.approx(best, rel=1e-3)


def test_an_interrupted_fine_tuning_ends_with_the_same_weights(base, images, manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("dogs_vs_cats.training.loop.SECONDS_BETWEEN_STATES", 0)
    undisturbed, _, full_history, _, _ = fine_tune(base, images, manifest, tmp_path)
    for first_lost in (4, 6):  # the border between the phases, and in fine-tuning
        with killed_in_epoch(first_lost):
            fine_tune(base, images, manifest, tmp_path)
        resumed, _, history, _, _ = fine_tune(base, images, manifest, tmp_path)
        assert weights_equal(undisturbed, resumed)
        assert history.equals(full_history)


def misled(manifest):
    """Whatever is learnt from the training images is wrong on the validation images."""
    return manifest.assign(label=manifest["label"] ^ (manifest["split"] == "validation").astype(int))


def linear(name, base, images, manifest, folder, **values):
    """Trains an approach with a linear head on stored features."""
    pooling = values.get("pooling", "flatten")
    features, record = features_of(base, images, manifest, folder / "features", pooling)
    extra = {"backbone": base, "backbone_record": BASE_RECORD, "features": features, "features_record": record}
    block = BOTTLENECK if name == "transfer_bottleneck" else {**FINE_TUNED, "unfreeze_from": "auto"}
    return train(name, {**block, "head": "linear", **values}, images, manifest, folder, **extra)


def test_a_linear_head_is_solved_and_has_one_row_of_history(base, images, manifest, tmp_path, caplog):
    caplog.set_level("INFO")
    model, info, history, _, _ = linear("transfer_bottleneck", base, images, manifest, tmp_path, class_weights="auto")
    other_seed = {"seeds": [7], "learning_rate": 0.5}
    again, *_ = linear("transfer_bottleneck", base, images, manifest, tmp_path, **other_seed)
    assert weights_equal(model, again)
    assert (len(history), info["epochs"], history["phase"][0]) == (1, 1, "head")
    assert info["trainable_parameters"] == 1024 + 1
    predictions, metrics, _ = evaluate(model, info, {}, images, manifest)
    for split, prefix in (("train", ""), ("validation", "val_")):
        measured = [history[f"{prefix}{name}"][0] for name in ("loss", "accuracy")]
        assert measured == pytest.approx([metrics[split]["log_loss"], metrics[split]["accuracy"]], abs=1e-4)
    assert predictions["predicted"].equals(predictions["label"])
    assert (
        "transfer_bottleneck.head=linear ignores batch_size, dense_units, dropout, early_stopping_patience, epochs"
        in caplog.text
    )
    assert "transfer_bottleneck: accuracy 1.0000 on the test images" in caplog.text
    assert "lowest validation loss" not in caplog.text, "there was nothing to choose from"


@pytest.mark.parametrize("name", ["transfer_bottleneck", "transfer_end_to_end"])
def test_several_seeds_of_a_linear_head_that_is_not_fine_tuned_are_refused(name):
    block = {**(BOTTLENECK if name == "transfer_bottleneck" else END_TO_END), "head": "linear", "seeds": [0, 1]}
    schema = approach_of(name, block).Parameters
    with pytest.raises(ValueError, match=r"one solution on a split, whatever.*leave seeds empty, or set redraw_split"):
        schema.model_validate(block)
    assert schema.model_validate({**block, "redraw_split": True}).seeds == [0, 1]
    if name == "transfer_end_to_end":
        assert schema.model_validate({**block, "unfreeze_from": "auto"}).seeds == [0, 1]


@pytest.mark.parametrize("seeds", [[], [3]])
def test_splits_for_several_seeds_of_which_there_are_none_are_refused(seeds):
    with pytest.raises(ValueError, match=r"set seeds to two or more, such as \[0, 1, 2\]"):
        approach_of("naive_cnn", {}).Parameters.model_validate({**COMMON, "seeds": seeds, "redraw_split": True})


def test_each_seed_but_the_first_draws_a_split_of_its_own_with_the_same_sizes():
    given = ["train"] * 24 + ["validation"] * 8 + ["test"] * 8 + ["unused"] * 2
    columns = {"label": np.arange(42) % 2, "split": given, "group": np.arange(42) // 4, "group_name": "p"}
    manifest = pd.DataFrame({"path": map(str, range(42)), "sha256": map(str, range(42)), **columns})
    data = LabelledImages(np.zeros((42, 8, 8, 3), np.uint8), manifest, CLASSES, RECORD)
    block = {**COMMON, "seeds": [0, 1, 2], "redraw_split": True}
    given_inputs = inputs("naive_cnn", block, data)
    splits = [given_inputs.with_split_of(seed).data.manifest["split"] for seed in (0, 1, 2)]
    assert splits[0].tolist() == given
    assert len({tuple(split) for split in splits}) == 3
    for split in splits:
        assert split.value_counts().to_dict() == {"train": 24, "validation": 8, "test": 8, "unused": 2}
        assert split.tolist()[40:] == ["unused"] * 2
        assert (split[:40].groupby(manifest["group"]).nunique() == 1).all()
        assert (pd.crosstab(manifest["label"], split)["test"] == 4).all()
    again = inputs("naive_cnn", {**block, "seeds": [9, 2]}, data).with_split_of(2)
    assert again.data.manifest["split"].tolist() == splits[2].tolist()
    assert inputs("naive_cnn", {**block, "redraw_split": False}, data).with_split_of(1).data is data


def test_a_split_is_drawn_anew_without_validation_images():
    columns = {"label": [0, 1] * 10, "split": ["train"] * 16 + ["test"] * 4, "group": range(20)}
    manifest = pd.DataFrame({"path": map(str, range(20)), "sha256": map(str, range(20)), **columns})
    data = LabelledImages(np.zeros((20, 8, 8, 3), np.uint8), manifest, CLASSES, RECORD)
    assert data.redrawn(1).manifest["split"].value_counts().to_dict() == {"train": 16, "test": 4}


def test_seeds_with_splits_of_their_own_are_tested_on_these(images, manifest, tmp_path, caplog):
    caplog.set_level("INFO")
    manifest = manifest.assign(sha256=manifest["path"], group=range(len(manifest)))
    block = {**COMMON, "seeds": [3, 4], "redraw_split": True}
    model, info, _, _, seed_metrics = train("naive_cnn", block, images, manifest, tmp_path)
    _, metrics, _ = evaluate(model, info, seed_metrics, images, manifest)
    assert metrics["seeds"]["redrawn"] is True
    assert metrics["test"] == seed_metrics["3"]["test"]
    data = LabelledImages(images, manifest, CLASSES, RECORD)
    second = inputs("naive_cnn", block, data).with_split_of(4)
    again, _ = recipes.train_model(second, 4, tmp_path)
    predicted = predict_rows(again, second.data, second.data.in_use, COMPUTE)
    assert seed_metrics["4"] == nodes.classification_metrics(predicted, CLASSES)
    assert "naive_cnn trains with 2 seeds, each on its own split" in caplog.text


def test_fine_tuning_starts_from_the_linear_head(base, images, manifest, tmp_path):
    alone, *_ = linear("transfer_bottleneck", base, images, manifest, tmp_path, pooling="avg")
    values = {"fine_tuning_learning_rate": 1e-9, "keep_best_epoch": False}
    model, _, history, _, _ = linear("transfer_end_to_end", base, images, manifest, tmp_path, **values)
    assert history["phase"].tolist() == ["head", *["fine_tuning"] * 5]
    block = {**FINE_TUNED, "head": "linear"}
    assert approach_of("transfer_end_to_end", {}).Parameters.model_validate(block).epochs_in_all == 6
    assert np.allclose(model.predict(images, verbose=0), alone.predict(images, verbose=0), atol=1e-4)
    trained = {layer.name for layer in model.get_layer("source_cnn").layers if layer.trainable_weights}
    assert trained == {"block3_convolution1", "block3_convolution2"}


def test_a_linear_head_that_fine_tuning_spoils_stays(base, images, manifest, tmp_path, caplog):
    caplog.set_level("INFO")
    before = base.get_weights()
    spoilt = {"fine_tuning_learning_rate": 0.01, "early_stopping_patience": None}
    model, info, history, _, _ = linear("transfer_end_to_end", base, images, misled(manifest), tmp_path, **spoilt)
    assert history["val_loss"].idxmin() == 0
    assert (info["best_epoch"], info["epochs"]) == (1, 6)
    assert "the model has the weights of epoch 1 (head)" in caplog.text
    inside = model.get_layer("source_cnn").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, inside, strict=True))
    _, metrics, _ = evaluate(model, info, {}, images, misled(manifest))
    assert metrics["validation"]["log_loss"] == pytest.approx(history["val_loss"][0], rel=1e-3)


def test_an_interrupted_fine_tuning_of_a_linear_head_ends_with_the_same_weights(
    base, images, manifest, tmp_path, monkeypatch
):
    monkeypatch.setattr("dogs_vs_cats.training.loop.SECONDS_BETWEEN_STATES", 0)
    given = ("transfer_end_to_end", base, images, manifest, tmp_path)
    undisturbed, _, full_history, _, _ = linear(*given)
    with killed_in_epoch(4):
        linear(*given)
    resumed, _, history, _, _ = linear(*given)
    assert weights_equal(undisturbed, resumed)
    assert history.equals(full_history)


def test_a_long_training_says_how_long_it_will_take(images, manifest, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    train("naive_cnn", {**COMMON, "batch_size": 2}, images, manifest, tmp_path)
    assert "takes about" not in caplog.text, "a short one says nothing"
    monkeypatch.setattr("dogs_vs_cats.training.duration.LEAST_SECONDS", 0)
    train("naive_cnn", {**COMMON, "batch_size": 2, "epochs": 3}, images, manifest, tmp_path)
    assert caplog.text.count("naive_cnn: training takes about") == 1


def test_what_is_trained_on_all_images_has_no_validation(images, manifest, tmp_path, caplog):
    caplog.set_level("INFO")
    block = {**environment_parameters("mnist")["mlp"], "epochs": 2, "batch_size": 8, "train_on_all": True}
    seen = []
    events.subscribe(seen.append)
    try:
        model, info, history, _, _ = train("mlp", block, images, manifest, tmp_path)
    finally:
        events.unsubscribe(seen.append)
    assert [sorted(event.logs) for event in seen] == 2 * [["accuracy", "learning_rate", "loss"]]
    assert history[["val_loss", "val_accuracy"]].isna().all(axis=None)
    assert (info["validation_images"], info["best_epoch"]) == (0, None)
    assert "mlp: epoch 2/2" in caplog.text
    assert "validation: " not in caplog.text
    _, metrics, _ = evaluate(model, info, {}, images, manifest)
    assert (metrics["train"]["images"], "validation" in metrics) == (48, False)
    for axes in learning_figures.learning_curves(history).axes:
        assert [line.get_label() for line in axes.lines] == ["training"]
    both = learning_figures.comparison_curves({"mlp": history, "cnn": history.assign(val_loss=0.5, val_accuracy=0.5)})
    names = [text.get_text() for text in both.legends[0].get_texts()]
    assert names == ["mlp (training only)", "cnn", "validation", "training"]


def test_several_seeds_are_summarised(images, manifest, tmp_path):
    model, info, history, _, seed_metrics = train("naive_cnn", {**COMMON, "seeds": [3, 4]}, images, manifest, tmp_path)
    assert info["seed"] == 3
    assert history["seed"].tolist() == [3, 4]
    _, metrics, _ = evaluate(model, info, seed_metrics, images, manifest)
    runs = [seed_metrics[seed]["validation"]["accuracy"] for seed in ("3", "4")]
    assert metrics["seeds"]["mean"]["validation_accuracy"] == pytest.approx(np.mean(runs))
    assert metrics["seeds"]["std"]["validation_accuracy"] == pytest.approx(np.std(runs, ddof=1))
    assert metrics["validation"] == seed_metrics["3"]["validation"]


def test_a_loss_that_is_not_a_number_is_reported(base, images, manifest, tmp_path):
    values = {**BOTTLENECK, "dense_units": 16, "optimizer": "sgd", "learning_rate": 10.0, "epochs": 3}
    wild = images.copy()
    base.get_layer("block3_convolution2_normalization").gamma.assign(np.full(64, 1e38, np.float32))
    with pytest.raises(TrainingError, match=r"transfer_bottleneck: the (val_)?loss is (nan|inf).*learning_rate is 10"):
        train_head(values, base, wild, manifest, tmp_path)


def test_a_fine_tuning_that_diverges_names_its_own_learning_rate(base, images, manifest, tmp_path):
    # Each step of fine-tuning subtracts ten times each kernel; those of the head subtract next to nothing.
    values = {"optimizer": "sgd", "learning_rate": 1e-6, "fine_tuning_learning_rate": 1.0, "weight_decay": 10.0}
    with pytest.raises(TrainingError, match=r"transfer_end_to_end\.fine_tuning_learning_rate is 1: try a tenth"):
        fine_tune(base, images, manifest, tmp_path, **values, early_stopping_patience=None)


def test_a_batch_that_does_not_fit_into_memory_is_reported_with_its_parameter(
    base, images, manifest, tmp_path, monkeypatch
):
    # The allocator's own answer to a batch that is too large.
    monkeypatch.setattr(
        "dogs_vs_cats.images.batches.RowBatches.batch", lambda *_: np.empty((1 << 30, 1 << 20), np.float32)
    )
    with pytest.raises(TrainingError, match=r"ran out of memory with transfer_bottleneck\.batch_size=\d+.*smaller"):
        train_head({**BOTTLENECK, "dense_units": 16}, base, images, manifest, tmp_path)


def test_imbalanced_classes_are_weighted_inversely(images, manifest):
    uneven = manifest.assign(label=[int(row % 4 == 0) for row in range(60)])
    data = LabelledImages(images, uneven, CLASSES, RECORD)
    assert data.class_weight() == pytest.approx({0: 36 / (2 * 27), 1: 36 / (2 * 9)})


def test_classes_are_weighted_automatically_where_they_are_imbalanced(images, manifest):
    def weights(labels, wanted):
        data = LabelledImages(images, manifest.assign(label=labels), CLASSES, RECORD)
        return inputs("naive_cnn", {**COMMON, "class_weights": wanted}, data).class_weight

    uneven, nearly_even = ([int(row % 5 < ones) for row in range(60)] for ones in (1, 2))
    assert weights(uneven, "auto") == weights(uneven, True) is not None
    assert weights(uneven, False) is None
    assert weights(nearly_even, "auto") is None


def test_an_update_is_one_compiled_call():
    optimizer = keras.optimizers.Nadam()
    compile_updates(optimizer, COMPUTE)
    weights = keras.Variable(np.ones(3))
    optimizer.build([weights])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [weights]))
    operations = step.get_concrete_function(tf.TensorSpec([3])).graph.get_operations()
    (call,) = (operation for operation in operations if operation.type.endswith("PartitionedCall"))
    assert call.get_attr("_XlaMustCompile")
    assert not [operation for operation in operations if "Assign" in operation.type or operation.type == "Sqrt"]


@pytest.mark.parametrize("values", [{"optimizer": "nadam"}, {"optimizer": "adam", "schedule": "cosine"}])
def test_an_update_in_one_pass_is_the_same_update(values, images, manifest, tmp_path):
    name, block = ("mlp", {**environment_parameters("mnist")["mlp"]}) if "schedule" in values else ("naive_cnn", COMMON)
    block = {**block, **values, "epochs": 2, "batch_size": 8, "augment": False}
    first, *_ = train(name, block, images, manifest, tmp_path)
    plain = COMPUTE.model_copy(update={"jit_compile": False})
    second, *_ = train(name, block, images, manifest, tmp_path, compute=plain)
    for ours, theirs in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
