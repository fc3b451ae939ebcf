"""Groups of images by a pattern over their paths."""

import logging
from pathlib import Path

import pytest

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources import open_source
from tests.images.sources.test_sources import parameters, write_files

FILES = [f"{kind}/p{patient} {number}.jpg" for kind in ("cat", "dog") for patient in (1, 2, 10) for number in (1, 2)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path, FILES)


def groups(folder: Path, group: str) -> dict[str, str]:
    return open_source(parameters(folder, group=group), folder).groups


def test_a_pattern_is_searched_in_the_path(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = groups(folder, r"/(p\d+) ")
    assert found == {path: path.split("/")[1].split(" ")[0] for path in FILES}
    assert r"ingestion.group is /(p\d+) : 3 groups of 12 images; the largest is p1 (4 images)." in caplog.text
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_images_that_it_doesnt_match_are_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert set(groups(folder, "(p10)").values()) == {"p10"}
    assert "8 images have no group, so each is a group of its own: cat/p1 1.jpg, cat/p1 2.jpg," in caplog.text


def test_groups_of_one_image_each_get_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    groups(folder, "(.*)")
    assert "every image is a group of its own" in caplog.text


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("patient", r"is patient: a pattern with 0 groups in parentheses. Set it to a pattern over the path with one "),
        (r"(p)(\d)", "a pattern with 2 groups in parentheses"),
        ("(p", r"no regular expression (missing ), unterminated subpattern at position 0)"),
        (
            "(x)",
            "but it matches no path, such as cat/p1 1.jpg, cat/p1 2.jpg and 10 more. Correct it, or set it to null.",
        ),
    ],
)
def test_what_groups_nothing_is_refused(folder: Path, group: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        groups(folder, group)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_a_name_that_is_no_column_of_the_table_is_refused_with_the_columns(folder: Path) -> None:
    rows = [f"{path},{path[:3]},{number // 2},," for number, path in enumerate(FILES)]
    (folder / "labels.csv").write_text("\n".join(["path,label,scene,animal,", *rows]) + "\n")
    with pytest.raises(SourceError) as caught:
        groups(folder / "labels.csv", "scenes")
    assert (
        "ingestion.group is scenes: no column of the table (path, label, scene, animal), and a pattern with 0 groups "
        "in parentheses. Set it to a column, or to a pattern over the path"
    ) in caught.value.message
    with pytest.raises(SourceError, match=r"ingestion\.group is animal, but the column is empty"):
        groups(folder / "labels.csv", "animal")
