"""Measured accuracies and times are those of results that a claim speaks of."""

import shlex
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.datasets.environments import EnvironmentsDataset
from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.images.sources.arrays import KERAS_CLASSES
from dogs_vs_cats.lectures import results
from dogs_vs_cats.lectures.claims import PRINTS_NONE, Verdict, command_line, content, table
from dogs_vs_cats.lectures.summary import closing_lines
from dogs_vs_cats.parameter_schema import check
from dogs_vs_cats.parameters.command_line import parse
from dogs_vs_cats.parameters.comparison import ComparisonParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.pipelines.comparison.nodes import summarise
from dogs_vs_cats.pipelines.data_ingestion.nodes import read_images
from dogs_vs_cats.pipelines.replication import nodes
from dogs_vs_cats.project import MERGE_STRATEGY
from dogs_vs_cats.reporting.results import ApproachResult, Pictures
from dogs_vs_cats.session.config_loader import ConfigLoader
from tests.conftest import PROJECT, SHARED

ROW: dict[str, Any] = {
    "backbone": "",
    "epochs": 20,
    "parameters": 257_546,
    "train_images": 40_000,
    "train_accuracy": 0.99,
    "train_accuracy_low": 0.989,
    "train_accuracy_high": 0.991,
    "validation_images": 20_000,
    "validation_accuracy": 0.98,
    "validation_accuracy_low": 0.978,
    "validation_accuracy_high": 0.982,
    "test_images": 10_000,
    "test_accuracy": 0.984,
    "test_accuracy_low": 0.981,
    "test_accuracy_high": 0.986,
    "trained_with": {"epochs": 20, "batch_size": 1_024, "keep_best_epoch": False, "schedule": "constant"},
}
MNIST = {"classes": list("0123456789"), "source": "files", "test_images": results.MNIST_TEST_IMAGES}
PHOTOS = {"classes": ["cat", "dog"], "source": "files", "test_images": "photos"}
MLP_ON_40_000 = "MLP: test accuracy on MNIST, trained on 40,000"
MLP_ON_60_000 = "MLP: test accuracy on MNIST, trained on all 60,000"
MLP_ON_FASHION = "MLP: test accuracy on Fashion-MNIST"
OWN, RESCALED = (f"approach 2: validation accuracy, {how}" for how in ("own preprocessing", "pixels / 255"))


def experiment(data=MNIST, histories=None, **rows):
    return Experiment({"approaches": rows, "data": data}, histories or {}, {})


def configured():
    environments = EnvironmentsDataset(filepath=str(PROJECT / "conf")).load()
    return [nodes.parameters(environments, name) for name in ("lecture", "mnist")]


def found(**experiments):
    settings = configured()
    rows = [claim for claim in table() if claim.results]
    return {row.claim: results.hold_against(row, experiments, *settings) for row in rows}


def mlp(train_images, **changes):
    return {**ROW, "parameters": 109_386, "train_images": train_images, **changes}


def approach_2(preprocessing, accuracy, pooling="avg", **changes):
    settings = {"epochs": 10, "batch_size": 30, "keep_best_epoch": False, "pooling": pooling}
    return {
        **ROW,
        "backbone": "MobileNetV2",
        "train_images": 3_000,
        "validation_images": 1_000,
        "epochs": 10,
        "validation_accuracy": accuracy,
        "trained_with": {**settings, "preprocessing": preprocessing},
        **changes,
    }


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.98, 0.99, "agrees"), (0.9882, 0.99, "better"), (0.97, 0.988, "below")]
)
def test_a_measured_accuracy_is_judged_by_its_interval(low, high, verdict):
    row = {**ROW, "test_accuracy_low": low, "test_accuracy_high": high}
    history = pd.DataFrame({"seed": [3, 4], "accuracy": [0.7, 0.1], "val_accuracy": [0.9, 0.1], "val_loss": 0.3})
    claims = found(anything=experiment(lenet5=row, histories={"lenet5": history}))
    assert claims["LeNet-5: test accuracy after 20 epochs"].verdict == verdict
    assert claims["LeNet-5: test accuracy after 20 epochs"].ours == "0.9840"
    assert "own last training (0.9854)" in claims["LeNet-5: test accuracy after 20 epochs"].note
    assert claims["LeNet-5: training and validation accuracy of epoch 1"].ours == "0.7000; 0.9000"
    assert claims[MLP_ON_40_000].verdict == Verdict.NOT_RUN


def test_a_network_whose_accuracy_no_lecture_prints_has_ours():
    claims = found(mnist=experiment(mnist_cnn={**ROW, "parameters": 592_074, "epochs": 6}))
    claim = claims["baseline CNN: test accuracy on MNIST"]
    assert (claim.lecture, claim.ours, claim.verdict) == (PRINTS_NONE, "0.9840", "ours only")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"epochs": 6}, "data/08_reporting/short has epochs: 6 instead of 20."),
        ({"train_images": 60_000, "validation_images": None}, "train_images: 60,000 instead of 40,000"),
        ({"parameters": 60_900}, "parameters: 60,900 instead of 257,546"),
        ({"trained_with": {**ROW["trained_with"], "keep_best_epoch": True}}, "keep_best_epoch: True instead of False"),
    ],
)
def test_results_of_other_settings_get_no_verdict_and_the_note_says_why(changes, why):
    claim = found(short=experiment(lenet5={**ROW, **changes}))["LeNet-5: test accuracy after 20 epochs"]
    assert (claim.verdict, claim.ours) == (Verdict.NOT_RUN, "")
    assert why in claim.note


def test_a_note_has_the_settings_of_the_results_and_not_those_of_the_configuration():
    settings = {"batch_size": 30, "keep_best_epoch": False, "optimizer": "sgd", "learning_rate": 0.01}
    row = {**ROW, "train_images": 3_000, "validation_images": 1_000, "epochs": 2, "parameters": 19_024_513}
    claims = found(lecture=experiment(PHOTOS, naive_cnn={**row, "trained_with": settings}))
    note = claims["naive CNN: validation accuracy after 2 epochs"].note
    assert note.endswith("The lecture names no optimizer; ours is sgd with a learning rate of 0.01.")


def test_a_run_that_was_cut_short_is_not_held_against_a_lecture_that_names_no_epochs():
    claims = found(mnist=experiment(mlp=mlp(40_000, epochs=1)))
    assert claims[MLP_ON_40_000].note == "data/08_reporting/mnist has epochs: 1 instead of 20."


def test_the_perceptron_on_40000_and_on_all_images_have_rows_of_their_own():
    constant, cosine = ({**ROW["trained_with"], "schedule": schedule} for schedule in ("constant", "cosine"))
    first, second = mlp(40_000, test_accuracy=0.97), mlp(60_000, test_accuracy=0.98, validation_accuracy=None)
    claims = found(
        mnist=experiment(mlp={**first, "trained_with": cosine}),
        mnist_all=experiment(mlp={**second, "trained_with": cosine}),
    )
    assert (claims[MLP_ON_40_000].ours, claims[MLP_ON_60_000].ours) == ("0.9700", "0.9800")
    claims = found(mnist=experiment(mlp={**second, "trained_with": cosine}))
    assert (claims[MLP_ON_40_000].verdict, claims[MLP_ON_60_000].ours) == (Verdict.NOT_RUN, "0.9800")
    claims = found(mnist=experiment(mlp={**second, "trained_with": constant}))
    assert "schedule: constant instead of cosine" in claims[MLP_ON_60_000].note


def test_both_preprocessings_of_the_base_have_rows_of_their_own():
    own, rescaled = approach_2("own", 0.948), approach_2("rescale", 0.916)
    claims = found(
        lecture=experiment(PHOTOS, transfer_bottleneck=own), other=experiment(PHOTOS, transfer_bottleneck=rescaled)
    )
    assert (claims[OWN].ours, claims[RESCALED].ours) == ("0.9480", "0.9160")
    assert "On MobileNetV2 with its own preprocessing, features averaged" in claims[OWN].note
    assert "On MobileNetV2 with pixels / 255, features averaged" in claims[RESCALED].note
    assert claims[RESCALED].command == "rescale"
    claims = found(lecture=experiment(PHOTOS, transfer_bottleneck=rescaled))
    assert claims[OWN].verdict == Verdict.NOT_RUN
    assert "preprocessing: rescale instead of own" in claims[OWN].note


def test_the_lectures_own_base_takes_precedence_and_only_differences_from_it_are_noted():
    other, vgg16 = approach_2("own", 0.95), approach_2("own", 0.96, backbone="VGG16", pooling="flatten")
    rescaled = approach_2("rescale", 0.9, backbone="VGG16", pooling="flatten")
    claims = found(
        a=experiment(PHOTOS, transfer_bottleneck=other),
        b=experiment(PHOTOS, transfer_bottleneck=vgg16),
        c=experiment(PHOTOS, transfer_bottleneck=rescaled),
    )
    assert (claims[OWN].ours, claims[OWN].experiment) == ("0.9600", "b")
    assert claims[OWN].note.endswith("On VGG16 with its own preprocessing; the lecture has VGG16 with pixels / 255.")
    assert (claims[RESCALED].ours, claims[RESCALED].experiment) == ("0.9000", "c")
    assert "VGG16" not in claims[RESCALED].note


def test_a_run_on_the_lectures_own_base_that_does_not_match_hides_no_run_that_does():
    other, short = approach_2("own", 0.95), approach_2("own", 0.96, backbone="VGG16", epochs=3)
    unlike = {**short, "backbone": "MobileNetV2"}
    experiments = {
        "b": experiment(PHOTOS, transfer_bottleneck=short),
        "c": experiment(PHOTOS, transfer_bottleneck=unlike),
    }
    claim = found(a=experiment(PHOTOS, transfer_bottleneck=other), **experiments)[OWN]
    assert (claim.ours, claim.experiment) == ("0.9500", "a")
    claim = found(**experiments)[OWN]
    assert (claim.verdict, claim.note) == (Verdict.NOT_RUN, "data/08_reporting/b has epochs: 3 instead of 10.")


def test_approach_2_has_rows_for_ten_and_for_100_epochs():
    short, long = (
        approach_2("own", value, backbone="VGG16", epochs=count) for value, count in ((0.95, 10), (0.96, 100))
    )
    claims = found(a=experiment(PHOTOS, transfer_bottleneck=long), b=experiment(PHOTOS, transfer_bottleneck=short))
    after_100 = claims["approach 2: validation accuracy after 100 epochs, own preprocessing"]
    assert (after_100.ours, after_100.verdict, after_100.experiment) == ("0.9600", "ours only", "a")
    assert (claims[OWN].ours, claims[OWN].experiment) == ("0.9500", "b")


def test_drawn_images_and_other_classes_are_not_taken_for_photos_of_cats_and_dogs():
    for data in ({**PHOTOS, "source": "sample"}, {**PHOTOS, "classes": ["bird", "dog"]}):
        claims = found(lecture=experiment(data, transfer_bottleneck=approach_2("own", 0.948)))
        assert claims[OWN].verdict == Verdict.NOT_RUN


def test_several_seeds_show_their_spread():
    seeds = {"seeds": [0, 1, 2], "mean": {"test_accuracy": 0.985}, "std": {"test_accuracy": 0.001}}
    seeds |= {
        name: dict.fromkeys(("train_accuracy", "validation_accuracy"), 0.9) | seeds[name] for name in ("mean", "std")
    }
    claim = found(mnist=experiment(lenet5={**ROW, "seeds": seeds}))["LeNet-5: test accuracy after 20 epochs"]
    assert "Over seeds 0, 1, 2: 0.9850 ± 0.0010." in claim.note


def test_times_and_epochs_are_those_of_matching_results():
    timings = {"transfer_end_to_end": {"seconds_per_epoch": 14.5}, "transfer_bottleneck": {"seconds_per_epoch": 1.04}}
    history = pd.DataFrame({"seed": 0, "val_loss": [0.3, 0.1, 0.2]})
    row = approach_2("own", 0.9)
    rows = {"transfer_end_to_end": {**row, "trained_with": {**row["trained_with"], "unfreeze_from": None}}}
    summary = {"approaches": {**rows, "transfer_bottleneck": row}, "data": PHOTOS}
    claims = found(lecture=Experiment(summary, {"transfer_bottleneck": history}, timings))
    assert claims["an epoch of approach 1 against one of approach 2"].ours == "14.5 s against 1.04 s"
    assert claims["approach 2: training of the head"].ours == "10.4 s for 10 epochs"
    assert claims["an epoch of approach 1 against one of approach 2"].note.startswith(
        "On MobileNetV2 with its own preprocessing, features averaged over positions; the lecture has VGG16 with "
        "pixels / 255. Approach 1 takes 14 times as long, in the lecture 45 times."
    )
    long = experiment(
        PHOTOS, transfer_bottleneck=approach_2("own", 0.9, epochs=100), histories={"transfer_bottleneck": history}
    )
    claims = found(lecture=Experiment(summary, {}, {}), long=long)
    assert claims["approach 2: suggested number of epochs"].ours == "lowest validation loss after 2 of 3"
    assert claims["an epoch of approach 1 against one of approach 2"].note == results.NOT_ON_DISK


def test_other_pictures_of_ten_numbered_classes_are_not_taken_for_mnist():
    """So are the classes of any folder of IDX files called."""
    claims = found(mnist=experiment({**MNIST, "test_images": "others"}, mlp=mlp(40_000)))
    assert {claims[name].verdict for name in (MLP_ON_40_000, MLP_ON_60_000, MLP_ON_FASHION)} == {Verdict.NOT_RUN}


@pytest.mark.parametrize("source", ["files", "keras:fashion_mnist"])
def test_fashion_mnist_is_known_by_its_classes(source):
    data = {"classes": list(KERAS_CLASSES["fashion_mnist"]), "source": source, "test_images": "others"}
    claims = found(fashion=experiment(data, mlp=mlp(60_000)))
    assert (claims[MLP_ON_FASHION].ours, claims[MLP_ON_FASHION].experiment) == ("0.9840", "fashion")
    assert claims[MLP_ON_60_000].verdict == Verdict.NOT_RUN


@pytest.mark.skipif(not (SHARED / "data/mnist").is_dir(), reason="no MNIST beside the project")
def test_mnist_is_known_by_its_test_images(tmp_path):
    source = tmp_path / "idx"
    source.mkdir()
    for file in (SHARED / "data/mnist").glob("t10k*"):
        (source / file.name).symlink_to(file)
    ingestion = IngestionParameters.model_validate({**configured()[1]["ingestion"], "source": str(source)})
    _, usable, rejected, names, _ = read_images(ingestion, 0, tmp_path / "store")
    manifest = pd.concat([usable.head(100).assign(split="train"), usable.assign(split="test")], ignore_index=True)
    predictions = predictions_table(manifest, np.full((len(manifest), 10), 0.1), names)
    metrics = classification_metrics(predictions, names)
    metrics |= {"backbone": "", "parameters": 1, "trainable_parameters": 1, "epochs": 1}
    info = {"approach": "mlp", "made_with": {"parameters": {"learning_rate": 0.001}}}
    pictures = Pictures({}, b"", {}, None, None, None, None, None)
    result = ApproachResult(info, "", pd.DataFrame(), metrics, pd.DataFrame(), predictions, {}, pictures)
    record = {"parameters": {"source": str(source)}}
    summary = summarise(ComparisonParameters(lecture=None), manifest, names, rejected, record, result)
    assert summary["data"]["test_images"] == results.MNIST_TEST_IMAGES


# The commands


def configuration(command):
    """What a `kedro run` command reads from conf."""
    environment, *params = shlex.split(command)[2:]
    given = parse(",".join(param.removeprefix("--params=") for param in params))
    options = {"env": environment.removeprefix("--env="), "runtime_params": given, "merge_strategy": MERGE_STRATEGY}
    return ConfigLoader(str(PROJECT / "conf"), base_env="base", **options)


@pytest.mark.parametrize("name", [name for name in content()["commands"] if name != "replication"])
def test_a_command_gives_what_its_claims_ask_for(name):
    parameters = configuration(command_line(name))["parameters"]
    check(parameters)
    sizes = {f"{split}_images": parameters["ingestion"][f"{split}_size"] for split in ("train", "validation", "test")}
    claims = [claim for claim in table() if claim.command == name]
    assert claims
    for claim in claims:
        for approach, facts in claim.results.items():
            assert approach in parameters["approaches"]
            block = parameters[approach]
            if block.get("train_on_all"):
                sizes["train_images"] += sizes["validation_images"]
            given = sizes | {"preprocessing": parameters["backbone"]["preprocessing"]} | block
            assert {fact: given[fact] for fact in facts if fact != "parameters"} == {
                fact: value for fact, value in facts.items() if fact != "parameters"
            }, claim


def test_no_command_replaces_the_results_of_another():
    experiments = [
        configuration(command_line(name))["globals"]["experiment"]
        for name in content()["commands"]
        if name != "replication"
    ]
    assert len(set(experiments)) == len(experiments) == 7


def test_a_command_names_the_source_that_is_known():
    settings = configured()
    assert command_line("lecture").endswith(" --params=ingestion.source=PATH")
    assert command_line("mnist") == "kedro run --env=mnist"

    def sources(count, source, data=PHOTOS):
        data = {
            **data,
            "images": {"train": {"cat": count - 2_000}, "validation": {"cat": 1_000}, "test": {"cat": 1_000}},
        }
        return results.known_sources({"lecture": Experiment({"data": data}, {}, {}, source)}, *settings)

    assert sources(5_000, "photos/train.zip") == {"photos of cats and dogs": "photos/train.zip"}
    assert sources(4_999, "photos/train.zip") == sources(5_000, None) == {}
    assert sources(5_000, "sample", {**PHOTOS, "source": "sample"}) == {}
    assert sources(70_000, "/idx", MNIST) == {"MNIST": "/idx"}
    # Earlier versions recorded neither the kind of the source nor the numbers of images.
    for data in ({"classes": ["cat", "dog"]}, PHOTOS):
        assert results.known_sources({"earlier": Experiment({"data": data}, {}, {}, "train.zip")}, *settings) == {}
    command = command_line("rescale", sources(5_000, "my photos, 2024/train.zip"))
    assert configuration(command)["parameters"]["ingestion"]["source"] == "my photos, 2024/train.zip"


def test_the_last_lines_list_what_is_missing_and_nothing_else():
    rows = [
        ["naive CNN", "agrees", "lecture", "kedro run --env=lecture", "1,000 images."],
        ["sizes", "the same", None, "kedro run --pipelines=replication", None],
        ["approach 1", "not run", None, "kedro run --params=ingestion.source=PATH", "There are no results."],
        ["MLP", "not run", None, "kedro run --env=mnist", "There are none either."],
        ["approach 2", "not run", None, "kedro run --params=ingestion.source=PATH", "There are no results."],
    ]
    rows = pd.DataFrame(rows, columns=["claim", "verdict", "experiment", "command", "note"])
    assert closing_lines(rows) == [
        "Claims of the lectures: 5. Measured: 1. Missing: 3.",
        "",
        "kedro run --params=ingestion.source=PATH",
        "  There are no results.",
        "    - approach 1",
        "    - approach 2",
        "",
        "kedro run --env=mnist",
        "  There are none either.",
        "    - MLP",
        "",
        "PATH is Kaggle's train.zip or dogs-vs-cats.zip. Run the commands above for what is missing, then: "
        "kedro run --pipelines=replication",
    ]
    assert closing_lines(rows[:2]) == ["Claims of the lectures: 2. Measured: 1. Missing: 0."]
