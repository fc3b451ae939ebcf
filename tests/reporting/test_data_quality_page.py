"""The page about the data, from planted findings."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.evaluation import copies, image_quality, label_errors
from dogs_vs_cats.evaluation.label_issues import list_issues
from dogs_vs_cats.pipelines.data_quality import nodes
from dogs_vs_cats.reporting import data_quality, data_quality_findings, data_quality_page

CLASSES = ["cat", "<dog>"]
COUNT = 120
WRONG, BLACK = 7, 12
MODEL = {"approach": "good", "seed": 0, "made_with": {"data": "0a1b"}}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    drawn = np.random.default_rng(0).integers(60, 200, (COUNT, 32, 32, 3)).astype(np.uint8)
    drawn[BLACK] = 0
    drawn[1] = drawn[0]
    return drawn


@pytest.fixture(scope="module")
def findings(images: np.ndarray) -> data_quality.Findings:
    random = np.random.default_rng(1)
    labels = np.arange(COUNT) // 2 % 2
    features = random.normal(size=(COUNT, 2, 2, 6)).astype(np.float32)
    features[..., 0] += 4 * labels[:, np.newaxis, np.newaxis]
    features[1] = features[0]
    given = labels.copy()
    given[[1, WRONG]] = 1 - given[[1, WRONG]]
    splits = np.where(np.arange(COUNT) % 4 == 3, "test", "train")
    table = {"path": [f"{row}.jpg" for row in range(COUNT)], "label": given, "split": splits}
    groups = np.arange(COUNT)
    groups[1] = 0
    manifest = pd.DataFrame({**table, "width": 300, "height": 200, "group": groups})
    predictions = manifest.assign(**{"probability_<dog>": labels * 0.8 + 0.1, "predicted": labels})

    described = nodes.describe_photos(images, manifest, {"fit": "stretch"})
    points, photos = nodes.place_photos(features.reshape(COUNT, -1), {"output_shape": [2, 2, 6]}, described, 0)
    probability, judged, strength = nodes.judge_labels(points, photos, 0)
    found, junk = copies.compare(photos, probability), image_quality.find_junk(photos)
    return data_quality.Findings(
        photos=photos,
        labels=judged,
        copies=found,
        junk=junk,
        slices=nodes.compare_slices(photos, CLASSES, ["good"], predictions),
        curves=nodes.measure_sizes(points, photos, CLASSES, strength, 0),
        mistakes=nodes.find_neighbours(points, photos, CLASSES, ["good"], predictions),
        issues=list_issues(photos, photos, judged, found, junk, CLASSES),
    )


def test_what_was_planted_is_in_the_table_of_issues(findings: data_quality.Findings) -> None:
    issues = findings.issues.set_index("path")[["action", "label", "kind"]]

    assert list(findings.issues.columns)[:4] == ["path", "action", "label", "note"]
    assert issues.iloc[0].tolist() == ["relabel", "cat", "contradiction"]
    assert [issues[column][f"{WRONG}.jpg"] for column in issues] == ["relabel", CLASSES[1], "label"]
    assert issues["action"][f"{BLACK}.jpg"] == "leave_out"
    assert issues["kind"][f"{BLACK}.jpg"] == "blank"


def test_the_only_mistake_of_an_approach_has_training_photos_as_neighbours(findings: data_quality.Findings) -> None:
    mistakes = findings.mistakes

    assert mistakes["row"].tolist() == [WRONG]
    assert set(findings.photos.loc[mistakes["neighbours"].iloc[0], "split"]) == {"train"}


def test_the_page_is_self_contained_and_says_the_five_things(
    findings: data_quality.Findings, images: np.ndarray
) -> None:
    summary = data_quality.summarise(findings, CLASSES, MODEL)

    html = data_quality_page.render(findings, summary, CLASSES, images, {"experiment": "planted"})

    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", html)
    assert "<script" not in html
    assert "<dog>" not in html
    for statement in data_quality_findings.statements(summary):
        assert f'href="#{statement.anchor}"' in html
        assert f'id="{statement.anchor}"' in html
    assert summary["contradictions"] == 1
    assert summary["labels"]["listed"] == (findings.issues["kind"] == "label").sum() < len(findings.issues) - 1
    assert summary["junk"] == {"blank": 1}
    suspects = html[html.index('id="labels"') : html.index('id="copies"')]
    assert f">{WRONG}.jpg<" in suspects
    assert suspects.count("<img") < 10, "photos whose label is beyond doubt"


def test_a_photo_that_has_a_correction_is_not_shown_as_suspicious(
    findings: data_quality.Findings, images: np.ndarray
) -> None:
    """Also one that is left out, which isn't among the photos any more."""
    issues = findings.issues.copy()
    issues.loc[WRONG, "kind"] = "applied"
    issues.loc[COUNT] = ["gone.jpg", "leave_out", None, "", "applied", None]
    decided = replace(findings, issues=issues, mistakes=findings.mistakes[:0])

    html = data_quality_page.render(decided, data_quality.summarise(decided, CLASSES, MODEL), CLASSES, images, {})

    assert f">{WRONG}.jpg<" not in html


def test_a_placeholder_with_hundreds_of_copies_is_shown_a_few_times(
    findings: data_quality.Findings, images: np.ndarray
) -> None:
    splits = ["train", "validation", "test"]
    group = pd.DataFrame({"copies": 3, "label": np.arange(100) % 2, "split": np.resize(splits, 100)}, range(20, 120))
    found = group.assign(contradicts=True, crosses=True, likely=0, kept=False)
    photos = findings.photos.assign(split=findings.photos["split"].where(findings.photos.index < 20, found["split"]))
    few = replace(findings, photos=photos, copies=found)

    html = data_quality_page.render(few, data_quality.summarise(few, CLASSES, MODEL), CLASSES, images, {})

    section = html[html.index('id="copies"') : html.index('id="junk"')]
    assert section.count("<img") == data_quality_page.COPIES
    assert "and 88 more of these copies" in section
    for split in splits:
        assert f'<span class="wrong">&lt;dog&gt;</span>, {split}' in section


def test_the_page_says_that_groups_count(findings: data_quality.Findings, images: np.ndarray) -> None:
    grouped = replace(findings, photos=findings.photos.assign(group_name="p"))
    summary = data_quality.summarise(findings, CLASSES, MODEL)

    pages = [data_quality_page.render(it, summary, CLASSES, images, {}) for it in (findings, grouped)]

    assert ["ingestion.group" in page for page in pages] == [False, True]


@pytest.mark.parametrize(("low", "words"), [(0.0004, "would hardly help"), (0.0006, "would add about 0.2 points")])
def test_more_photos_help_only_if_the_interval_says_so_as_it_is_written(
    findings: data_quality.Findings, low: float, words: str
) -> None:
    gain = {"gain": 0.002, "low": low, "high": 0.004}
    summary = data_quality.summarise(findings, CLASSES, MODEL) | {"gain": gain}

    assert data_quality_findings.headline(summary).endswith(f"twice as many photos {words}")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_statements_fit_their_numbers(findings: data_quality.Findings, number: int) -> None:
    worse = [{"approach": name, "subject": "class", "slice": "cat", "images": 20, "accuracy": 0.5} for name in "ab"]
    whole = data_quality.summarise(findings, CLASSES, MODEL)
    summary = whole | {
        "labels": whole["labels"] | {"rate": number / 120, "wrong": number, "listed": number, "confused": []},
        "contradictions": number,
        "across_splits": number,
        "junk": {"dark": number} if number else {},
        "unlike": number,
        "slices": worse if number else [],
    }

    text = " ".join([data_quality_findings.headline(summary), data_quality_findings.line(summary)])

    expected = {
        0: ["Almost all of the 120 labels look right", "0 wrong labels", "0 groups of", "0 unusable photos"],
        1: ["About 1 of 120 labels looks wrong", "1 wrong label of", "1 group of contradictory", "1 unusable photo;"],
        2: ["About 2 of 120 labels look wrong", "2 wrong labels of", "2 groups of contradictory", "2 unusable photos;"],
    }[number]
    # The same part of the photos, of two approaches, is one weak spot.
    for part in [*expected, "1 weak spot;" if number else "0 weak spots;"]:
        assert part in text


def test_the_page_says_at_most_where_the_base_hardly_tells_the_classes_apart(
    findings: data_quality.Findings, images: np.ndarray
) -> None:
    random = np.random.default_rng(0)
    guesses = np.column_stack([chance := random.random(COUNT), 1 - chance])
    unclear = replace(findings, labels=label_errors.judge(guesses, findings.photos))
    summary = data_quality.summarise(unclear, CLASSES, MODEL)
    wrong = summary["labels"]["wrong"]

    html = data_quality_page.render(unclear, summary, CLASSES, images, {})

    assert wrong > 30
    assert f"<h1>At most {wrong} of 120 labels look wrong" in html
    assert f"<strong>≤ {wrong}</strong>" in html
    assert re.search(r"too high: the base&#39;s features predict only (4|5)\d\.\d% of the labels", html)
    assert "less than 90% of the labels" in html


def test_a_class_with_a_single_photo_is_named_and_not_counted(findings: data_quality.Findings) -> None:
    photos = findings.photos.assign(label=findings.photos["label"].where(findings.photos.index != WRONG, 2))
    probability = np.eye(3)[photos["label"].clip(upper=1)] * 0.9 + 0.05
    labels = label_errors.judge(probability, photos)

    summary = data_quality.summarise(replace(findings, photos=photos, labels=labels), [*CLASSES, "hamster"], MODEL)

    assert summary["labels"]["not_judged"] == {"hamster": 1}
    assert summary["labels"]["wrong"] == 0
    assert "can't be judged: hamster." in data_quality_findings.statements(summary)[0].sentence


@pytest.mark.parametrize("column", ["group", "copies"])
def test_photos_are_copies_only_if_the_manifest_says_so(images: np.ndarray, column: str) -> None:
    """With `ingestion.near_duplicates: ignore` each photo has its own number, however alike two of them are."""
    sizes = {"label": np.arange(COUNT) % 2, "split": "train", "width": 300, "height": 200}
    manifest = pd.DataFrame({**sizes, "group": np.arange(COUNT) // 4, column: np.arange(COUNT)})

    assert not nodes.describe_photos(images, manifest, {"fit": "stretch"})["copies"].duplicated().any()


def test_the_page_says_that_too_few_groups_make_no_curve(findings: data_quality.Findings, images: np.ndarray) -> None:
    few = replace(findings, curves={})
    summary = data_quality.summarise(few, CLASSES, MODEL)

    html = data_quality_page.render(few, summary, CLASSES, images, {})

    assert summary["gain"] is None
    assert "twice" not in data_quality_findings.headline(summary)
    assert html.count("Too few groups of photos to estimate it") == 2


def test_too_few_photos_are_refused() -> None:
    manifest = pd.DataFrame({"path": ["a"], "label": [0], "split": ["train"]})

    with pytest.raises(SourceError, match=r"at least 20 photos in two classes\. Photos in use: 1, in classes: 1"):
        nodes.describe_photos(np.zeros((1, 8, 8, 3), np.uint8), manifest, {})


def test_classes_of_one_group_each_are_refused() -> None:
    rows = {"path": [str(number) for number in range(30)], "label": [0, 1, 2] * 10, "split": ["train"] * 30}
    manifest = pd.DataFrame(rows).assign(group=lambda table: table["label"])

    with pytest.raises(SourceError, match=r"each class has a single group\. Set ingestion\.group"):
        nodes.describe_photos(np.zeros((30, 8, 8, 3), np.uint8), manifest, {})
