"""The table of suspicious photos, written as a run writes it, and taken as the file of corrections."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import AbstractDataset

from dogs_vs_cats.evaluation.copies import compare
from dogs_vs_cats.evaluation.label_errors import LabelErrors
from dogs_vs_cats.evaluation.label_issues import list_issues
from dogs_vs_cats.images import correction_files
from dogs_vs_cats.parameters.files import read_yaml
from tests.conftest import PROJECT
from tests.pipelines.test_data_ingestion import ingest, jpeg, parameters

CLASSES = ["1", "NA"]
NAMES = [
    "plain.jpg",
    "comma, and more.jpg",
    '"quoted".jpg',
    "it's.jpg",
    "Größe 猫.jpg",
    "semicolon;tab\tbar|.jpg",
    "=SUM(A1).jpg",
    "#1.jpg",
    "two  blanks.jpg",
    "null.jpg",
]
NO_COPIES = pd.DataFrame({name: [] for name in ("copies", "label", "split", "contradicts", "crosses", "likely")})
NO_COPIES = NO_COPIES.astype({"contradicts": bool, "crosses": bool})
NO_JUNK = pd.DataFrame({"kind": [], "value": []})


def judged(photos: pd.DataFrame, wrong: pd.Index) -> LabelErrors:
    """A judgement by which some photos, by their index, are of the other class."""
    suspicious = photos.index.isin(wrong)
    other = 1 - photos["label"]
    own = np.where(suspicious, 0.05, 0.95)
    likely = photos["label"].mask(suspicious, other)
    ranking = pd.DataFrame({"likely": likely, "own": own, "suggested": other, "other": 1 - own}, photos.index)
    return LabelErrors(ranking.sort_values("own", kind="stable"), np.eye(2) / 2)


def issues(
    manifest: pd.DataFrame, wrong: pd.Index, junk: pd.DataFrame = NO_JUNK, copies: pd.DataFrame = NO_COPIES
) -> pd.DataFrame:
    photos = manifest[manifest["split"] != "unused"]
    return list_issues(photos, manifest, judged(photos, wrong), copies, junk, CLASSES)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos with awkward names, in folders with blanks at their ends and classes that look like numbers or gaps."""
    monkeypatch.setattr(correction_files, "ROOT", tmp_path)
    for number, (kind, name) in enumerate((kind, name) for kind in (" 1", "NA") for name in NAMES):
        path = tmp_path / "photos" / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    return tmp_path / "photos"


def made(photos: Path, corrections: str | None = None) -> dict[str, Any]:
    settings = parameters(photos, train=12, validation=4, test=4, corrections=corrections)
    return ingest(settings, photos.parent)


def save(table: pd.DataFrame, path: Path) -> None:
    """Writes the table as the catalog does."""
    entry = read_yaml(PROJECT / "conf/base/catalog_data_quality.yml")["label_issues"]["dataset"]
    AbstractDataset.from_config("label_issues", {**entry, "filepath": str(path)}).save(table)


def test_the_table_is_a_file_of_corrections_whatever_paths_and_classes_are_called(photos: Path) -> None:
    before = made(photos)["manifest"]
    assert sum(path.startswith(" ") for path in before["path"]) == len(NAMES)
    few = before.index[before["path"].str.contains("NA/|1/p|1/c")]

    save(issues(before, few), photos.parent / "fixes.csv")
    after = made(photos, "fixes.csv")["manifest"]

    assert after["path"].tolist() == before["path"].tolist()
    assert after.index[after["label"] != before["label"]].tolist() == few.tolist()
    assert (photos.parent / "fixes.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,action,label,note,kind,confidence")


def test_the_second_round_keeps_the_corrections_of_the_first(photos: Path) -> None:
    before = made(photos)["manifest"]
    wrong, confirmed, left_out, new = before.index[:4]
    first = issues(before, before.index[:2], pd.DataFrame({"kind": ["dark"], "value": [3.0]}, [left_out]))
    assert first.index.tolist() == [wrong, confirmed, left_out]
    first.loc[confirmed, "label"] = CLASSES[before.loc[confirmed, "label"]]
    first.loc[wrong, "note"] = 'looked at, with a "friend"'
    save(first, photos.parent / "fixes.csv")

    after = made(photos, "fixes.csv")
    # The classifiers still disagree with what was confirmed, and with the corrected label.
    second = issues(after["manifest"], before.index[:2].append(pd.Index([new])))

    assert second["kind"].to_dict() == {wrong: "applied", confirmed: "applied", left_out: "applied", new: "label"}
    assert second.loc[first.index, ["path", "action", "label"]].equals(first[["path", "action", "label"]])
    assert second.loc[wrong, "note"] == 'looked at, with a "friend"'
    assert after["ingestion_record"]["corrections"]["confirmed"] == 1
    save(second[second["kind"] == "applied"], photos.parent / "fixes.csv")
    assert made(photos, "fixes.csv")["manifest"].equals(after["manifest"])


def test_a_tiny_photo_with_a_wrong_label_is_relabelled_and_a_dark_one_is_left_out(photos: Path) -> None:
    manifest = made(photos)["manifest"]
    tiny, long, dark, small = manifest.index[:4]
    kinds = {"kind": ["tiny", "extreme shape", "dark", "tiny"], "value": [20.0, 5.0, 3.0, 20.0]}

    table = issues(manifest, manifest.index[:3], pd.DataFrame(kinds, [tiny, long, dark, small]))

    relabel, leave_out = "relabel", "leave_out"
    assert table["action"].to_dict() == {tiny: relabel, long: relabel, dark: leave_out, small: leave_out}


@pytest.mark.parametrize(("labels", "kind"), [([0, 1], "contradiction"), ([0, 0], "label"), ([1, 1], "copy")])
def test_a_copy_of_a_test_photo_is_left_out_of_training_whatever_its_label(labels: list[int], kind: str) -> None:
    manifest = pd.DataFrame({"path": ["train/a.jpg", "test/b.jpg"], "label": labels, "split": ["train", "test"]})
    copies = compare(manifest.assign(copies=0), np.array([[0.1, 0.9], [0.1, 0.9]]))

    table = issues(manifest, manifest.index[manifest["label"] == 0], copies=copies)

    actions, notes = table["action"].to_dict(), table["note"].to_dict()
    assert actions[0] == "leave_out"
    assert table["label"].isna().to_dict()[0]
    assert notes[0].startswith("labelled 1, ") == (kind != "copy")
    assert notes[0].endswith("in train, with a copy in test: test/b.jpg")
    assert table["kind"][0] == kind
    assert actions.get(1, "relabel") == "relabel"


def test_a_confirmed_label_decides_for_the_copies_of_its_photo() -> None:
    rows = {"path": ["a.jpg", "b.jpg"], "label": [0, 1], "split": ["train", "train"]}
    manifest = pd.DataFrame(rows).assign(correction=["", "relabel"], note="")
    probability = np.array([[0.9, 0.1], [0.9, 0.1]])

    copies = compare(manifest.assign(copies=0), probability)
    table = issues(manifest, manifest.index[:0], copies=copies)

    assert table["kind"].to_dict() == {1: "applied", 0: "contradiction"}
    assert table["label"].to_dict() == {1: CLASSES[1], 0: CLASSES[1]}
    undecided = compare(manifest.assign(copies=0, correction=""), probability)
    assert issues(manifest.drop(columns="correction"), manifest.index[:0], copies=undecided)["label"].to_dict() == {
        1: CLASSES[0]
    }
