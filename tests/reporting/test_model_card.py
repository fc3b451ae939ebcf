"""The model card of a comparison, read by Hugging Face's own parser where it is installed."""

from typing import Any

import pytest
import yaml

from dogs_vs_cats.evaluation.metrics import seed_summary, without_test
from dogs_vs_cats.images.splits import SPLITS
from dogs_vs_cats.provenance.manifest import describe_run, with_result
from dogs_vs_cats.reporting import data_quality_findings
from tests.reporting.test_comparison import DATA_QUALITY, PARAMETERS, SETTINGS, compare, crossed, model_info, run

PLACE = {"source": "/home/me/photos/train.zip", "images": "/home/me/all photos", "train_size": 60, "classes": None}
COMMAND = (
    "kedro run --env=photos --pipelines=comparison --conf-source=/home/me/conf "
    "'--params=ingestion.source=~/all photos/train.zip,backbone.weights=/home/me/vgg16.h5'"
)


def info(approach: str, **facts: Any) -> dict[str, Any]:
    base = {"name": "VGG16", "weights": "/home/me/vgg16.h5"}
    settings: dict[str, Any] = {**SETTINGS, "dropout": None, "seeds": []}
    sizes = {"image_size": 32, "channels": 3}
    return {**model_info(approach, **settings), **sizes, "backbone_made_with": base, **facts}


def card_of(approaches: dict[str, int], class_names: list[str] | None = None, **changes: Any) -> str:
    infos = {f"{name}.model_info": info(name) for name in approaches}
    records = {"ingestion_record": {"parameters": PLACE}, "run_record": {"experiment": "sample", "command": COMMAND}}
    catalog = compare(approaches, class_names, changes=infos | records | changes)
    run(catalog, list(approaches), "model_card")
    card: str = catalog.load("model_card")
    for absent in ("None", "null", "[]", "/home/me", "~"):
        assert absent not in card
    return card


@pytest.fixture(scope="module")
def card() -> str:
    manifest: dict[str, Any] = {}
    for name in ("images", "manifest", "good.model"):
        manifest = with_result(manifest, "sample", describe_run(PARAMETERS), name, f"md5 of {name}")
    spot = {"approach": "good", "subject": "brightness", "slice": "3 to 40", "images": 20, "accuracy": 0.6}
    found = DATA_QUALITY | {
        "subject": data_quality_findings.subject([info("poor"), info("good")]),
        "slices": [spot, {**spot, "approach": "poor", "slice": "1 to 2"}],
    }
    return card_of({"poor": 3, "good": 12}, provenance=manifest, data_quality_summary=found)


def test_the_head_has_what_hugging_face_asks_for(card: str) -> None:
    _, head, _ = card.split("---\n", 2)
    found = yaml.safe_load(head)
    assert (found["library_name"], found["pipeline_tag"]) == ("keras", "image-classification")
    (model,) = found["model-index"]
    assert model["name"] == "sample-good"
    (result,) = model["results"]
    assert result["task"]["type"] == "image-classification"
    assert result["dataset"] == {
        "type": "train.zip",
        "name": "train.zip",
        "split": "test",
        "revision": "md5 of manifest",
    }
    accuracy = result["metrics"][0]
    assert (accuracy["type"], accuracy["value"]) == ("accuracy", pytest.approx(55 / 60))
    low, high = accuracy["args"]["confidence_interval_95"]
    assert low < 55 / 60 < high
    assert {metric["type"] for metric in result["metrics"]} == set(found["metrics"])


def test_hugging_faces_parser_reads_the_results(card: str) -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(card).data
    assert data.model_name == "sample-good"
    results = {result.metric_type: result for result in data.eval_results}
    assert results["accuracy"].metric_value == pytest.approx(55 / 60)
    assert results["accuracy"].dataset_revision == "md5 of manifest"
    assert results["roc_auc"].task_type == "image-classification"


def test_the_body_says_what_was_measured_on_what_and_how_to_load_the_model(card: str) -> None:
    for part in (
        "| file | `good.keras`, MD5 `md5 of good.model` |",
        "raw values 0 to 255, shape (n, 32, 32, 3)",
        'keras.models.load_model("good.keras")',
        "array of all images: MD5 `md5 of images`; manifest with the hash and split of every image: MD5 `md5 of",
        "| test | 30 | 30 | 60 |",
        "| good | 91.7% (81.9% to 96.4%) |",
        "| majority\\_class (always the same class) | 50.0% (",
        "* learning\\_rate: 0.001",
        "Made with commit ",
        "brightness, 3 to 40: 60.0% of 20 images, significantly lower than the rest",
        "The expected calibration error on the test images is 0.117",
        "Prepared with images all photos, train\\_size 60.",
        "* backbone.weights: vgg16.h5",
        "kedro run --env=photos --conf-source=conf --params=ingestion.source=train.zip,backbone.weights=vgg16.h5\n",
    ):
        assert part in card
    assert "1 to 2" not in card
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_after_a_cross_validation_seeds_have_no_test_accuracy_and_intervals_cover_other_trainings() -> None:
    changes = crossed(folded=20)
    runs = {seed: {**changes["folded.metrics"], "test": {"accuracy": 0.9, "log_loss": 0.1}} for seed in (0, 1)}
    splits = {seed: {split: run[split] for split in SPLITS} for seed, run in runs.items()}
    changes["folded.metrics"]["seeds"] = without_test(seed_summary(splits))

    card = card_of({"folded": 20}, **changes)

    assert "The results are from seed 0.\n" in card
    assert "2-fold cross-validation on all images in use" in card
    assert "test accuracies cover other images of the same kind and other training images." in card


def test_names_are_no_markup_and_what_is_unknown_is_left_out() -> None:
    card = card_of({"good": 9}, class_names=["a|b", "<b>c</b>\n# d", "e"])
    assert "a\\|b, \\<b\\>c\\</b\\> \\# d, e, in this order, shape (n, 3)" in card
    assert "MD5" not in card
    assert "the pipeline `data_quality` also" not in card
    assert "it hasn't run on these images and models" in card
