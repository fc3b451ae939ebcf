"""Every claim of the lectures has a verdict, and the figures in the page are computed."""

import json

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.datasets import ExperimentsDataset
from dogs_vs_cats.datasets.experiments import Experiment
from dogs_vs_cats.pipelines.replication import nodes, results, worked_examples
from dogs_vs_cats.pipelines.replication.claims import SLIP, VERDICTS, computed

ROW = {
    "backbone": "",
    "epochs": 20,
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
}


@pytest.fixture(scope="module")
def claims():
    return nodes.replicate({})


def by_claim(claims):
    return claims.set_index("claim")


def test_every_claim_has_a_verdict_and_every_slip_a_reason(claims):
    assert set(claims["verdict"]) <= set(VERDICTS)
    assert (claims[["topic", "claim", "source", "lecture", "command"]] != "").all(axis=None)
    slips = claims[claims["verdict"] == SLIP]
    assert (slips["note"] != "").all()
    assert not claims["claim"].duplicated().any()


def test_the_known_slips_are_found_by_computing(claims):
    ours = by_claim(claims[claims["verdict"] == SLIP])["ours"]
    assert ours["approach 1: what a softmax over one output answers"] == "1, always"
    assert ours["approach 1: parameters, with its printed output Dense(1, softmax)"] == "15,241,025"
    assert ours["AlexNet: first dense layer"] == "37,752,832"
    assert ours["memory of 100 maps of 512×512"] == "100 MB"
    assert ours["its parameters with three layers of 128"] == "19,300,736"
    assert ours["Laplacian, valid"].split(" / ")[1] == "17 −14 −7"
    assert ours["Sobel on the first window"] == "−3"
    assert ours["input of VGG16"] == "BGR minus means, -124 to 151"
    assert ours["augmentation: what shear_range=0.2 does to a 150×150 photo"] == "moves by 0.3 pixels at most"
    assert ours["blur of an even grey of 100"] == "−100"


def test_what_the_lectures_have_right_is_the_same_here(claims):
    verdicts = by_claim(claims)["verdict"]
    for claim in (
        "naive CNN: parameters",
        "LeNet-5 in tf.keras: parameters",
        "AlexNet: parameters",
        "VGG-16: parameters",
        "naïve module on 256 maps",
        "approach 2: parameters of the head",
        "approach 1: layers, and how many of the first are frozen",
        "one-dimensional convolution",
    ):
        assert verdicts[claim] == "the same", claim


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.98, 0.99, "agrees"), (0.9882, 0.99, "better"), (0.97, 0.988, "below")]
)
def test_a_measured_accuracy_is_judged_by_its_interval(low, high, verdict):
    row = {**ROW, "test_accuracy_low": low, "test_accuracy_high": high}
    history = pd.DataFrame({"accuracy": [0.7], "val_accuracy": [0.9]})
    experiment = Experiment(
        {"approaches": {"lenet5": row}, "data": {"classes": list("0123456789")}}, {"lenet5": history}, {}
    )
    found = {claim.claim: claim for claim in results.claims({"mnist": experiment})}
    assert found["LeNet-5: test accuracy after 20 epochs"].verdict == verdict
    assert found["LeNet-5: test accuracy after 20 epochs"].ours == "0.9840"
    assert found["LeNet-5: training and validation accuracy of epoch 1"].ours == "0.7000; 0.9000"
    assert found["MLP: test accuracy on MNIST"].verdict == "not run"


def test_results_on_other_data_are_not_taken_for_those_of_mnist():
    classes = [*"abcdefghij"]
    experiment = Experiment({"approaches": {"lenet5": ROW}, "data": {"classes": classes}}, {}, {})
    found = {claim.claim: claim.verdict for claim in results.claims({"mnist": experiment})}
    assert found["LeNet-5: test accuracy after 20 epochs"] == "not run"


def test_figures_that_differ_are_a_slip():
    assert computed("t", "c", "L1", 1_000, 1_001).verdict == SLIP
    assert computed("t", "c", "L1", 1_000, 1_000).lecture == "1,000"


def test_a_row_that_all_rows_are():
    assert worked_examples._same_row(np.array([[0, -30], [0, -30]])) == "0 −30"


def test_the_page_has_every_claim_and_stays_a_table(claims):
    page = nodes.write_page(claims)
    assert all(claim in page for claim in claims["claim"])
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in rows} <= {2, 5}
    assert list(nodes.tabulate(claims).columns) == ["claim", "source", "lecture", "ours", "verdict", "note"]


def test_experiments_are_read_from_whatever_has_been_compared(tmp_path):
    assert ExperimentsDataset(filepath=str(tmp_path / "nothing")).load() == {}
    folder = tmp_path / "mnist" / "lenet5"
    folder.mkdir(parents=True)
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "mnist" / "comparison.json").write_text(json.dumps({"approaches": {}}))
    (folder / "history.csv").write_text("epoch,accuracy\n1,0.5\n")
    (folder / "timings.json").write_text('{"seconds_per_epoch": 2.0}')
    found = ExperimentsDataset(filepath=str(tmp_path)).load()
    assert list(found) == ["mnist"]
    assert found["mnist"].histories["lenet5"]["accuracy"].tolist() == [0.5]
    assert found["mnist"].timings == {"lenet5": {"seconds_per_epoch": 2.0}}
