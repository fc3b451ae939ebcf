"""The model zoo through the pipelines: a network named by a parameter, its auxiliary losses, and a transfer from it."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dogs_vs_cats.approaches import approach_of
from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.parameter_schema import check
from dogs_vs_cats.training.auxiliary_losses import AuxiliaryLosses
from dogs_vs_cats.training.inputs import LabelledImages
from dogs_vs_cats.training.loop import train
from dogs_vs_cats.training.phases import Phase
from dogs_vs_cats.training.plan import Training
from tests.conftest import copy_project, kedro_in_turn
from tests.parameters.test_parameters import parameters as environment_parameters
from tests.parameters.test_parameters import refused
from tests.training.test_training import inputs, killed_in_epoch

COLOURS = ["blue", "green", "red"]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """GoogLeNet, trained for an epoch on photos of three colours; then a head on what it has learned."""
    root = tmp_path_factory.mktemp("zoo")
    random = np.random.default_rng(0)
    for channel, colour in enumerate(reversed(COLOURS)):
        (root / "photos" / colour).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 120, (32, 32, 3))
            pixels[..., channel] += 120
            Image.fromarray(pixels.astype(np.uint8)).save(root / "photos" / colour / f"{number}.png")
    project = copy_project(root / "project")
    source = f"ingestion.source={root / 'photos'},ingestion.train_size=36,ingestion.validation_size=12"
    shared = f"{source},ingestion.test_size=12"
    network = "approaches=[from_scratch],from_scratch.architecture=googlenet,from_scratch.epochs=1"
    # So slow that the losses stay those of the first guess.
    slowly = "from_scratch.learning_rate=0.0000001,from_scratch.augment=false"
    transfer = "approaches=[transfer_bottleneck],backbone.name=earlier_model,backbone.kwargs.drop_layers=2"
    weights = "backbone.weights=data/06_models/test/from_scratch.keras"
    names = "backbone,feature_extraction,transfer_bottleneck"
    for answer in kedro_in_turn(
        project,
        ["run", "--env=test", f"--params={shared},{network},{slowly}"],
        ["run", "--env=test", f"--pipelines={names}", f"--params={shared},{transfer},{weights}"],
    ):
        assert answer.returncode == 0, answer.stdout + answer.stderr
    return project


@pytest.mark.slow
def test_a_network_of_the_zoo_is_trained_and_compared_on_three_classes_in_colour(zoo):
    predictions = pd.read_csv(zoo / "data/07_model_output/test/from_scratch/predictions.csv")
    columns = [f"probability_{colour}" for colour in COLOURS]
    assert list(predictions.columns) == ["path", "label", *columns, "predicted", "split"]
    assert predictions[columns].sum(axis=1).to_numpy() == pytest.approx(np.ones(60), abs=1e-5)
    metrics = json.loads((zoo / "data/08_reporting/test/from_scratch/metrics.json").read_text())
    assert np.shape(metrics["test"]["confusion_matrix"]) == (3, 3)
    table = pd.read_csv(zoo / "data/08_reporting/test/comparison.csv").set_index("approach")
    assert table.index.tolist() == ["from_scratch", "majority_class"]
    # GoogLeNet with three classes instead of 1,000, and no auxiliary classifier.
    assert table.loc["from_scratch", "parameters"] == 6_998_552 - 997 * 1025
    assert "from_scratch" in (zoo / "data/08_reporting/test/comparison.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_googlenet_is_trained_with_its_auxiliary_losses_and_kept_without(zoo):
    history = pd.read_csv(zoo / "data/08_reporting/test/from_scratch/history.csv")
    # While all three answers are guesses, main + 0.3 · auxiliary 1 + 0.3 · auxiliary 2 is 1.6 times one of them.
    assert history["loss"].tolist() == pytest.approx([1.6 * np.log(3)], rel=0.05)
    assert history["val_loss"].tolist() == pytest.approx([np.log(3)], rel=0.05)
    model = keras.saving.load_model(zoo / "data/06_models/test/from_scratch.keras", safe_mode=True)
    assert not [layer.name for layer in model.layers if "auxiliary" in layer.name]


@pytest.mark.slow
def test_a_head_is_put_on_the_first_layers_of_the_earlier_model_which_stay_to_the_bit(zoo):
    earlier, joined = (
        keras.saving.load_model(zoo / f"data/06_models/test/{name}.keras", safe_mode=True)
        for name in ("from_scratch", "transfer_bottleneck")
    )
    base = joined.get_layer("earlier_model")
    # The softmax and the dropout before it are left out.
    assert [layer.name for layer in base.layers[1:]] == [f"earlier_{layer.name}" for layer in earlier.layers[1:-2]]
    pairs = zip(base.get_weights(), earlier.get_weights()[:-2], strict=True)
    assert all(new.tobytes() == old.tobytes() for new, old in pairs)
    info = json.loads((zoo / "data/06_models/test/transfer_bottleneck.json").read_text())
    assert info["backbone"] == "earlier_model"
    # The base ends in a vector of 1,024 numbers, and only the head is trained.
    assert info["trainable_parameters"] == 1025 * 32 + 33 * 32 + 33 * 3


def test_a_block_of_any_name_is_a_variant_of_the_approach_it_names():
    values = environment_parameters()
    variant = {**values["from_scratch"], "approach": "from_scratch", "architecture": "lenet5"}
    check({**values, "approaches": ["my_lenet"], "my_lenet": variant})
    module = approach_of("my_lenet", variant)
    assert module is approach_of("from_scratch", {})
    model = module.build(module.Parameters.model_validate(variant), (28, 28, 1), 10)
    assert model.count_params() == 257_546
    for wrong in (
        {**variant, "approach": "from_scrach"},
        {name: variant[name] for name in variant if name != "approach"},
    ):
        message = refused({**values, "approaches": ["my_lenet"], "my_lenet": wrong})
        assert message.startswith("1 parameter is wrong")
        assert "  - my_lenet.approach: " in message
        assert "it should be one of the approaches from_scratch, naive_cnn" in message
    assert "my_lenet.epoch: there is no such parameter; did you mean epochs?" in refused(
        {**values, "my_lenet": {**variant, "epoch": 3}}
    )


def two_answers() -> keras.Model:
    """A network with dropout and an auxiliary classifier."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    features = keras.Input((6,), name="features")
    x = keras.layers.Dropout(0.3, name="dropout")(keras.layers.Dense(5, activation="relu", name="hidden")(features))
    answers = [keras.layers.Dense(3, activation="softmax", name=name)(x) for name in ("main", "auxiliary")]
    return AuxiliaryLosses(keras.Model(features, answers, name="two_answers"))


def train_two_answers(folder):
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 3
    model = two_answers()
    block = {**environment_parameters()["from_scratch"], "batch_size": 8, "class_weights": True}
    manifest = pd.DataFrame({"label": labels, "split": ["train"] * 30 + ["validation"] * 10})
    data = LabelledImages(
        rows, manifest, ["a", "b", "c"], {"identity": "two answers", "bit_depth": None, "fit": "stretch"}
    )
    training = Training(
        inputs=inputs("from_scratch", block, data),
        seed=0,
        model=model,
        phases=[Phase("head", 3, 0.01)],
        batches=RowBatches(rows, np.arange(30), labels, batch_size=8, shuffle=True, seed=0),
        validation=RowBatches(rows, np.arange(30, 40), labels, batch_size=8),
    )
    result = train(training, folder)
    return model.get_weights(), result.history


def test_a_training_with_auxiliary_losses_that_was_interrupted_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr("dogs_vs_cats.training.loop.SECONDS_BETWEEN_STATES", 0)
    weights, history = train_two_answers(tmp_path)

    with killed_in_epoch(3):
        train_two_answers(tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    resumed, history_again = train_two_answers(tmp_path)
    assert all(np.array_equal(first, second) for first, second in zip(weights, resumed, strict=True))
    assert history_again == history
