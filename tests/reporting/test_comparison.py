import csv
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import fields
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from dogs_vs_cats.evaluation import drift
from dogs_vs_cats.evaluation.cross_validation import measure
from dogs_vs_cats.evaluation.drift import Sample
from dogs_vs_cats.evaluation.metrics import classification_metrics, seed_summary
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.evaluation.significance import fraction_interval
from dogs_vs_cats.images.splits import SPLITS
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.comparison import ComparisonParameters
from dogs_vs_cats.pipelines.comparison.pipeline import create_pipeline
from dogs_vs_cats.provenance.manifest import describe_run, with_result
from dogs_vs_cats.reporting import data_quality_findings
from dogs_vs_cats.reporting.approach_figures import draw_figures
from dogs_vs_cats.reporting.findings import closing_lines, corrections, failures, headline, sentences
from dogs_vs_cats.reporting.results import Pictures
from dogs_vs_cats.reporting.wording import p_value, percent
from tests.parameters.test_parameters import parameters as environment_parameters

OF_SEEDS = ["seeds", *(f"test_accuracy_{statistic}" for statistic in ("mean", "std", "mean_low", "mean_high"))]
COLUMNS = [
    "approach", "backbone", "parameters", "trainable_parameters", "epochs", "train_seconds", "seconds_per_epoch",
    "train_accuracy", "validation_accuracy", "test_accuracy", "test_accuracy_low",
    "test_accuracy_high", "test_balanced_accuracy", "test_roc_auc", "test_log_loss", "evaluated_by", *OF_SEEDS,
    "lecture_validation_accuracy", "lecture_test_accuracy",
]  # fmt: skip
PNG = b"\x89PNG not really"
DRAWINGS = ("learning_curves", "confusion_matrix", "roc_curve", "calibration_curve")


class PersistentDataset(MemoryDataset):
    """Stays, as a file would, when the last node has read it."""

    def _release(self) -> None:
        pass


class Page(HTMLParser):
    """Collects what a page refers to and what it shows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.references += [
            given[name] or "" for name in ("src", "href", "xlink:href", "srcset", "data") if name in given
        ]
        self.ids += [given["id"] or ""] if "id" in given else []

    def handle_data(self, data: str) -> None:
        self.text += data


def manifest_of(class_names: list[str], images_per_split: int) -> pd.DataFrame:
    rows = [
        {
            "path": f"{split}/{number}.jpg",
            "label": number % len(class_names),
            "split": split,
            "sha256": f"{split}{number}",
        }
        for split in SPLITS
        for number in range(images_per_split)
    ]
    return pd.DataFrame(rows)


def predictions_of(manifest: pd.DataFrame, class_names: list[str], wrong_every: int) -> pd.DataFrame:
    """Predictions of which every n-th is wrong."""
    labels = manifest["label"].to_numpy()
    answered = np.where(np.arange(len(labels)) % wrong_every == 0, (labels + 1) % len(class_names), labels)
    probabilities = np.full((len(labels), len(class_names)), 0.2 / (len(class_names) - 1))
    probabilities[np.arange(len(labels)), answered] = 0.8
    return predictions_table(manifest, probabilities[:, 1:] if len(class_names) == 2 else probabilities, class_names)


HISTORY = pd.DataFrame(
    {
        "seed": 0,
        "epoch": [1, 2],
        "phase": "head",
        "loss": [0.7, 0.5],
        "accuracy": [0.5, 0.7],
        "val_loss": [0.7, 0.6],
        "val_accuracy": [0.5, 0.6],
        "learning_rate": 1e-3,
    }
)


PARAMETERS = environment_parameters()
AUGMENTATION = AugmentationParameters.model_validate(PARAMETERS["augmentation"])
BACKBONE = BackboneParameters.model_validate(PARAMETERS["backbone"])
SETTINGS = {"epochs": 2, "learning_rate": 0.001, "batch_size": 16}


def model_info(approach: str, **parameters: Any) -> dict[str, Any]:
    made_with = {"parameters": parameters, "augmentation": AUGMENTATION.model_dump(mode="json")}
    return {"approach": approach, "made_with": made_with, "seed": 0, "backbone_made_with": None}


def drawings_of(approach: str, predictions: pd.DataFrame, names: list[str]) -> dict[str, str]:
    info = {"approach": approach}
    metrics = classification_metrics(predictions, names)
    images = np.zeros((len(predictions), 8, 8, 3), np.uint8)
    drawings: dict[str, str] = draw_figures(info, HISTORY, predictions, metrics, images, predictions, names)[-1]
    return drawings


def compare(
    approaches: dict[str, int],
    class_names: list[str] | None = None,
    lecture: dict[str, Any] | None = None,
    images_per_split: int = 60,
    drawn: bool = False,
    changes: Mapping[str, Any] | None = None,
    group_size: int | None = None,
) -> DataCatalog:
    """Prepares approaches of which every n-th answer is wrong, and runs the comparison up to its summary and table."""
    names = class_names or ["cat", "dog"]
    manifest = manifest_of(names, images_per_split)
    if group_size:
        manifest = manifest.assign(group=manifest.index // group_size, group_name="p")
    entries: dict[str, Any] = {
        "params:comparison": ComparisonParameters.model_validate({"lecture": lecture}),
        "params:augmentation": AUGMENTATION,
        "params:backbone": BACKBONE,
        "params:seed": 0,
        "manifest": manifest,
        "class_names": names,
        "rejected_images": pd.DataFrame({"path": [], "reason": []}),
        "ingestion_record": {"parameters": {"source": "sample"}, "identity": "0a1b"},
        "run_record": {"experiment": "sample", "command": "kedro run"},
        "provenance": {},
        "tracking_links": {},
        "data_quality_summary": {},
        "export_table": None,
        "inference_summary": {},
    }
    for approach, wrong_every in approaches.items():
        predictions = predictions_of(manifest, names, wrong_every)
        entries |= {
            f"{approach}.model_info": model_info(approach, **SETTINGS),
            f"{approach}.model_md5": f"md5 of {approach}",
            f"params:{approach}": SETTINGS,
            f"{approach}.metrics": {
                **classification_metrics(predictions, names),
                "parameters": 1234567,
                "trainable_parameters": 4321,
                "epochs": 2,
                "backbone": "",
            },
            f"{approach}.history": HISTORY,
            f"{approach}.predictions": predictions,
            f"{approach}.timings": {"train_seconds": 98.7654, "seconds_per_epoch": 49.3827},
            f"{approach}.mistakes": PNG,
            f"{approach}.drawings": drawings_of(approach, predictions, names) if drawn else dict.fromkeys(DRAWINGS, ""),
            f"{approach}.explanation_record": {},
            f"{approach}.explanation_layers": None,
            **{f"{approach}.{picture.name}": b"" for picture in fields(Pictures)[4:]},
        }
    entries |= changes or {}
    catalog = DataCatalog({name: PersistentDataset(value) for name, value in entries.items()})
    run(catalog, list(approaches), "comparison_summary", "comparison_table")
    return catalog


def run(catalog: DataCatalog, approaches: list[str], *outputs: str) -> None:
    for output in outputs:
        catalog[output] = PersistentDataset()
    SequentialRunner().run(create_pipeline(approaches).to_outputs(*outputs), catalog)


def report_of(catalog: DataCatalog) -> str:
    approaches = [name for name in catalog.load("comparison_summary")["approaches"] if name != "majority_class"]
    run(catalog, approaches, "comparison_report")
    return catalog.load("comparison_report")


def summary_of(catalog: DataCatalog) -> dict[str, Any]:
    return catalog.load("comparison_summary")


@pytest.fixture(scope="module")
def three() -> tuple[pd.DataFrame, dict[str, Any], str]:
    lecture = {
        "poor": {"validation_accuracy": 0.69, "train_accuracy": 0.7, "parameters": 1234567, "seconds_per_epoch": 270.0}
    }
    catalog = compare(
        {"poor": 3, "good": 12, "fine": 15},
        lecture=lecture,
        images_per_split=180,
        drawn=True,
        changes={"tracking_links": {"poor": "http://127.0.0.1:5000/#/runs/abc"}},
    )
    return catalog.load("comparison_table"), summary_of(catalog), report_of(catalog)


def test_the_table_has_exactly_its_columns_and_a_row_each_and_for_the_baseline(
    three: tuple[pd.DataFrame, dict[str, Any], str],
) -> None:
    table = three[0]
    assert list(table.columns) == COLUMNS
    assert table["approach"].tolist() == ["poor", "good", "fine", "majority_class"]
    rows = list(csv.DictReader(table.to_csv(index=False).splitlines()))
    assert rows[0]["parameters"] == "1234567"
    assert rows[0]["train_seconds"] == "98.7654"
    assert rows[0]["lecture_validation_accuracy"] == "0.69"
    assert rows[1]["lecture_validation_accuracy"] == ""
    assert rows[3]["train_seconds"] == ""
    assert float(rows[3]["test_accuracy"]) == 0.5
    assert float(rows[0]["test_accuracy"]) == pytest.approx(2 / 3)


def test_the_summary_has_no_seconds_links_or_dates_and_is_plain_json(
    three: tuple[pd.DataFrame, dict[str, Any], str],
) -> None:
    text = json.dumps(three[1], allow_nan=False)
    assert json.loads(text) == three[1]
    for absent in ('second"', "seconds", "98.76", "49.38", "http", "abc", "kedro"):
        assert absent not in text.replace('"second": "', "")
    assert not re.search(r"20\d\d-\d\d", text)


def test_the_summary_agrees_with_the_table(three: tuple[pd.DataFrame, dict[str, Any], str]) -> None:
    table, summary, _ = three
    for row in table.to_dict("records"):
        ours = summary["approaches"][row["approach"]]
        for column in set(COLUMNS) - {"approach", "train_seconds", "seconds_per_epoch", *OF_SEEDS}:
            if ours[column] is None:
                assert pd.isna(row[column])
            else:
                assert row[column] == ours[column]
        low, high = (ours[f"test_accuracy_{end}"] for end in ("low", "high"))
        assert low < ours["test_accuracy"] < high
    assert len(summary["pairs"]) == 6
    assert summary["data"]["images"]["train"] == {"cat": 90, "dog": 90}


def test_equal_results_give_an_equal_summary(three: tuple[pd.DataFrame, dict[str, Any], str]) -> None:
    again = compare(
        {"poor": 3, "good": 12, "fine": 15},
        lecture={"poor": {"validation_accuracy": 0.69}},
        images_per_split=180,
        changes={"poor.timings": {}, "run_record": {}},
    )
    assert json.dumps(summary_of(again)) == json.dumps(three[1])


def test_the_summary_says_what_was_trained_on_and_how_but_not_where_the_files_lie() -> None:
    files: dict[str, Any] = {"ingestion_record": {"parameters": {"source": "/home/someone/photos.zip"}}}
    settings = {"a.model_info": {**model_info("a", epochs=7), "preprocessing": "own"}}
    summary = summary_of(compare({"a": 4}, changes=files | settings))
    assert summary["data"]["source"] == "files"
    assert summary["approaches"]["a"]["trained_with"] == {"epochs": 7, "preprocessing": "own"}
    assert "someone" not in json.dumps(summary)
    relabelled = manifest_of(["cat", "dog"], 60)
    relabelled.loc[relabelled["split"] == "test", "sha256"] = "other"
    other = summary_of(compare({"a": 4}, changes=files | settings | {"manifest": relabelled}))
    assert other["data"]["test_images"] != summary["data"]["test_images"]


def test_the_finding_is_the_best_by_validation_log_loss_and_what_chance_could_explain(
    three: tuple[pd.DataFrame, dict[str, Any], str],
) -> None:
    summary = three[1]
    assert summary["best"]["approach"] == "fine"
    lines = closing_lines(summary, "data/08_reporting/sample/comparison.html")
    assert lines[0] == "fine is best, but its difference from good could be chance."
    assert any(
        line.startswith("Its lead over poor (66.7%) is significant (McNemar, adjusted p < 0.001)") for line in lines
    )
    assert any(
        line.startswith("Its lead over good (91.7%) is not significant (McNemar, adjusted p = ") for line in lines
    )
    assert lines[-1] == "The comparison is at data/08_reporting/sample/comparison.html"


def test_a_lead_that_many_comparisons_explain_is_no_finding() -> None:
    manifest = manifest_of(["cat", "dog"], 180)
    tables = {name: predictions_of(manifest, ["cat", "dog"], 20) for name in ("first", "b", "c", "d")}
    # Alone among the test images, `first` is right on all nine that the others get wrong, and wrong on one more.
    test = tables["first"]["split"] == "test"
    wrong = test & (tables["first"]["predicted"] != tables["first"]["label"])
    assert int(wrong.sum()) == 9
    flip = wrong | (tables["first"].index == tables["first"].index[test & ~wrong][0])
    tables["first"].loc[flip, "predicted"] = 1 - tables["first"].loc[flip, "predicted"]
    changes: dict[str, Any] = {f"{name}.predictions": table for name, table in tables.items()}
    best = classification_metrics(tables["first"], ["cat", "dog"])
    best["validation"]["log_loss"] = 0.01
    facts = {"parameters": 1, "trainable_parameters": 1, "epochs": 1, "backbone": ""}
    changes["first.metrics"] = {**best, **facts}
    catalog = compare(dict.fromkeys(tables, 20), images_per_split=180, changes=changes)
    summary = summary_of(catalog)
    (entry,) = [pair for pair in summary["pairs"] if (pair["first"], pair["second"]) == ("first", "b")]
    assert entry["p_value"] == pytest.approx(22 / 1024)
    assert entry["p_value_adjusted"] == pytest.approx(6 * 22 / 1024)  # four pairs with the baseline come before it
    assert headline(summary) == "first is best, but its difference from b, c and d could be chance"
    page = re.sub(r"\s+", " ", Page(report_of(catalog)).text)
    assert "(McNemar, adjusted p = 0.13)" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "adjusted for all 10 pairs (Holm)" in page
    assert "at most 5% of comparisons would call any pair significant." in page
    assert "+4.4p = 0.021adjusted p = 0.139 : 1" in page


def test_images_in_groups_are_counted_by_groups() -> None:
    catalog = compare({"poor": 3, "good": 12}, images_per_split=60, group_size=6)
    summary, html = summary_of(catalog), report_of(catalog)
    assert summary["approaches"]["good"]["test_groups"] == 10
    assert {pair["groups"] for pair in summary["pairs"]} == {10}
    sentence = " ".join(sentences(summary))
    assert "of the 60 test images of 10 groups correctly" in sentence
    assert "randomisation test over groups, adjusted p" in sentence
    assert "McNemar's test</dt>" not in html
    assert "the interval uses the effective number of images" in html
    plain = summary_of(compare({"poor": 3, "good": 12}, images_per_split=60))
    assert "test_groups" not in plain["approaches"]["good"]
    assert "groups" not in plain["pairs"][0]


def test_the_finding_says_what_corrections_have_changed() -> None:
    summary = summary_of(compare({"good": 12, "fine": 15, "imaged": 10}))
    counts = {"relabelled": 7, "left_out": 2}
    for name, p in (("good", 0.004), ("fine", 0.03), ("more", 0.04)):
        row = summary["approaches"].get(name, summary["approaches"]["good"])
        effect = {"accuracy": 0.6, "p_value": p}
        summary["approaches"][name] = row | {"corrections": counts | {"given_labels": effect}}
    summary["approaches"]["imaged"]["corrections"] = counts
    text = " ".join(corrections(summary))
    assert text.startswith("Corrections: 7 relabelled, 2 left out. Trained without corrections, good classifies 60.0%")
    assert "instead of 91.7% of the same images correctly, by the corrected labels; the difference is" in text
    assert "is significant (adjusted p = 0.012)." in text
    # Among three tests, neither 0.03 nor 0.04 is a finding.
    assert text.count("the difference is not significant (adjusted p = 0.06).") == 2
    assert "Trained without corrections, imaged" not in text


def test_one_approach_alone_is_held_against_the_baseline() -> None:
    catalog = compare({"alone": 10})
    summary, report = summary_of(catalog), report_of(catalog)
    assert headline(summary) == "alone is better than always guessing one class"
    assert "Comparison of 1 approach," in report


def test_an_approach_that_diverged_is_named_with_advice(caplog: pytest.LogCaptureFixture) -> None:
    summary = summary_of(compare({"guessing": 2, "good": 12}))
    advice = (
        "guessing has diverged: it classifies 50.0% of its own training images correctly, and its log loss on them, "
        "0.92, is above that of always guessing, 0.69. A learning rate that is too high is the usual cause: try a "
        "tenth of it, guessing.learning_rate=0.0001."
    )
    assert sentences(summary)[-1] == advice
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [advice]
    alone = summary_of(compare({"guessing": 2}))
    assert headline(alone) == "guessing is best, but not significantly better than always guessing one class"
    row = alone["approaches"]["guessing"]
    for settings, advised in (
        ({"head": "linear", "learning_rate": 0.1}, "that of always guessing, 0.69."),
        ({"unfreeze_from": "block_5", "fine_tuning_learning_rate": 1e-5}, " guessing.fine_tuning_learning_rate=1e-06."),
    ):
        assert failures({"approaches": alone["approaches"] | {"guessing": row | {"trained_with": settings}}})[
            0
        ].endswith(advised)
    for better in ({"train_log_loss": 0.72}, {"train_balanced_accuracy_low": 0.51}):
        assert not failures({"approaches": alone["approaches"] | {"guessing": row | better}})


def test_a_better_test_accuracy_of_another_approach_is_stated() -> None:
    manifest = manifest_of(["cat", "dog"], 180)
    # On the validation images `first` is surer than `second`, on the test images it is wrong more often.
    first = predictions_of(manifest, ["cat", "dog"], 1000)
    flip = (first["split"] == "test").to_numpy() & (np.arange(len(first)) % 6 == 0)
    first.loc[flip, "predicted"] = 1 - first.loc[flip, "predicted"]
    first.loc[flip, "probability_dog"] = 1 - first.loc[flip, "probability_dog"]
    metrics = classification_metrics(first, ["cat", "dog"])
    facts = {"parameters": 1, "trainable_parameters": 1, "epochs": 1, "backbone": ""}
    catalog = compare(
        {"first": 6, "second": 50},
        images_per_split=180,
        changes={"first.predictions": first, "first.metrics": {**metrics, **facts}},
    )
    summary = summary_of(catalog)
    assert headline(summary) == "first has the lowest validation log loss, but second has the better test accuracy"
    assert "It trails second (98.3%); the difference is significant" in "\n".join(closing_lines(summary, "x"))


def test_the_report_needs_nothing_but_itself(three: tuple[pd.DataFrame, dict[str, Any], str]) -> None:
    html = three[2]
    page = Page(html)
    outside = [
        reference
        for reference in page.references
        if not reference.startswith(("#", "data:")) and reference != "http://127.0.0.1:5000/#/runs/abc"
    ]
    assert outside == []
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    assert "@import" not in html
    assert re.findall(r"url\((?!#)[^)]*\)", html) == []
    assert len(page.ids) == len(set(page.ids))
    missing = {reference[1:] for reference in page.references if reference.startswith("#")} - set(page.ids)
    assert missing == set()


def test_the_report_shows_the_finding_the_numbers_the_lecture_and_the_links(
    three: tuple[pd.DataFrame, dict[str, Any], str],
) -> None:
    page = Page(three[2])
    text = re.sub(r"\s+", " ", page.text)
    assert "fine is best, but its difference from good could be chance" in text
    assert "Its lead over good (91.7%) is not significant" in text
    for number in ("1,234,567", "91.7%", "1.6 min", "4.5 min", "69%", "Precision (dog)0.9"):
        assert number in text
    assert "http://127.0.0.1:5000/#/runs/abc" in page.references
    assert "kedro run" in text
    galleries = [reference for reference in page.references if reference.startswith("data:image/png")]
    assert [b64decode(gallery.partition(",")[2]) for gallery in galleries] == [PNG] * 3
    assert page.tags.count("h1") == 1


def test_the_report_follows_the_readers_colours_and_prints(three: tuple[pd.DataFrame, dict[str, Any], str]) -> None:
    html = three[2]
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert "var(--series-0)" in html
    # A colour that the dark page couldn't change would be unreadable there.
    drawings = re.findall(r'<svg viewBox.*?role="img".*?</svg>', html, flags=re.DOTALL)
    assert len(drawings) == 2 + 3 * 4
    assert not [drawing for drawing in drawings if "#1f2430" in drawing]


def test_names_are_escaped_wherever_they_come_from() -> None:
    nasty = '<script>alert("1")</script>'
    catalog = compare(
        {"a": 4, "b": 9},
        class_names=[nasty, "$dog$ & <b>"],
        drawn=True,
        changes={
            "rejected_images": pd.DataFrame({"path": [nasty], "reason": ["<img src=x>"]}),
            "ingestion_record": {"parameters": {"source": nasty}},
            "run_record": {"experiment": nasty, "command": nasty},
            "tracking_links": {"a": "javascript:alert(1)"},
            "params:a": {nasty: [nasty]},
        },
    )
    page = Page(report_of(catalog))
    assert "script" not in page.tags
    assert nasty in page.text
    assert "$dog$ & <b>" in page.text
    assert "x" not in page.references
    assert not [reference for reference in page.references if reference.startswith("javascript")]


def test_many_classes_without_seconds_or_records() -> None:
    names = [str(digit) for digit in range(10)]
    catalog = compare(
        {"lenet5": 20, "mlp": 5},
        class_names=names,
        images_per_split=100,
        drawn=True,
        changes={"lenet5.timings": {}, "ingestion_record": {"parameters": {"source": "keras:mnist"}}, "run_record": {}},
    )
    table, summary, html = catalog.load("comparison_table"), summary_of(catalog), report_of(catalog)
    assert pd.isna(table.loc[0, "train_seconds"])
    assert summary["approaches"]["majority_class"]["test_accuracy"] == 0.1
    assert summary["approaches"]["lenet5"]["test_roc_auc"] > 0.9
    assert headline(summary) == "lenet5 is significantly better than mlp"
    assert "The lecture's figures and ours" not in html
    assert summary["data"]["source"] == "keras:mnist"


def crossed(**wrong_every: int) -> dict[str, Any]:
    """The results of approaches that were measured on all images, by two folds in two repeats.

    Every n-th answer is wrong in the first repeat, and the first one in the second.
    """
    manifest = manifest_of(["cat", "dog"], 60)
    changes: dict[str, Any] = {}
    for name, wrong in wrong_every.items():
        saved = predictions_of(manifest, ["cat", "dog"], wrong)
        repeats = (saved, predictions_of(manifest, ["cat", "dog"], 1000))
        folds = [
            table.assign(split="test", repeat=repeat, fold=np.arange(len(table)) % 2 + 1)
            for repeat, table in enumerate(repeats, start=1)
        ]
        measured, how = measure(pd.concat(folds), ["cat", "dog"])
        facts = {"parameters": 1, "trainable_parameters": 1, "epochs": 2, "backbone": ""}
        metrics = {**classification_metrics(saved, ["cat", "dog"]), **facts, "test": measured, "cross_validation": how}
        kept = saved[saved["split"] != "test"]
        changes[f"{name}.predictions"] = pd.concat([kept, folds[0][list(saved)]], ignore_index=True)
        changes[f"{name}.metrics"] = metrics
    return changes


def test_only_approaches_that_were_measured_on_the_same_images_are_tested_pairwise() -> None:
    catalog = compare({"folded": 20, "imaged": 10}, changes=crossed(folded=20), drawn=True)
    summary, table = summary_of(catalog), catalog.load("comparison_table")
    pairs = {(pair["first"], pair["second"]): pair["images"] for pair in summary["pairs"]}
    assert pairs == {("imaged", "majority_class"): 60, ("folded", "majority_class"): 180}
    assert dict(zip(table["approach"], table["evaluated_by"], strict=True)) == {
        "folded": "k-fold", "imaged": "test", "majority_class": "test",
    }  # fmt: skip
    assert headline(summary) == "folded is best by validation log loss; its difference from imaged isn't tested"
    lines = "\n".join(closing_lines(summary, "x"))
    assert "classifies 97.2% of all 180 images correctly (95% interval" in lines  # 95% and one wrong
    assert "predicted by models trained without it (2-fold cross-validation, repeated 2 times)." in lines
    assert "Its difference from imaged (90.0% of 60 images) isn't tested: one of the two was cross-validated" in lines
    page = re.sub(r"\s+", " ", Page(report_of(catalog)).text)
    assert "k-fold, 180 images" in page
    assert page.count("not tested:") == 2
    assert "a model trains without the fold" in page
    assert "97.2% of 180 images, by cross-validation, right" in page


def test_approaches_that_were_all_cross_validated_are_tested_on_all_images() -> None:
    catalog = compare({"a": 20, "b": 5}, changes=crossed(a=20, b=5), drawn=True)
    summary = summary_of(catalog)
    assert [(pair["first"], pair["second"], pair["images"]) for pair in summary["pairs"]] == [
        ("a", "b", 180), ("a", "majority_class", 180), ("b", "majority_class", 180),
    ]  # fmt: skip
    assert summary["approaches"]["majority_class"]["evaluated_by"] == "k-fold"
    assert summary["approaches"]["majority_class"]["test_images"] == 180
    assert headline(summary) == "a is significantly better than b"
    # Every fifth answer of b is wrong, and every twentieth of a. The means over the repeats would not agree with that.
    assert (
        "In the first repeat, it alone classifies 27 images correctly, and b alone 0. The difference "
        "is significant (McNemar, adjusted p < 0.001; approximate, because the folds share training images)."
    ) in closing_lines(summary, "x")
    page = re.sub(r"\s+", " ", Page(report_of(catalog)).text)
    assert "With cross-validation, p is approximate, because the folds share training images." in page
    assert "at most 5% of comparisons" not in page
    assert "Cross-validated approaches are compared in the first repeat" in page


def test_a_mistake_in_one_repeat_is_not_called_none() -> None:
    changes = crossed(a=1000)
    changes["a.metrics"]["test"] |= {"accuracy": 1 - 1 / 540}  # a third of an image
    page = re.sub(r"\s+", " ", Page(report_of(compare({"a": 4}, changes=changes))).text)
    assert "99.8% of 180 images, by cross-validation, right" in page
    assert "No mistakes" not in page
    assert "0 wrong" not in page


def without_validation(*wrong_every: int) -> dict[str, Any]:
    """Approaches that were trained on the validation images too."""
    manifest = manifest_of(["cat", "dog"], 180)
    manifest["split"] = manifest["split"].replace({"validation": "train"})
    changes: dict[str, Any] = {"manifest": manifest}
    for number, wrong in enumerate(wrong_every):
        predictions = predictions_of(manifest, ["cat", "dog"], wrong)
        metrics = classification_metrics(predictions, ["cat", "dog"])
        facts = {"parameters": 1, "trainable_parameters": 1, "epochs": 2, "backbone": ""}
        changes |= {f"{number}.predictions": predictions, f"{number}.metrics": {**metrics, **facts}}
    return changes


def test_without_validation_images_none_is_called_the_best() -> None:
    catalog = compare({"0": 5, "1": 50}, images_per_split=180, changes=without_validation(5, 50))
    summary = summary_of(catalog)
    assert headline(summary) == "0 comes first, but without validation images no approach is chosen as the best"
    assert sentences(summary)[0].startswith("It was trained on the validation images too and classifies 80.0%")
    page = report_of(catalog)
    assert "The best approach" not in page
    assert 'class="best"' not in page


def test_the_metric_that_decided_is_named_where_the_one_asked_for_is_missing() -> None:
    """On validation images of one class there is no AUC."""
    parameters = ComparisonParameters.model_validate({"metric": "roc_auc", "lecture": None})
    metrics = classification_metrics(predictions_of(manifest_of(["cat", "dog"], 60), ["cat", "dog"], 9), ["cat", "dog"])
    facts = {"parameters": 1, "trainable_parameters": 1, "epochs": 2, "backbone": ""}
    metrics["validation"]["roc_auc"] = None
    summary = summary_of(compare({"a": 9}, changes={"params:comparison": parameters, "a.metrics": metrics | facts}))
    assert summary["best"]["metric"] == "log_loss"
    assert "has a validation log loss of 0." in sentences(summary)[0]


def test_a_best_approach_that_only_guesses_does_not_hide_a_better_one() -> None:
    summary = summary_of(compare({"guessing": 2, "good": 12}, images_per_split=180))
    summary["best"] |= {"approach": "guessing"}
    assert headline(summary) == "guessing has the lowest validation log loss, but good has the better test accuracy"
    assert "guessing is not significantly better than always guessing one class." in sentences(summary)


def uneven(metric: str, **changes: Any) -> DataCatalog:
    """Ninety ants, ten bees and five cows a split; `many` recognises the ants, `all` most of each class."""
    names, counts = ["ant", "bee", "cow"], {"ant": 90, "bee": 10, "cow": 5}
    rows = [
        {"path": f"{split}/{name}{number}.jpg", "label": label, "split": split, "sha256": f"{split}{name}{number}"}
        for split in SPLITS
        for label, name in enumerate(names)
        for number in range(counts[name])
    ]
    manifest = pd.DataFrame(rows)
    labels = manifest["label"].to_numpy()
    answers = {
        "many": np.zeros_like(labels),
        "all": np.where(np.arange(len(labels)) % 5 == 0, (labels + 1) % 3, labels),
    }
    entries: dict[str, Any] = {
        "manifest": manifest,
        "params:comparison": ComparisonParameters.model_validate({"metric": metric, "lecture": None}),
    }
    for approach, answered in answers.items():
        probabilities = np.full((len(labels), 3), 0.05)
        probabilities[np.arange(len(labels)), answered] = 0.9
        predictions = predictions_table(manifest, probabilities, names)
        facts = {"parameters": 1, "trainable_parameters": 1, "epochs": 2, "backbone": ""}
        entries[f"{approach}.predictions"] = predictions
        entries[f"{approach}.metrics"] = {**classification_metrics(predictions, names), **facts}
    return compare({"many": 5, "all": 5}, class_names=names, changes=entries | changes)


def test_uneven_classes_are_judged_fairly_where_that_is_asked_for() -> None:
    by_loss, by_class = (summary_of(uneven(metric)) for metric in ("log_loss", "balanced_accuracy"))
    assert (by_loss["best"]["approach"], by_class["best"]["approach"]) == ("many", "all")
    rows = by_class["approaches"]
    assert rows["many"]["test_balanced_accuracy"] == rows["majority_class"]["test_balanced_accuracy"] == 1 / 3
    assert rows["all"]["test_balanced_accuracy"] == pytest.approx(0.8)
    low, high = (rows["all"][f"test_balanced_accuracy_{end}"] for end in ("low", "high"))
    assert low < 0.8 < high
    lines = "\n".join(closing_lines(by_class, "x"))
    # Its accuracy is below that of always guessing ants, which is no reason to call it worthless.
    assert rows["all"]["test_accuracy"] < rows["majority_class"]["test_accuracy"]
    expected = "all is best by validation balanced accuracy; its difference from many in accuracy could be chance."
    assert lines.partition("\n")[0] == expected
    assert (
        "It has the highest validation balanced accuracy (80.0%) and classifies 80.0% of the 105 test images" in lines
    )
    assert f"balanced accuracy, the mean over the classes, is 80.0% (95% interval {low:.1%} to {high:.1%})" in lines


def test_the_page_shows_the_recalls_of_uneven_classes_and_of_no_others() -> None:
    html = report_of(uneven("balanced_accuracy"))
    text = re.sub(r"\s+", " ", Page(html).text)
    assert "The best approach, by validation balanced accuracy, is shaded." in text
    (table,) = re.findall(r'aria-label="Recall of each class">.*?</table>', html, re.S)
    cells = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", table))
    interval = "{:.1%} {:.1f}–{:.1f}"
    few, none = fraction_interval(4 / 5, 5), fraction_interval(0 / 5, 5)
    assert interval.format(0.0, *(100 * end for end in none)) in cells
    assert interval.format(0.8, *(100 * end for end in few)) in cells
    assert "Recall by class" not in report_of(compare({"a": 4, "b": 9}))


@pytest.mark.parametrize("redrawn", [False, True])
def test_several_seeds_are_stated_with_mean_interval_and_deviation(redrawn: bool) -> None:
    manifest = manifest_of(["cat", "dog"], 60)
    runs = {
        seed: classification_metrics(predictions_of(manifest, ["cat", "dog"], wrong), ["cat", "dog"])
        for seed, wrong in ((0, 10), (1, 6), (2, 5))
    }
    facts = {"parameters": 1, "trainable_parameters": 1, "epochs": 2, "backbone": "source_cnn"}
    seeds = seed_summary(runs, redrawn)
    catalog = compare({"a": 10, "b": 4}, changes={"a.metrics": {**runs[0], **facts, "seeds": seeds}})
    summary, html = summary_of(catalog), report_of(catalog)
    assert summary["approaches"]["a"]["seeds"]["mean"] == seeds["mean"]
    assert "seeds" not in summary["approaches"]["b"]
    mean, deviation = seeds["mean"]["test_accuracy"], seeds["std"]["test_accuracy"]
    low, high = (seeds[f"mean_{end}"]["test_accuracy"] for end in ("low", "high"))
    interval = f"{100 * low:.1f}–{100 * high:.1f}"
    assert f"{100 * mean:.1f} ± {100 * deviation:.1f}</small><small>{interval}<" in html
    assert "a: 0, 1, 2" in html
    text = " ".join(sentences({**summary, "best": {**summary["best"], "approach": "a"}}))
    which, scope = (", each with its own split", "") if redrawn else (" on one split", ", for the randomness")
    assert f"With 3 seeds{which}, the mean is {mean:.1%} (95% interval {low:.1%} to {high:.1%}{scope}" in text
    assert ("Student's t" in html, "corrected resampled t" in html) == (not redrawn, redrawn)
    table = catalog.load("comparison_table").set_index("approach")
    assert table.loc["a", OF_SEEDS].tolist() == pytest.approx([3, mean, deviation, low, high])
    assert table.loc["b", OF_SEEDS].isna().all()


def test_the_layers_of_an_explained_model_are_listed_with_their_sums_and_a_long_list_is_folded() -> None:
    def layers(count: int) -> pd.DataFrame:
        row = {"type": "Dense", "output": "5", "parameters": 1200, "trainable": 1000, "receptive_field": 28}
        return pd.DataFrame([{"layer": f"layer_{i}", **row, "mebibytes": 0.5 if i else 0.0001} for i in range(count)])

    explained = {"made_with": model_info("any", **SETTINGS)["made_with"]}
    changes: dict[str, Any] = {}
    for approach, count in (("short", 4), ("long", 30)):
        changes |= {
            f"{approach}.explanation_record": explained,
            f"{approach}.explanation_layers": layers(count),
        }
    # Trained anew since it was explained.
    changes["stale.model_info"] = model_info("stale", **{**SETTINGS, "epochs": 3})
    changes |= {"stale.explanation_record": explained, "stale.explanation_layers": layers(4)}
    html = report_of(compare({"short": 4, "long": 9, "stale": 6}, changes=changes))
    tables = [
        re.sub(r"<[^>]*>|\s+", " ", table) for table in re.findall(r'<table class="layers">.*?</table>', html, re.S)
    ]
    assert len(tables) == 2
    short, long = (re.sub(r" +", " ", table) for table in tables)
    assert "batch of 16" in short
    assert "layer_0 Dense 5 1,200 1,000 28 &lt; 0.01" in short
    assert short.endswith("4 layers 4,800 4,000 1.50 ")
    assert long.endswith("30 layers 36,000 30,000 14.50 ")
    assert re.findall(r"<summary>(All .*?)</summary>", html) == ["All 30 layers: 36,000 parameters, 14.50 MiB"]


def settings_shown(html: str) -> dict[str, str]:
    """The page's text about each parameter of the training."""
    shown = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", html)
    return {name: re.sub("<[^>]*>", "", value) for name, value in shown}


def test_the_page_shows_what_a_model_was_trained_with_and_marks_what_is_different_now(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trained = model_info("a", epochs=2, learning_rate=0.001, augment=True, gone=[1, 2], batch_size=8)
    trained["made_with"]["augmentation"]["rotation_range"] = 15
    trained["backbone_made_with"] = {**BACKBONE.model_dump(mode="json"), "kwargs": {"alpha": 0.35}, "image_size": 64}
    catalog = compare(
        {"a": 4, "b": 9},
        changes={
            "a.model_info": trained,
            "params:a": {"epochs": 5, "learning_rate": 0.001, "augment": True, "new": None, "batch_size": 8},
            "params:seed": 3,
            "b.model_info": model_info("b", **SETTINGS, seeds=[0, 1]),
            "params:b": {**SETTINGS, "seeds": [0, 1]},
        },
    )
    expected = [
        "epochs: 2 then, 5 now",
        "gone: [1, 2] then, absent now",
        "seed: 0 then, 3 now",
        "augmentation.rotation_range: 15 then, 40 now",
        "backbone.kwargs.alpha: 0.35 then, absent now",
        "new: absent then, null now",
    ]
    html = report_of(catalog)
    text = re.sub(r"\s+", " ", Page(html).text)
    (note,) = re.findall(r"Parameters changed since the training: (.*?)\. Log loss", text)
    assert sorted(note.split("; ")) == sorted(expected)
    assert re.findall(r'<a class="changed" href="#(.*?)">parameters changed since</a>', html) == ["approach-a"]
    assert 'id="approach-a"' in html
    warnings = {record.getMessage() for record in caplog.records if record.levelname == "WARNING"}
    (warning,) = warnings
    assert warning.startswith("Parameters of a have changed since its training (")
    assert all(line in warning for line in expected)
    first = settings_shown(html[html.index('aria-label="a"') : html.index('aria-label="b"')])
    assert first["epochs"] == "2 now 5"
    assert first["augmentation.rotation_range"] == "15 now 40"
    assert (first["learning_rate"], first["augment"], first["batch_size"]) == ("0.001", "true", "8")
    second = settings_shown(html[html.index('aria-label="b"') :])
    assert (second["epochs"], second["seeds"], second["seed"]) == ("2", "[0, 1]", "0")


def test_what_cannot_be_compared_is_not_compared() -> None:
    other = predictions_of(manifest_of(["cat", "dog"], 40), ["cat", "dog"], 5)
    with pytest.raises(Exception, match="different test images"):
        compare({"a": 10, "b": 4}, changes={"b.predictions": other})


def test_numbers_are_written_as_precisely_as_the_images_allow() -> None:
    assert percent(0.9881, 1000) == "98.8%"
    assert percent(0.9881, 10_000) == "98.81%"
    # One mistake, or one right answer, is neither 100 nor 0 %.
    assert (percent(2499 / 2500, 2500), percent(1 / 25_000, 25_000)) == ("99.96%", "0.004%")
    assert (percent(1, 2500), percent(0, 2500), percent(0.99999, 1000)) == ("100.0%", "0.0%", "100.0%")
    assert p_value(0.00004) == "p < 0.001"
    assert p_value(0.1534) == "p = 0.15"
    assert (p_value(0.0496), p_value(0.0504)) == ("p = 0.0496", "p = 0.0504")


DATA_QUALITY = {
    "subject": data_quality_findings.subject([model_info("good", **SETTINGS)]),
    "photos": 360,
    "labels": {
        **{"rate": 0.05, "wrong": 18, "at_most": False, "accuracy": 0.95, "listed": 20, "confused": []},
        "not_judged": {},
    },
    "contradictions": 2,
    "across_splits": 0,
    "junk": {"dark": 1},
    "unlike": 3,
    "slices": [],
    "gain": {"gain": 0.012, "low": 0.004, "high": 0.02},
    "gain_by_class": {},
    "training_photos": 288,
}


def test_the_page_says_what_was_found_about_the_photos_unless_these_or_the_models_have_changed() -> None:
    trained_again = {**model_info("good", **SETTINGS), "made_with": {"backbone": "another"}}
    found = report_of(compare({"good": 20}, changes={"data_quality_summary": DATA_QUALITY}))
    earlier = DATA_QUALITY | {"subject": data_quality_findings.subject([trained_again])}
    other = report_of(compare({"good": 20}, changes={"data_quality_summary": earlier}))

    assert "18 wrong labels of 360; 2 groups of contradictory copies; 1 unusable photo" in found
    assert "+1.2 points with twice the photos" in found
    assert 'href="data_quality.html"' in found
    assert "data_quality.html" not in other


def test_the_page_shows_the_last_export_unless_the_model_has_changed() -> None:
    kept = {
        **{"file": "good.onnx", "megabytes": 3.25, "milliseconds": 1.5, "keras_milliseconds": 40.0, "refused": None},
        **{"images": 60, "largest_difference": 2.4e-7, "changed_answers": 0, "accuracy": 0.95, "keras_accuracy": 0.95},
        **{"accuracy_low": 0.863, "accuracy_high": 0.983, "model_md5": "md5 of good"},
    }
    not_run = {"file": "good.<b>.tflite", "megabytes": 1.0, "model_md5": "md5 of good", "refused": "its runtime failed"}
    table = pd.read_csv(StringIO(pd.DataFrame([kept, not_run]).to_csv(index=False)))

    found = report_of(compare({"good": 20}, changes={"export_table": table}))
    other = report_of(compare({"good": 20}, changes={"export_table": table.assign(model_md5="another")}))

    text = " ".join(Page(found).text.split())
    assert "good.onnx 2.4e-07 0of 60 95.0%86.3–98.395.0% 3.2 1.540.0" in text
    assert "good.<b>.tflitenot kept: its runtime failed – – – 1.0 ––" in text
    assert "Exported files" not in other


def test_the_page_shows_an_export_whose_figures_are_missing() -> None:
    failed = {"file": "good.tflite", "model_md5": "md5 of good", "megabytes": 1.0, "keras_milliseconds": 40.0}
    failed["refused"] = "its runtime failed"
    not_a_number = {
        **{"file": "good.onnx", "megabytes": 3.25, "milliseconds": 1.5, "keras_milliseconds": 40.0},
        **{"images": 60, "largest_difference": None, "changed_answers": 60, "accuracy": 0.0, "keras_accuracy": 0.95},
        **{"accuracy_low": 0.0, "accuracy_high": 0.06, "model_md5": "md5 of good", "refused": "60 of 60 changed"},
    }
    for row, shown in (
        (failed, "good.tflitenot kept: its runtime failed – – – 1.0 –40.0"),
        (not_a_number, "good.onnxnot kept: 60 of 60 changed – 60of 60 0.0%0.0–6.095.0% 3.2 1.540.0"),
    ):
        table = pd.read_csv(StringIO(pd.DataFrame([row]).to_csv(index=False)))
        found = report_of(compare({"good": 20}, changes={"export_table": table}))
        assert shown in " ".join(Page(found).text.split())


def test_the_page_shows_the_last_inference_unless_the_model_has_changed() -> None:
    random = np.random.default_rng(0)
    new, test = (Sample.of(random.dirichlet((9, 1), count), random.random(count) < 0.01) for count in (240, 600))
    summary: dict[str, Any] = {"source": "new <b>", "model": "good", "model_md5": "md5 of good"}
    summary["verdict"] = "These look <b>alike</b>."
    summary |= drift.compare(new, test, ["cat", "dog"])

    found = report_of(compare({"good": 20}, changes={"inference_summary": summary}))
    few = report_of(compare({"good": 20}, changes={"inference_summary": {**summary, "confidence": None}}))
    other = report_of(compare({"good": 20}, changes={"inference_summary": summary | {"model_md5": "another"}}))

    text = Page(found).text
    assert "The last inference: the photos of new <b>, with good. These look <b>alike</b>." in text
    assert "240 new photos600 test photos" in text
    assert f"Mean confidence{percent(summary['confidence']['value'], 240)} (" in text
    assert "These look <b>alike</b>." in Page(few).text
    assert "Mean confidence" not in few
    assert "last inference" not in other


def test_the_foot_says_with_which_code_machine_and_packages_each_part_was_made() -> None:
    facts = describe_run(PARAMETERS)
    facts["code"] |= {"commit": "0123456789abcdef", "dirty_files": ["src/<b>.py"]}
    facts["machine"] |= {"processor": "Z80", "instruction_set": "avx512f"}
    other = {**facts, "code": {"commit": "", "dirty_files": [], "requirements_lock": ""}}
    manifest = with_result(with_result({}, "e", other, "images", "feedbeef"), "e", facts, "good.model", "cafe")

    text = Page(report_of(compare({"good": 20}, changes={"provenance": manifest}))).text

    packages = f"python {facts['versions']['python']}, keras {facts['versions']['keras']}, tensorflow"
    assert f"good.model made with commit 0123456789 with 1 changed file; {packages}" in text
    assert "on Z80 (avx512f, held to avx2), 2 threads; seed 0." in text
    assert "images made with no commit; python" in text
    assert "src/<b>.py" in text
    assert "feedbeef" in text


@pytest.mark.parametrize("selection", [" --pipelines=data_quality", " --pipelines data_quality", " -p comparison", ""])
def test_the_command_on_the_page_makes_all_that_it_shows(selection: str) -> None:
    command = f"kedro run --env=photos{selection} --params=ingestion.source=own-photos"

    html = report_of(compare({"good": 20}, changes={"run_record": {"command": command}}))

    assert "<code>kedro run --env=photos --params=ingestion.source=own-photos</code>" in html
