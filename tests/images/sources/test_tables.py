"""Labels from a table: what is understood, and what is refused with which words."""

import logging
import os
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources import Source, open_source
from tests.images.sources.test_sources import change_directory, labels, parameters, parts, paths, write_files, write_zip

PHOTOS = [f"train/{number}.jpg" for number in range(1, 7)]
KINDS = ["beagle", "pug"] * 3


def table(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows]) + "\n"


def pets(header: str = "path,label", names: list[str] = PHOTOS, kinds: list[str] = KINDS) -> str:
    return table(header, [f"{name},{kind}" for name, kind in zip(names, kinds, strict=True)])


def with_column(header: str, values: list[str]) -> str:
    """A table with a third column."""
    return pets(f"path,label,{header}", kinds=[f"{kind},{value}" for kind, value in zip(KINDS, values, strict=True)])


def logged_by(caplog: pytest.LogCaptureFixture, level: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == level]


def opened(
    folder: Path, text: str | bytes, files: list[str] = PHOTOS, root: Path | None = None, **changes: Any
) -> Source:
    """Opens a table beside some files."""
    write_files(folder, files)
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return open_source(parameters(folder / "labels.csv", **changes), root or folder)


def refusal(root: Path, text: str | bytes, files: list[str] = PHOTOS, **changes: Any) -> str:
    with pytest.raises(SourceError) as caught:
        opened(root, text, files, **changes)
    assert "\n" not in caught.value.message
    return caught.value.message.replace(f"{root}/", "")


@pytest.mark.parametrize(
    "header",
    ["path,label", "file,class", "filename,category", "image,target", "image_id,label", "img_path,class_name",
     "Image Name,Species", "id,breed", "FileName,ClassId", "picture,healthy", "id,name", "Datei,Rasse"],
)  # fmt: skip
def test_columns_are_known_by_their_headers(tmp_path: Path, header: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    source = opened(tmp_path, pets(header))
    assert labels(source) == dict(zip(PHOTOS, KINDS, strict=True))
    image, label = header.split(",")
    assert f"column {image} names the images, and column {label} the classes" in caplog.text


@pytest.mark.parametrize(
    "name", ["{}.jpg", "{}", "./train/{}.jpg", "train\\{}.jpg", "train/{}", "TRAIN/{}.JPG", " {}.jpg "]
)
def test_an_image_may_be_named_by_its_path_or_a_part_of_it(tmp_path: Path, name: str) -> None:
    source = opened(tmp_path, pets(names=[name.format(number) for number in range(1, 7)]))
    assert labels(source) == dict(zip(PHOTOS, KINDS, strict=True))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(("name", "plain"), [("train/Café {}.jpg", "train/6.jpg"), ("café {}", "6")])
@pytest.mark.parametrize("is_zip", [False, True])
def test_composed_and_decomposed_letters_are_the_same(
    tmp_path: Path, form: Any, name: str, plain: str, is_zip: bool
) -> None:
    """Files from macOS may have decomposed names, and tables composed ones; or the other way round."""
    files = [normalize(form, f"train/Café {number}.jpg") for number in range(1, 6)] + ["train/6.jpg"]
    names = [normalize("NFD" if form == "NFC" else "NFC", name.format(number)) for number in range(1, 6)]
    text = pets(names=[*names, plain])
    if is_zip:
        write_zip(tmp_path / "photos.zip", files)
        with zipfile.ZipFile(tmp_path / "photos.zip", "a") as archive:
            archive.writestr("labels.csv", text)
        source = open_source(parameters(tmp_path / "photos.zip"), tmp_path)
    else:
        source = opened(tmp_path, text, files)
    assert labels(source) == dict(zip(files, KINDS, strict=True))
    assert not source.rejected


def test_a_file_in_each_form_of_the_letters_needs_the_exact_name(tmp_path: Path) -> None:
    composed, decomposed = (normalize(form, "train/é.jpg") for form in ("NFC", "NFD"))
    files = [composed, decomposed, *PHOTOS]
    source = opened(
        tmp_path / "exact", pets(names=[composed, decomposed, *PHOTOS], kinds=["pug", "beagle", *KINDS]), files
    )
    assert (labels(source)[composed], labels(source)[decomposed]) == ("pug", "beagle")
    text = pets(names=["é", *"123456"], kinds=["pug", *KINDS])
    assert "1 of the 7 names in labels.csv fit several files; the first, é, fits train/" in refusal(
        tmp_path / "part", text, files
    )


def test_paths_may_lie_elsewhere_and_count_from_the_folder_of_the_table(tmp_path: Path) -> None:
    write_files(tmp_path, ["elsewhere/1.jpg", "elsewhere/2.jpg", "tables/a.jpg", "tables/b.jpg"])
    names = [f"{tmp_path}/elsewhere/1.jpg", "../elsewhere/2.jpg", f"{tmp_path}/tables/a.jpg", "b.jpg"]
    source = opened(tmp_path / "tables", pets(names=names, kinds=["x", "y", "x", "y"]), [])
    assert Counter(paths(source)) == Counter([f"{tmp_path}/elsewhere/1.jpg", "../elsewhere/2.jpg", "a.jpg", "b.jpg"])
    assert [source.read(entry) for entry in source.entries() if entry.path == "b.jpg"] == [b"bytes of tables/b.jpg"]


def test_only_the_named_images_are_used_in_natural_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    files = [f"{number}.jpg" for number in range(1, 13)]
    source = opened(tmp_path, pets(names=["11", "2", "10", "1"], kinds=["3", "20", "3", "20"]), files)
    assert paths(source) == ["1.jpg", "2.jpg", "10.jpg", "11.jpg"]
    assert source.class_names == ["3", "20"]
    assert "Ignored 8 images that" in caplog.text


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_and_quotes(tmp_path: Path, separator: str) -> None:
    rows = [f'"{name}"{separator}"{kind}, or so"' for name, kind in zip(PHOTOS, KINDS, strict=True)]
    source = opened(tmp_path, "\ufeff" + table(f"path{separator}label", rows).replace("\n", "\r\n"))
    assert source.class_names == ["beagle, or so", "pug, or so"]


def test_parts_and_numbered_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    given = ["train", "train", "Training", "TRAIN", "test", "test"]
    rows = [f"{row},{PHOTOS[row]},{KINDS[row]},{given[row]}" for row in range(6)]
    source = opened(tmp_path, table(",path,label,split", rows))
    assert parts(source) == dict(zip(PHOTOS, ["train"] * 4 + ["test"] * 2, strict=True))
    without = with_column("split", ["2", "10", "x"] * 2)
    assert set(parts(opened(tmp_path, without)).values()) == {""}
    assert logged_by(caplog, "WARNING") == [
        f"{tmp_path}/labels.csv: column split is ignored, because none of its values is a part (train, validation, "
        "test): 2, 10, x."
    ]


def test_values_that_are_no_parts_among_parts_are_refused(tmp_path: Path) -> None:
    given = ["train", "", "test", " extra ", "prediction", "train"]
    message = refusal(tmp_path, with_column("split", given))
    assert message == (
        "3 of the 6 rows of labels.csv name no part (column split): row 3 (empty), row 5 (extra), row 6 (prediction), "
        "counted with the headers. Allowed are train, validation, test. Correct or delete these rows, or ignore the "
        "column by ingestion.columns=[path,label]."
    )
    assert set(parts(opened(tmp_path, with_column("split", given), columns=["path", "label"])).values()) == {""}


def test_rows_that_are_all_for_training_are_so(tmp_path: Path) -> None:
    assert set(parts(opened(tmp_path, with_column("split", ["train"] * 6))).values()) == {"train"}


def test_two_columns_that_may_be_the_part_are_refused(tmp_path: Path) -> None:
    rows = [f"{PHOTOS[row]},{KINDS[row]},{'train' if row < 4 else 'test'},public" for row in range(6)]
    text = table("path,label,split,usage", rows)
    assert refusal(tmp_path, text) == (
        "labels.csv has the columns path, label, split, usage: split, usage may all be the part. Set ingestion.columns "
        "to the headers of the image, its class and its part, as in ingestion.columns=[path,label,split], or leave out "
        "the third to ignore parts."
    )
    source = opened(tmp_path, text, columns=["path", "label", "split"])
    assert Counter(parts(source).values()) == {"train": 4, "test": 2}


def test_an_id_beside_a_path_is_no_path(tmp_path: Path) -> None:
    rows = [f"{row},{PHOTOS[row]},{KINDS[row]}" for row in range(6)]
    assert labels(opened(tmp_path, table("id,file,label", [f"0{row}" for row in rows]))) == dict(
        zip(PHOTOS, KINDS, strict=True)
    )


def test_given_columns(tmp_path: Path) -> None:
    rows = [f"{PHOTOS[row]},{KINDS[row]},{row // 3},{'train' if row < 4 else 'test'}" for row in range(6)]
    text = table("image,label,class,fold", rows)
    assert "label, class may all be the class. Set ingestion.columns" in refusal(tmp_path, text)
    source = opened(tmp_path, text, columns=["image", "class", "fold"])
    assert source.class_names == ["0", "1"]
    assert Counter(parts(source).values()) == {"train": 4, "test": 2}
    message = refusal(tmp_path, text, columns=["image", "klass"])
    assert message == (
        "ingestion.columns names klass, which labels.csv lacks; its columns are image, label, class, fold."
    )


def test_classes_selects_and_orders(tmp_path: Path) -> None:
    kinds = ["cats", "Dog", "bird"] * 2
    assert opened(tmp_path, pets(kinds=kinds), classes=["dog", "cat"]).class_names == ["dog", "cat"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "labels.csv can't be read as a table: No columns to parse from file"),
        ("path,label\n", "labels.csv has no rows"),
        (pets().encode("utf-16"), "labels.csv isn't text in UTF-8 (line 1). Save it again"),
        (pets(kinds=["Böxer", "pug"] * 3).encode("cp1252"), "labels.csv isn't text in UTF-8 (line 2)"),
        (pets() + "a,b,c\n", "labels.csv can't be read as a table: Expected 2 fields in line 8, saw 3"),
        (table("path,label", [f"{name},x,y" for name in PHOTOS]), "labels.csv has rows with more fields than headers"),
        (b"\x89PNG\r\n\x1a\n\0\0", "labels.csv isn't text in UTF-8"),
        ("a\0b,c\n1,2\n", "labels.csv can't be read as a table: it has null characters"),
        (pets("train/0.jpg,pug"), "labels.csv has no headers: its first line is train/0.jpg,pug. Add a first line"),
        (pets("path,label", names=["train/1.jpg", *["gone.jpg"] * 5]), "5 of the 6 images that labels.csv names"),
        (pets(names=["x"] * 6), "6 of the 6 images that labels.csv names aren't there; the first is x. Paths are"),
        (pets(kinds=["", "pug", " ", "beagle", "pug", "pug"]), "2 of the 6 rows of labels.csv have no label (column"),
        (pets(names=["", *PHOTOS[1:]]), "1 of the 6 rows of labels.csv name no image (column path); the first is row"),
        (pets(kinds=["pug"] * 6), "The label in labels.csv (column label) is the same in every row. At least two"),
        (pets(kinds=list("abcdef")), "The label in labels.csv (column label) is different in every row"),
        (pets(names=["train/1.jpg"] * 6), "1 rows of labels.csv contradict an earlier one; the first are of"),
        (table("path,width,height", [f"{name},1,2" for name in PHOTOS]), "no header says which is the class"),
        (table("label,width,height", ["pug,640,480"]), "No column of labels.csv (label, width, height) names files"),
        (table("label", ["pug", "beagle"]), "labels.csv has the columns label: none names images"),
        (
            table("image,file,label", [f"{name},{name},{kind}" for name, kind in zip(PHOTOS, KINDS, strict=True)]),
            "labels.csv has several columns that name files: image, file. Set ingestion.columns",
        ),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused_in_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize("suffix", [".jpg", ""])
def test_photos_that_are_missing_are_rejected(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    names = [f"{name.removesuffix('.jpg')}{suffix}" for name in PHOTOS]
    source = opened(tmp_path, pets(names=[*names[:4], f"train/gone{suffix}", f"train/7{suffix}"]))
    assert paths(source) == PHOTOS[:4]
    assert [path for path, _ in source.rejected] == [f"train/gone{suffix}", f"train/7{suffix}"]
    assert all(re.search("not there|No such file", reason) for _, reason in source.rejected)
    assert logged_by(caplog, "WARNING") == [
        f"2 of the 6 images that {tmp_path}/labels.csv names aren't there; the first is train/gone{suffix}. "
        "rejected_images.csv lists them."
    ]


@pytest.mark.parametrize("column", ["text", "path"])
def test_a_text_too_long_to_be_a_path_is_none(tmp_path: Path, column: str) -> None:
    if column == "text":
        rows = [f"{name},{'x' * 300},{kind}" for name, kind in zip(PHOTOS, KINDS, strict=True)]
        source = opened(tmp_path, table("Datei,Text,label", rows))
        assert labels(source) == dict(zip(PHOTOS, KINDS, strict=True))
        return
    source = opened(tmp_path, pets(names=[f"train/{'x' * 300}.jpg", *PHOTOS[1:]]))
    assert paths(source) == PHOTOS[1:]
    assert [reason for _, reason in source.rejected] == ["can't be read: File name too long"]


def test_a_group_is_the_column_of_neither_the_images_nor_the_classes(tmp_path: Path) -> None:
    assert "none names images, beside path, which ingestion.group names." in refusal(tmp_path, pets(), group="path")
    text = with_column("size", ["1"] * 6)
    message = refusal(tmp_path, text, group="label")
    assert "no header says which is the class, beside label, which ingestion.group names." in message


def test_the_log_says_where_validation_images_of_a_table_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    values = ["train", "train", "validation", "validation", "test", "test"]
    source = opened(tmp_path, with_column("split", values))
    assert list(parts(source).values()) == ["train"] * 4 + ["test"] * 2
    assert "names the parts; its validation images count as training images, of which validation is" in caplog.text


def test_empty_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    """A spreadsheet leaves them where rows were cleared."""
    values = [
        f"{part},{number % 2}" for number, part in enumerate(["train", "train", "train", "train", "test", "test"])
    ]
    header, first, *rows = with_column("split,patient", values).splitlines()
    source = opened(tmp_path / "right", table(header, [first, ",,,", "", *rows, ", ,,"]), group="patient")
    assert list(parts(source).values()) == ["train"] * 4 + ["test"] * 2
    assert list(source.groups.values()) == ["0", "1"] * 3
    wrong = table(header, [first, "", ",,,", *rows[:-1], rows[-1].replace("test", "exam")])
    assert "row 9 (exam), counted with the headers" in refusal(tmp_path / "wrong", wrong, group="patient")
    gap = table(header, [first, "", *rows[:-1], "train/6.jpg,,test,0"])
    assert "the first is row 8, counted with the headers" in refusal(tmp_path / "gap", gap, group="patient")


def test_a_short_row_has_no_label(tmp_path: Path) -> None:
    assert "1 of the 6 rows of labels.csv have no label (column label)" in refusal(
        tmp_path, table("path,label", ["train/1.jpg", *pets().splitlines()[2:]])
    )


@pytest.mark.parametrize("suffix", [".jpg", ""])
def test_paths_may_count_from_another_folder(tmp_path: Path, suffix: str) -> None:
    write_files(tmp_path / "photos", PHOTOS)
    names = [f"{name.removesuffix('.jpg')}{suffix}" for name in PHOTOS]
    source = opened(tmp_path / "tables", pets(names=names), [], images="photos", root=tmp_path)
    assert labels(source) == dict(zip(PHOTOS, KINDS, strict=True))
    assert source.read(source.entries()[0]) == b"bytes of train/1.jpg"


def test_a_folder_of_images_is_refused_without_a_table_or_where_there_is_none(tmp_path: Path) -> None:
    assert refusal(tmp_path, pets(), images="photos") == (
        "ingestion.images is photos, which is no folder (photos). Set it to the folder that the paths in labels.csv "
        "are relative to, or to null for the folder of the table. Unpack archives first."
    )
    with pytest.raises(SourceError, match=r"ingestion\.images is photos, .* Set ingestion\.source to the \.csv file"):
        open_source(parameters(tmp_path / "train", images="photos"), tmp_path)


def test_a_column_groups_the_photos(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = with_column("patient_id", ["7", "7", "x 1", "7", "", "x 1"])
    source = opened(tmp_path, text, group="patient_id")
    named = dict(zip(PHOTOS, ["7", "7", "x 1", "7", "", "x 1"], strict=True))
    assert source.groups == {path: name for path, name in named.items() if name}
    assert labels(source) == dict(zip(PHOTOS, KINDS, strict=True))
    assert "ingestion.group is patient_id: 2 groups of 5 images; the largest is 7 (3 images)." in caplog.text
    assert "1 image has no group, so each is a group of its own: train/5.jpg." in caplog.text


def test_a_photo_with_two_groups_is_refused(tmp_path: Path) -> None:
    rows = [f"{name},{kind},{number}" for number, (name, kind) in enumerate(zip(PHOTOS, KINDS, strict=True))]
    message = refusal(tmp_path, table("path,label,scene", [*rows, "train/1.jpg,beagle,9"]), group="scene")
    assert (
        "1 rows of labels.csv contradict an earlier one; the first are of train/1.jpg (beagle 0, beagle 9)" in message
    )


def test_names_that_fit_several_files(tmp_path: Path) -> None:
    files = [*PHOTOS, *(path.replace("train", "more") for path in PHOTOS)]
    names = [str(number) for number in range(1, 7)]
    # Kaggle numbers the photos of both parts alike.
    assert paths(opened(tmp_path / "kaggle", pets(names=names), [*PHOTOS, "test/1.jpg", "test/2.jpg"])) == PHOTOS
    (tmp_path / "more").mkdir()
    assert paths(opened(tmp_path / "more", pets(names=names), files)) == PHOTOS
    twice = [f"{folder}/{number}.jpg" for folder in "ab" for number in range(1, 7)]
    message = refusal(tmp_path / "twice", pets(names=names), twice)
    assert "6 of the 6 names in labels.csv fit several files; the first, 1, fits a/1.jpg, b/1.jpg. Write" in message


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_table_among_the_images_says_the_classes(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Kaggle's dog breeds: ids without extension, and an example of a submission, which holds no labels."""
    caplog.set_level(logging.INFO)
    names = [f"{number:08x}" for number in range(6)]
    files = [*(f"train/{name}.jpg" for name in names), "test/ffff.jpg"]
    tables = {
        "labels.csv": pets("id,breed", names=names),
        "sample_submission.csv": table("id,affenpinscher,beagle,pug", ["ffff,0.3,0.3,0.3"]),
    }
    if kind == "folder":
        place = write_files(tmp_path / "breeds", files)
        for name, text in tables.items():
            (place / name).write_text(text)
    else:
        place = write_zip(tmp_path / "breeds.zip", files)
        with zipfile.ZipFile(place, "a") as archive:
            for name, text in tables.items():
                archive.writestr(name, text)
    for path in (place, place / "labels.csv"):
        with open_source(parameters(path), tmp_path) as source:
            assert labels(source) == dict(zip(files[:6], KINDS, strict=True))
            assert source.read(source.entries()[0]) == b"bytes of " + files[0].encode()
    with pytest.raises(SourceError, match=r"There is no table|can't be opened"):
        open_source(parameters(place / "gone.csv"), tmp_path)
    assert "labels.csv: column id names the images, and column breed the classes" in caplog.text
    assert "Ignored 1 images" in caplog.text


def test_several_tables_that_may_say_the_classes(tmp_path: Path) -> None:
    write_files(tmp_path, PHOTOS)
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(pets())
    with pytest.raises(
        SourceError, match=r"Several tables .* Set ingestion\.source=.*/a\.csv or ingestion\.source=.*/b"
    ):
        open_source(parameters(tmp_path), tmp_path)
    assert open_source(parameters(tmp_path / "b.csv"), tmp_path).class_names == ["beagle", "pug"]


def test_a_table_that_says_no_classes_is_named_where_nothing_else_does(tmp_path: Path) -> None:
    write_files(tmp_path, PHOTOS)
    (tmp_path / "labels.csv").write_text(pets(kinds=["pug"] * 6))
    with pytest.raises(SourceError, match=r"^The label in .*labels\.csv \(column label\) is the same"):
        open_source(parameters(tmp_path), tmp_path)
    (tmp_path / "labels.csv").write_text(table("id,width,height", ["1,640,480"]))
    with pytest.raises(SourceError, match=r"Found no two classes.*labels\.csv has the columns id, width, height: no"):
        open_source(parameters(tmp_path), tmp_path)


def test_folders_that_are_classes_come_before_a_table(tmp_path: Path) -> None:
    write_files(tmp_path, ["cat/1.jpg", "cat/2.jpg", "dog/3.jpg", "dog/4.jpg"])
    (tmp_path / "labels.csv").write_text(pets("id,breed", names=["1", "2", "3", "4"], kinds=["x", "y"] * 2))
    assert open_source(parameters(tmp_path), tmp_path).class_names == ["cat", "dog"]


def test_a_table_in_an_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "photos.zip", PHOTOS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.csv", pets())
    assert labels(open_source(parameters(path / "labels.csv"), tmp_path)) == dict(zip(PHOTOS, KINDS, strict=True))
    with pytest.raises(SourceError, match=r"There is no table .*photos\.zip/gone\.csv; at the archive's top there are"):
        open_source(parameters(path / "gone.csv"), tmp_path)
    with pytest.raises(SourceError, match=r"photos\.zip/labels\.csv gives no labels: too large: \d+ bytes"):
        open_source(parameters(path / "labels.csv", max_bytes=9), tmp_path)
    change_directory(path, len(PHOTOS), flags=1)
    with pytest.raises(SourceError, match=r"labels\.csv gives no labels: .*is encrypted"):
        open_source(parameters(path / "labels.csv"), tmp_path)


def test_a_table_that_is_missing_or_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"labels\.csv can't be opened .*a \.csv table of images and labels"):
        open_source(parameters(tmp_path / "labels.csv"), tmp_path)
    if os.geteuid():
        (tmp_path / "labels.csv").touch(mode=0)
        with pytest.raises(SourceError, match=r"The table .*labels\.csv can't be read: Permission denied"):
            open_source(parameters(tmp_path / "labels.csv"), tmp_path)
