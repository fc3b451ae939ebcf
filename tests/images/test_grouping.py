"""Groups of images in splits and folds."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dogs_vs_cats.errors import SplitError
from dogs_vs_cats.evaluation.cross_validation import divide
from dogs_vs_cats.images.grouping import summary
from dogs_vs_cats.images.opening import close_left
from dogs_vs_cats.images.preflight import check_source
from dogs_vs_cats.pipelines.data_ingestion.nodes import split_images
from tests.pipelines.test_data_ingestion import ingest, jpeg, parameters

PATIENT = r"(p\d+)"


def clinic(root: Path, patients: int, photos: int, parts: bool = False) -> Path:
    """Photos of patients, in two classes; the first photos of patients 0 and 1 are copies of each other."""
    for patient in range(patients):
        for number in range(photos):
            kind = ("ill", "well")[patient % 2]
            part = ("train/", "test/")[number % 2] if parts else ""
            path = root / f"{part}{kind}/p{patient}_{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            seed = 0 if patient < 2 and not number else 100 * patient + number
            path.write_bytes(jpeg(seed, quality=95 if patient else 60))
    return root


def settings(source: Path, **more: Any) -> Any:
    return parameters(source, **{"train": 0.6, "validation": 0.2, "test": 0.2, "group": PATIENT, **more})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The ingested photos of 12 patients, two of whom share a photo."""
    folder = tmp_path_factory.mktemp("clinic")
    return ingest(settings(clinic(folder / "photos", patients=12, photos=5)), folder)


def test_a_group_is_in_one_split_also_with_copies_in_another(made: dict[str, Any]) -> None:
    manifest, record = made["manifest"], made["ingestion_record"]
    patient = manifest["path"].str.extract(PATIENT)[0]
    assert (manifest["group_name"] == patient).all()
    assert (manifest.groupby("group_name")["split"].nunique() == 1).all()
    assert set(manifest["split"]) == {"train", "validation", "test"}
    assert manifest.groupby("group")["group_name"].nunique().tolist() == [2] + [1] * 10
    assert manifest["copies"].nunique() == len(manifest) - 1
    assert record["groups"] == {"groups": 12, "images": 60, "groups_across_splits": 0}
    assert record["near_duplicates"] == {"groups": 1, "images": 2, "groups_across_splits": 0}
    assert record["parameters"]["group"] == PATIENT


def test_a_group_is_in_one_fold(made: dict[str, Any]) -> None:
    manifest: pd.DataFrame = made["manifest"]
    for fold in divide(manifest, 4, 0):
        parts = manifest.assign(split=fold.splits).groupby("group_name")["split"].nunique()
        assert (parts == 1).all()


def test_groups_decide_the_identity_and_nothing_without_them_does(tmp_path: Path, made: dict[str, Any]) -> None:
    source = clinic(tmp_path / "photos", patients=4, photos=5)
    plain, same, halves = (
        ingest(settings(source, group=group), tmp_path / str(number))
        for number, group in enumerate((None, "(p[0-9]+)", "p([0-9]+)_"))
    )
    assert list(plain["manifest"]) == ["path", "label", "class_name", "split", "sha256", "width", "height", "group"]
    assert "groups" not in plain["ingestion_record"]
    assert len({each["ingestion_record"]["identity"] for each in (plain, same, halves)}) == 3


def test_few_groups_in_test_are_cross_validated_however_many_images_they_have(tmp_path: Path) -> None:
    """Twenty patients say as much as twenty images."""
    count = 1200
    images = pd.DataFrame(
        {
            "path": [f"{row}.jpg" for row in range(count)],
            "label": np.arange(count) // 60 % 2,
            "part": "",
            "sha256": [f"{row:064}" for row in range(count)],
            "group": np.arange(count) // 60,
        }
    )
    nothing, facts = pd.DataFrame({"path": [], "reason": []}), {"bit_depth": None, "constant": 0}

    def folds(table: pd.DataFrame, **more: Any) -> int | None:
        ingestion = settings(tmp_path, folds="auto", **more)
        _, record = split_images(table, nothing, ["ill", "well"], facts, ingestion, 0)
        number: int | None = record["folds"]
        return number

    assert folds(images, group=None) is None
    assert folds(images.assign(copies=np.arange(count), group_name=images["group"].astype(str))) == 5


def test_parts_of_the_source_that_divide_groups_get_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = clinic(tmp_path / "photos", patients=6, photos=6, parts=True)
    made = ingest(settings(source, split="auto"), tmp_path)
    assert made["ingestion_record"]["groups"]["groups_across_splits"] == 5
    assert "The source's official parts divide groups (5), so results are too optimistic" in caplog.text


def test_copies_of_photos_without_a_group_divide_none() -> None:
    manifest = pd.DataFrame({"split": ["train", "test"] * 2, "group": [0, 0, 2, 3], "group_name": ["", "", "a", "b"]})
    assert summary(manifest) == {"groups": 2, "images": 2, "groups_across_splits": 0}
    copies_of_a = manifest.assign(group=[2, 1, 2, 2])
    assert summary(copies_of_a)["groups_across_splits"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"group": "(ill|well)"},
            r"which divides the 20 images into only 2 groups, and each of train, validation, test needs one",
        ),
        (
            {"folds": 3},
            r"ingestion\.folds is 3, but class ill has only 2 groups, and each fold needs one\. Set it to 2",
        ),
    ],
)
def test_too_few_groups_are_refused_by_the_list_of_images(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    source = clinic(tmp_path / "photos", patients=4, photos=5)
    with pytest.raises(SplitError, match=message) as caught:
        check_source(settings(source, **changes), 0, tmp_path / "store")
    close_left()
    assert "\n" not in caught.value.message
