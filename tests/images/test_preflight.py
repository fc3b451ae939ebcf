"""The check of a source before a run: what it refuses, and how little it does."""

from pathlib import Path
from typing import Any

import pytest

from dogs_vs_cats.errors import SourceError, SplitError
from dogs_vs_cats.images import preflight
from dogs_vs_cats.images.opening import close_left, open_for_training
from dogs_vs_cats.images.pixels import read_image
from dogs_vs_cats.images.preflight import CheckedSource, check_source
from dogs_vs_cats.images.sources import Entry
from dogs_vs_cats.pipelines.data_ingestion.nodes import read_images
from tests.pipelines.test_data_ingestion import SIZE, folder_of, jpeg, parameters, spoil, zip_of

WEB_PAGE = b"<html>429 Too Many Requests</html>"


def check(ingestion: Any, folder: Path) -> CheckedSource:
    try:
        return check_source(ingestion, 0, folder / "store")
    finally:
        close_left()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the images that the check decodes."""
    paths: list[str] = []

    def read_and_note(source: Any, entry: Entry, *options: Any) -> Any:
        paths.append(entry.path)
        return read_image(source, entry, *options)

    monkeypatch.setattr(preflight, "read_image", read_and_note)
    return paths


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": 11}, r"asks for 15 images .* has 12 images \(6 cat, 6 dog\)"),
        (
            {"train": 0.5, "test": 0.01},
            r"ingestion\.test_size is 0\.01 of 12 images, which rounds to 0\. Set at least 0\.084, or",
        ),
        ({"train": 1}, r"The 1 training images would have none of dog"),
        (
            {"folds": 7},
            r"ingestion\.folds is 7, but class cat has only 6 images, and .* one\. Set it to 6 or less, or to null to",
        ),
        ({"split": "official"}, r"no images in a train part of its own\. Set ingestion\.split to random"),
    ],
)
def test_a_split_is_refused_by_the_list_of_images(
    tmp_path: Path, changes: dict[str, Any], message: str, decoded: list[str]
) -> None:
    with pytest.raises(SplitError, match=message):
        check(parameters(zip_of(tmp_path / "pets.zip", 12), **changes), tmp_path)
    assert decoded == []


def test_of_a_usable_source_one_image_of_each_class_is_decoded(tmp_path: Path, decoded: list[str]) -> None:
    source = check(parameters(folder_of(tmp_path / "pets", 30, 30)), tmp_path)
    assert decoded == ["Cat/0.jpg", "Dog/0.jpg"]
    image_and_thumbnail = SIZE * SIZE * 3 + 16 * 16
    assert source == CheckedSource(in_use=10, bytes_to_write=60 * image_and_thumbnail)


def test_a_class_without_usable_images_is_refused_with_reasons_before_the_others_are_decoded(
    tmp_path: Path, decoded: list[str]
) -> None:
    folder = folder_of(tmp_path / "pets", 300, 300)
    for photo in (folder / "Dog").iterdir():
        photo.write_bytes(WEB_PAGE)
    with pytest.raises(
        SourceError, match=r"100 of the 300 images of dog were tried, and none .*: Dog/0\.jpg: not an image.*classes"
    ):
        check(parameters(folder), tmp_path)
    assert len(decoded) == 101
    assert "Dog/297.jpg" in decoded


def test_the_only_image_of_a_class_is_refused_in_the_singular(tmp_path: Path, decoded: list[str]) -> None:
    folder = folder_of(tmp_path / "pets", 12, 1)
    next((folder / "Dog").iterdir()).write_bytes(WEB_PAGE)
    with pytest.raises(SourceError, match=r"The only image of dog can't be used: Dog/0\.jpg: not an image"):
        check(parameters(folder), tmp_path)


def test_damaged_images_among_usable_ones_are_no_reason_to_refuse(tmp_path: Path, decoded: list[str]) -> None:
    folder = folder_of(tmp_path / "pets", 20, 20)
    for number in range(15):
        (folder / f"Cat/{number}.jpg").write_bytes(WEB_PAGE)
    assert check(parameters(folder), tmp_path).in_use == 10
    assert len(decoded) == 17


def test_a_class_with_few_images_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = folder_of(tmp_path / "pets", 12, 3)
    check(parameters(folder), tmp_path)
    assert "Classes with fewer than 10 images: dog (3). Their results will be unreliable" in caplog.text


def test_of_decoded_images_nothing_is_read_or_written_again(tmp_path: Path, decoded: list[str]) -> None:
    archive = zip_of(tmp_path / "pets.zip", 20)
    read_images(parameters(archive), 0, tmp_path / "store")
    spoil(archive)
    assert check(parameters(archive), tmp_path).bytes_to_write == 0
    assert decoded == []


def test_ingestion_takes_over_the_list_of_the_check_once(tmp_path: Path) -> None:
    folder, ingestion = folder_of(tmp_path / "pets", 6, 6), parameters(tmp_path / "pets")
    check_source(ingestion, 0, tmp_path / "store")
    (folder / "Cat/99.jpg").write_bytes(jpeg(99))
    images, *_ = read_images(ingestion, 0, tmp_path / "store")
    assert len(images) == 12
    images, *_ = read_images(ingestion, 0, tmp_path / "store")
    assert len(images) == 13


def test_a_list_made_with_other_parameters_is_not_taken_over(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pets", 6, 6)
    check_source(parameters(folder), 0, tmp_path / "store")
    assert open_for_training(parameters(folder, classes=["dog", "cat"]), 0).class_names == ["dog", "cat"]
    close_left()


def test_a_list_that_nobody_took_over_is_forgotten(tmp_path: Path) -> None:
    folder, ingestion = folder_of(tmp_path / "pets", 6, 6), parameters(tmp_path / "pets")
    check_source(ingestion, 0, tmp_path / "store")
    close_left()
    (folder / "Cat/99.jpg").write_bytes(jpeg(99))
    assert len(open_for_training(ingestion, 0).entries()) == 13
