"""Corrections of labels: what they change, what they leave, and what is refused in one line."""

import hashlib
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.errors import CorrectionsError, StaleInputError
from dogs_vs_cats.evaluation.cross_validation import divide
from dogs_vs_cats.images import correction_files
from dogs_vs_cats.images.correction_files import Correction, Corrections
from dogs_vs_cats.images.corrections import apply
from dogs_vs_cats.images.opening import close_left
from dogs_vs_cats.images.preflight import check_source
from dogs_vs_cats.pipelines.data_ingestion.nodes import made_with
from dogs_vs_cats.session.stale_inputs import refuse_stale_inputs
from tests.pipelines.test_data_ingestion import folder_of, ingest, parameters

HEADER = "path,action,label,note"
GONE = "0" * 64


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 cats and 10 dogs."""
    return folder_of(tmp_path_factory.mktemp("pets") / "pets", cats=10, dogs=10)


@pytest.fixture
def ingested(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Ingests these pets with a file of corrections; the project's root is the folder of the test."""
    monkeypatch.setattr(correction_files, "ROOT", tmp_path)

    def run(*rows: str, header: str = HEADER, **more: Any) -> dict[str, Any]:
        (tmp_path / "fixes.csv").write_text("\n".join([header, *rows]) + "\n")
        return ingest(settings(**{"source": pets, **more}), tmp_path)

    return run


def settings(source: Path | str, corrections: str | None = "fixes.csv", **more: Any) -> Any:
    return parameters(source, **{"train": 10, "validation": 4, "test": 4, "corrections": corrections, **more})


def test_every_photo_stays_in_its_split(
    pets: Path, tmp_path: Path, ingested: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = ingest(settings(pets, corrections=None), tmp_path / "before")
    given = before["manifest"]
    tested, trained = (given.loc[given["split"] == split, "path"].iloc[0] for split in ("test", "train"))
    other = {"Cat": "dog", "Dog": "Cats"}[tested.partition("/")[0]]
    same = trained.partition("/")[0].lower()
    third = given.loc[given["split"] == "train", "path"].iloc[1]
    made = ingested(f"{tested},relabel,{other},blurred", f"{third},leave_out,,", f"{trained},relabel,{same},")
    manifest = made["manifest"].set_index("path")
    assert manifest["given_label"].tolist() == given["label"].tolist()
    assert manifest["given_split"].tolist() == given["split"].tolist()
    assert manifest.index[manifest["label"] != manifest["given_label"]].tolist() == [tested]
    assert manifest.index[manifest["split"] != manifest["given_split"]].tolist() == [third]
    assert manifest.loc[tested, "class_name"] == {"Cats": "cat"}.get(other, other)
    assert manifest.loc[third, "split"] == "unused"
    nothing = {"train": 0, "validation": 0, "test": 0, "unused": 0}
    assert made["ingestion_record"]["corrections"] == {
        "relabelled": nothing | {"test": 1},
        "left_out": nothing | {"train": 1},
        "confirmed": 1,
        "unchanged": 0,
    }
    said = "Corrections of fixes.csv: 1 image relabelled (1 test), 1 left out (1 train), 1 label confirmed"
    assert said in caplog.text
    assert made["ingestion_record"]["identity"] != before["ingestion_record"]["identity"]
    assert sorted(path.read_bytes() for path in pets.rglob("*.jpg")) == sorted(
        (pets / path).read_bytes() for path in given["path"]
    )


def test_a_moved_file_keeps_its_correction(tmp_path: Path, pets: Path, ingested: Callable[..., dict[str, Any]]) -> None:
    moved = shutil.copytree(pets, tmp_path / "moved")
    digest = hashlib.sha256((pets / "Cat/3.jpg").read_bytes()).hexdigest()
    (moved / "Cat/3.jpg").rename(moved / "Cat/another name.jpg")
    made = ingested(f"{digest.upper()},relabel,dog,", "Cat\\4.jpg,relabel,DOG,", source=str(moved))
    changed = made["manifest"].query("label != given_label")["path"].tolist()
    assert sorted(changed) == ["Cat/4.jpg", "Cat/another name.jpg"]


def test_a_row_that_corrects_several_identical_images_counts_once(caplog: pytest.LogCaptureFixture) -> None:
    """Published arrays of digits hold some images twice."""
    caplog.set_level(logging.INFO)
    digest = hashlib.sha256(b"3").hexdigest()
    columns = {"path": ["0", "1", "2", "3"], "label": [0, 0, 0, 1], "class_name": ["cat"] * 3 + ["dog"]}
    manifest = pd.DataFrame(columns).assign(split="train", sha256=[digest, "1", digest, "3"])
    rows = [Correction(2, digest, "relabel", "dog"), Correction(3, "bad", "leave_out", "")]
    corrected, counts = apply(Corrections("fixes.csv", "", rows), manifest, {"bad"}, ["cat", "dog"])
    assert corrected["label"].tolist() == [1, 0, 1, 1]
    assert counts is not None
    assert (counts["relabelled"]["train"], counts["unchanged"]) == (2, 1)
    assert "2 images relabelled (2 train), 0 left out, 1 row without effect" in caplog.text


def test_a_file_without_rows_corrects_nothing(ingested: Callable[..., dict[str, Any]]) -> None:
    made = ingested()
    assert (made["manifest"]["label"] == made["manifest"]["given_label"]).all()
    assert made["ingestion_record"]["corrections"]["unchanged"] == 0


def test_other_columns_are_ignored_and_the_note_may_be_missing(ingested: Callable[..., dict[str, Any]]) -> None:
    made = ingested("0.93,dog,Cat/1.jpg,relabel", "0.91,,Cat/2.jpg,leave_out", header="confidence,label,path,action")
    assert made["manifest"].query("label != given_label")["path"].tolist() == ["Cat/1.jpg"]
    short = ingested("Cat/1.jpg,leave_out")  # without the fields at the end
    assert short["manifest"].query("split != given_split")["path"].tolist() == ["Cat/1.jpg"]


def test_a_correction_of_a_photo_that_cant_be_used_is_named(
    tmp_path: Path, pets: Path, ingested: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    spoilt = shutil.copytree(pets, tmp_path / "spoilt")
    (spoilt / "Cat/1.jpg").write_bytes(b"no photo")
    made = ingested("Cat/1.jpg,leave_out,,", source=str(spoilt))
    said = "fixes.csv: Row 2 (Cat/1.jpg) has no effect, because the image can't be used; rejected_images.csv lists"
    assert said in caplog.text
    assert made["ingestion_record"]["corrections"]["unchanged"] == 1


def test_folds_test_every_photo_where_they_did_before(ingested: Callable[..., dict[str, Any]]) -> None:
    """A corrected label doesn't deal the other photos out anew."""
    plain, fixed = ingested()["manifest"], ingested("Cat/1.jpg,relabel,dog,", "Dog/2.jpg,leave_out,,")["manifest"]
    other = (plain["path"] != "Dog/2.jpg").to_numpy()
    for before, after in zip(divide(plain, 4, 0), divide(fixed, 4, 0), strict=True):
        assert (before.splits[other] == after.splits[other]).all()
        assert set(after.splits[~other]) == {"unused"}


def test_folds_train_on_every_class_that_corrections_leave(ingested: Callable[..., dict[str, Any]]) -> None:
    """Where the folds of the given labels would test all dogs that are left at once, others are dealt."""
    given = ingested(test=6)["manifest"]
    for seed in range(6):
        fold = next(divide(given, 2, seed)).splits
        tested = given["path"][(fold == "test") & (given["label"] == 1)]
        fixed = given.assign(
            given_label=given["label"],
            given_split=given["split"],
            label=given["label"].where(given["path"].isin(tested), 0),
        )
        assert len(tested) == 5
        for division in divide(fixed, 2, seed):
            assert set(fixed["label"][division.splits == "train"]) == {0, 1}


WRONG = {
    "an unknown path": (
        ["gone/3.jpg,leave_out,,"],
        "Row 2 (gone/3.jpg) names no image of the source. 3.jpg is at Cat/3.jpg, Dog/3.jpg; correct or delete such "
        "rows.",
    ),
    "unknown paths": (
        [f"gone {number}.jpg,leave_out,," for number in range(5)],
        "Rows 2 (gone 0.jpg), 3 (gone 1.jpg), 4 (gone 2.jpg) and 2 more name no image of the source. Paths "
        "and hashes are those of manifest.csv, such as Cat/0.jpg;",
    ),
    "an unknown class": (
        ["Cat/1.jpg,relabel,hamster,"],
        "Row 2 (hamster) has a label that is no class. The classes are cat, dog.",
    ),
    "no class": (
        ["Cat/2.jpg,relabel,,"],
        "Row 2 (Cat/2.jpg) has no label, and relabel needs one. The classes are cat, dog.",
    ),
    "an unknown action": (
        ["Cat/3.jpg,delete,,", "Cat/4.jpg,,dog,"],
        "Rows 2 (delete), 3 have an action that doesn't exist. Allowed are relabel, leave_out.",
    ),
    "no path, after empty rows": (
        ["", ",,,", " ,leave_out,,"],
        "Row 4 has no path. Write the path of an image, or its hash.",
    ),
    "twice": (
        ["Cat/5.jpg,relabel,dog,", "./Cat/5.jpg,relabel,Dog,again"],
        "1 image has the same correction more than once: Cat/5.jpg (row 2: relabel dog; row 3: relabel Dog). Keep one "
        "row for each image.",
    ),
    "contradictory": (
        ["Cat/6.jpg,relabel,dog,", "Cat/6.jpg,leave_out,,"],
        "1 image has contradictory corrections: Cat/6.jpg (row 2: relabel dog; row 3: leave_out). Keep one row",
    ),
    "a class that is gone": (
        [f"Dog/{number}.jpg,leave_out,," for number in range(10)],
        "fixes.csv leaves no image of dog. Correct fewer images, or leave classes out of ingestion.classes.",
    ),
}


COMPOSED, DECOMPOSED = "Cat/\u00e9.jpg", "Cat/e\u0301.jpg"


def found(row: str, *paths: str) -> dict[int, Correction]:
    """The corrections that a row makes of photos with these paths, whose hashes are `000…`, `111…` and so on."""
    corrections = Corrections("fixes.csv", "", [Correction(2, row, "leave_out", "")])
    hashes = [str(number) * 64 for number in range(len(paths))]
    return correction_files.find(corrections, paths, hashes, set(), ["cat", "dog"])


@pytest.mark.parametrize(
    ("row", "paths", "number"),
    [
        ("Cat/a.jpg", [" Cat/a.jpg"], 0),
        (COMPOSED, ["Cat/e.jpg", DECOMPOSED], 1),
        (DECOMPOSED, ["Cat/e.jpg", COMPOSED], 1),
        (COMPOSED, [DECOMPOSED, COMPOSED], 1),
        (DECOMPOSED, [DECOMPOSED, COMPOSED], 0),
        ("1" * 64, ["Cat/a.jpg", "Cat/a.jpg "], 1),
    ],
)
def test_a_path_is_known_without_its_outer_blanks_and_in_any_form_of_its_letters(
    row: str, paths: list[str], number: int
) -> None:
    assert list(found(row, *paths)) == [number]


def test_a_row_that_fits_several_photos_is_refused() -> None:
    """A cell loses the blanks around it, so nobody knows which of the two is meant."""
    with pytest.raises(CorrectionsError) as caught:
        found("Cat/a.jpg", "Cat/a.jpg", "Cat/b.jpg", "Cat/a.jpg ")
    assert caught.value.message == (
        "fixes.csv: Row 2 (Cat/a.jpg) names several images: 'Cat/a.jpg', 'Cat/a.jpg '. Name images by their SHA-256, "
        "see manifest.csv, instead of the path. Nothing was corrected."
    )


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_rows_are_refused_in_one_line_before_a_photo_is_decoded(
    kind: str, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correction_files, "ROOT", tmp_path)
    rows, message = WRONG[kind]
    (tmp_path / "fixes.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    with pytest.raises(CorrectionsError) as caught:
        check_source(settings(pets), 0, tmp_path / "store")
    close_left()
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert not (tmp_path / "store").exists()


def test_an_unknown_hash_is_refused_once_the_photos_are_read(ingested: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(
        CorrectionsError, match=rf"Row 2 \({GONE}\) names no image of the source\. Paths and hashes are"
    ):
        ingested(f"{GONE},leave_out,,")


def test_all_kinds_of_mistakes_are_named_at_once_and_nothing_is_half_applied(
    tmp_path: Path, ingested: Callable[..., dict[str, Any]]
) -> None:
    rows = ["Cat/9.jpg,relabel,dog,right", *(row for rows, _ in list(WRONG.values())[:-1] for row in rows)]
    with pytest.raises(CorrectionsError) as caught:
        ingested(*rows)
    first, *lines = caught.value.message.splitlines()
    assert first == "fixes.csv has 7 kinds of mistakes, and nothing was corrected:"
    assert all(line.startswith("  - ") for line in lines)
    assert len(lines) == 7
    assert not (tmp_path / "manifest.csv").exists()


FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, r"ingestion\.corrections is fixes\.csv, which can't be read: No such file.* or null\."),
    "UTF-16": (f"{HEADER}\n".encode("utf-16"), r"fixes\.csv isn't text in UTF-8 \(line 1\)"),
    "another header": (
        b"file,label\nCat/1.jpg,dog\n",
        r"lacks the columns path, action; its first line is file, label\. It should be path,action,label,note\.",
    ),
    "no header": (b"Cat/1.jpg,relabel,dog,\n", r"has no headers: .* Add a first line: path,action,label,note\."),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_cant_be_read_are_refused_in_one_line(
    kind: str, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correction_files, "ROOT", tmp_path)
    data, message = FILES[kind]
    if data is not None:
        (tmp_path / "fixes.csv").write_bytes(data)
    with pytest.raises(CorrectionsError, match=message) as caught:
        made_with(settings(pets), 0)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("where", ["data/08_reporting/photos/label_issues.csv", "other/../data/08_reporting/a.csv"])
def test_a_file_that_the_next_run_would_replace_is_refused(
    where: str, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correction_files, "ROOT", tmp_path)
    (tmp_path / "data/08_reporting/photos").mkdir(parents=True)
    (tmp_path / "data/08_reporting/photos/label_issues.csv").write_text(f"{HEADER}\nCat/1.jpg,relabel,dog,\n")
    with pytest.raises(
        CorrectionsError, match=r"a result that the next run would replace\. Copy it to a file of"
    ) as it:
        check_source(settings(pets, where), 0, tmp_path / "store")
    close_left()
    assert "\n" not in it.value.message


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_file_that_a_spreadsheet_has_saved(
    separator: str, pets: Path, tmp_path: Path, ingested: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"\ufeff{HEADER}\n,,,\nCat/1.jpg,relabel,dog,really\n\n,,,\n".replace(",", separator).replace("\n", "\r\n")
    (tmp_path / "fixes.csv").write_bytes(text.encode())
    manifest = ingest(settings(pets), tmp_path)["manifest"]
    assert Counter(manifest["label"] != manifest["given_label"]) == {False: 19, True: 1}


def test_an_edited_file_is_another_parameter(
    pets: Path, tmp_path: Path, ingested: Callable[..., dict[str, Any]]
) -> None:
    made = ingested("Cat/1.jpg,leave_out,,")
    recorded = made["ingestion_record"]["parameters"]
    assert recorded == made_with(settings(pets), 0)
    with (tmp_path / "fixes.csv").open("a") as file:
        file.write("Cat/2.jpg,leave_out,,\n")
    assert recorded["corrections"] != made_with(settings(pets), 0)["corrections"]
    assert made_with(settings(pets, corrections=None), 0)["corrections"] is None


def test_images_with_an_earlier_version_of_the_file_are_refused(
    pets: Path, tmp_path: Path, ingested: Callable[..., dict[str, Any]]
) -> None:
    record = ingested("Cat/1.jpg,leave_out,,")["ingestion_record"]
    catalog = DataCatalog({"ingestion_record": MemoryDataset(record)})
    trains = Pipeline([Node(len, inputs="manifest", outputs="number")])
    parameters = {"ingestion": settings(pets).model_dump(), "seed": 0}
    refuse_stale_inputs(trains, catalog, parameters, "photos")
    (tmp_path / "fixes.csv").write_text(f"{HEADER}\n")
    with pytest.raises(StaleInputError, match=r"with corrections: 'fixes\.csv \(SHA-256 \w+\)' then, 'fixes\.csv"):
        refuse_stale_inputs(trains, catalog, parameters, "photos")
