"""Every kind of source: folders, archives, lists, arrays and drawn images; their classes, parts and paths."""

import gzip
import io
import json
import logging
import os
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources import ImageReadError, Source, fingerprint, open_source
from dogs_vs_cats.images.sources.arrays import FASHION_MNIST_SUMS, KERAS_CLASSES
from dogs_vs_cats.images.sources.layouts import arrange
from dogs_vs_cats.images.sources.names import natural_key
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from tests.conftest import PROJECT

DEFAULTS = {
    "classes": None,
    "train_size": 2,
    "validation_size": 1,
    "test_size": 1,
    "image_size": 16,
    "channels": 3,
    "sha256": None,
    "max_pixels": 10**8,
    "bit_depth": "auto",
    "min_side": 4,
    "max_bytes": 2**27,
    "split": "random",
    "near_duplicates": "ignore",
}
PETS = ["train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg"]


def parameters(source: object, **changes: object) -> IngestionParameters:
    return IngestionParameters.model_validate({**DEFAULTS, "source": str(source), **changes})


def write_files(root: Path, names: Iterable[str]) -> Path:
    """Writes files that hold their own name, so that every test sees which one it got."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name))
    return root


def content(name: str) -> bytes:
    return b"bytes of " + name.encode()


def write_zip(path: Path, names: Iterable[str | zipfile.ZipInfo], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name in names:
            made.writestr(name, content(name if isinstance(name, str) else name.filename))
    return path


def labels(source: Source) -> dict[str, str]:
    return {entry.path: source.class_names[entry.label] for entry in source.entries()}


def parts(source: Source) -> dict[str, str]:
    return {entry.path: entry.part for entry in source.entries()}


def paths(source: Source) -> list[str]:
    return [entry.path for entry in source.entries()]


@pytest.fixture(params=["folder", "zip"])
def made(request: pytest.FixtureRequest, tmp_path: Path):
    """Opens the same files once as a folder and once as a zip."""

    def build(names: Iterable[str], **changes: object) -> Source:
        if request.param == "folder":
            return open_source(parameters(write_files(tmp_path / "photos", names), **changes), tmp_path)
        return open_source(parameters(write_zip(tmp_path / "photos.zip", names), **changes), tmp_path)

    return build


class TestLayouts:
    def test_kaggle_in_natural_order(self, made):
        source = made(["train/cat.10.jpg", "train/dog.1.jpg", "train/cat.2.jpg", "train/cat.0.jpg"])
        assert source.class_names == ["cat", "dog"]
        assert paths(source) == ["train/cat.0.jpg", "train/cat.2.jpg", "train/cat.10.jpg", "train/dog.1.jpg"]
        assert [entry.label for entry in source.entries()] == [0, 0, 0, 1]
        assert set(parts(source).values()) == {""}
        assert [source.read(entry) for entry in source.entries()] == [content(path) for path in paths(source)]

    def test_kaggle_photo_without_a_class_in_its_name_is_rejected(self, made):
        source = made([*PETS, "train/holiday.jpg", "readme.md"])
        assert paths(source) == PETS
        assert source.rejected == [("train/holiday.jpg", "unlabelled: neither its folder nor its name says the class")]

    @pytest.mark.parametrize(
        ("folders", "classes"),
        [
            (["Cat", "Dog"], ["cat", "dog"]),
            (["DOGS", "cats"], ["cat", "dog"]),
            (["Katze", "Hund"], ["Hund", "Katze"]),
            (["猫", "犬"], ["犬", "猫"]),
            (["кошки", "собаки"], ["кошки", "собаки"]),
            (["a", "A", "b"], ["A", "a", "b"]),
            (["10", "9", "2", "1"], ["1", "2", "9", "10"]),
            (["train", "car", "plane"], ["car", "plane", "train"]),
            (["black bear", "-dash", "new\nline"], ["-dash", "black bear", "new\nline"]),
        ],
    )
    def test_class_folders_of_any_name(self, made, folders, classes):
        source = made([f"data/{folder}/{i}.png" for folder in folders for i in range(2)])
        assert source.class_names == classes
        found = labels(source)
        assert len(found) == 2 * len(folders)
        for path, name in found.items():
            assert name.casefold()[:3] == path.split("/")[1].casefold()[:3]

    def test_a_composed_and_a_decomposed_name_are_one_class(self, made):
        composed, decomposed = (unicodedata.normalize(form, "Bär") for form in ("NFC", "NFD"))
        source = made([f"train/{composed}/0.jpg", f"test/{decomposed}/0.jpg", "train/Ei/0.jpg", "test/Ei/0.jpg"])
        assert source.class_names == [composed, "Ei"]

    def test_inside_a_class_content_decides_and_outside_nothing_gets_a_label(self, made):
        inside = ["cat/1.jpg", "cat/notes.txt", "cat/photo", "dog/1.jpeg.bak", "dog/2.PNG"]
        source = made([*inside, "stray.jpg", "LICENSE", "dog/more.zip", ".git/config", "__MACOSX/cat/._1.jpg"])
        assert paths(source) == inside
        assert dict(source.rejected).keys() == {"stray.jpg", "dog/more.zip"}

    def test_test_part_with_a_class_of_its_own(self, made):
        with pytest.raises(SourceError, match="the training part lacks: ant \\(training has Ant, bee\\)"):
            made(["train/Ant/1.jpg", "train/bee/1.jpg", "test/ant/1.jpg", "test/bee/1.jpg"])

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["notes.txt", "more.txt"], "There are no images in .*: found 2 .txt. Allowed are"),
            (
                ["train.zip", "test1.zip"],
                r"found 2 .zip.* Archives in it aren't opened: set ingestion.source=\S+/train.zip\.$",
            ),
            (["Cat/1.jpg", "Cat/2.jpg"], "Found no two classes in .*: 2 images in Cat. At least two"),
            (["train/cat.1.jpg", "train/cat.2.jpg"], "Found no two classes in .*: 2 images in train"),
            (["train/cats/1.jpg", "test/cats/2.jpg"], "Found no two classes in .*: 2 images in test/cats, train"),
            ([".hidden/1.jpg"], "There are no images in"),
        ],
    )
    def test_nothing_to_tell_apart(self, tmp_path, names, message):
        with pytest.raises(SourceError, match=message):
            open_source(parameters(write_files(tmp_path / "photos", names)), tmp_path)

    @given(st.lists(st.text("ab/.0127 -é", max_size=12), max_size=12, unique=True))
    def test_any_names_are_arranged_or_refused(self, names):
        try:
            found = arrange(names, "there")
        except SourceError:
            return
        taken = [path for path, _, _ in found.files]
        ignored = sum(map(len, found.ignored.values())) + len(found.rejected)
        assert len(taken) + ignored == len(names)
        assert len(set(taken)) == len(taken)
        assert {label for _, label, _ in found.files} == set(range(len(found.class_names)))

    @given(st.lists(st.integers(0, 10**30), unique=True))
    def test_natural_order_is_the_order_of_numbers(self, numbers):
        names = [f"cat.{number}.jpg" for number in numbers]
        assert sorted(names, key=natural_key) == [f"cat.{number}.jpg" for number in sorted(numbers)]


class TestClasses:
    NAMES = ("cat/1.jpg", "cat/2.jpg", "Dog/1.jpg", "fox/1.jpg", "A/1.jpg", "a/1.jpg")

    def test_order_and_selection(self, made):
        with made(self.NAMES, classes=["fox", "Cats"]) as source:
            assert source.class_names == ["fox", "cat"]
            assert labels(source) == {"cat/1.jpg": "cat", "cat/2.jpg": "cat", "fox/1.jpg": "fox"}
            assert [source.read(entry) for entry in source.entries()] == [content(path) for path in paths(source)]

    def test_case_counts_only_where_it_tells_classes_apart(self, made):
        assert made(self.NAMES, classes=["FOX", "a"]).class_names == ["fox", "a"]
        assert made(self.NAMES, classes=["A", "a"]).class_names == ["A", "a"]

    @pytest.mark.parametrize(
        ("classes", "message"),
        [
            (["cat", "wolf"], "names wolf, which the source lacks; its classes are: A, a, cat, dog, fox"),
            (["cat", "Cats"], "names Cats, a class that it names already"),
        ],
    )
    def test_refused(self, made, classes, message):
        with pytest.raises(SourceError, match=message):
            made(self.NAMES, classes=classes)


class TestFolder:
    @pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that aren't UTF-8")
    def test_names_that_are_not_utf8(self, tmp_path):
        root = write_files(tmp_path / "photos", ["a/1.jpg", "b/1.jpg"])
        Path(os.fsdecode(os.fsencode(root) + b"/b/caf\xe9.jpg")).write_bytes(b"latin")
        source = open_source(parameters(root), tmp_path)
        assert paths(source) == ["a/1.jpg", "b/1.jpg", "b/caf\\xe9.jpg"]
        assert source.read(source.entries()[2]) == b"latin"

    def test_links(self, tmp_path):
        root = write_files(tmp_path / "photos", ["cat/1.jpg", "dog/1.jpg"])
        outside = write_files(tmp_path / "store", ["3.jpg", "more/4.jpg"])
        (root / "cat" / "loop").symlink_to(root)
        (root / "cat" / "self").symlink_to("self")
        (root / "cat" / "gone.jpg").symlink_to("nowhere.jpg")
        (root / "dog" / "2.jpg").symlink_to(root / "dog" / "1.jpg")
        (root / "dog" / "3.jpg").symlink_to(outside / "3.jpg")
        (root / "dog" / "all").symlink_to(outside)
        (root / "aardvark").symlink_to(root / "dog")
        source = open_source(parameters(root), tmp_path)
        assert paths(source) == [
            *("cat/1.jpg", "dog/1.jpg", "dog/2.jpg", "dog/3.jpg", "dog/all/3.jpg", "dog/all/more/4.jpg"),
        ]
        reasons = dict(source.rejected)
        assert reasons["cat/loop"] == "the same folder as the source itself"
        assert reasons["aardvark"] == "the same folder as dog"
        assert reasons["cat/gone.jpg"].startswith("a broken symbolic link")
        assert reasons["cat/self"].startswith("a broken symbolic link")

    def test_no_regular_files(self, tmp_path):
        root = write_files(tmp_path / "photos", ["cat/1.jpg", "dog/1.jpg"])
        os.mkfifo(root / "cat" / "pipe.jpg")
        source = open_source(parameters(root), tmp_path)
        assert source.rejected == [("cat/pipe.jpg", "not a regular file")]
        with pytest.raises(SourceError, match=r"neither a folder, a zip file nor a \.csv table"):
            open_source(parameters(root / "cat" / "pipe.jpg"), tmp_path)
        alone = open_source(parameters(root / "cat" / "pipe.jpg"), tmp_path, labelled=False)
        assert alone.rejected == [("pipe.jpg", "not a regular file")]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_permissions(self, tmp_path):
        root = write_files(tmp_path / "photos", ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/closed/2.jpg"])
        (root / "cat" / "1.jpg").chmod(0)
        (root / "dog" / "closed").chmod(0)
        try:
            source = open_source(parameters(root), tmp_path)
            assert source.rejected == [("dog/closed", "can't be listed: Permission denied")]
            with pytest.raises(ImageReadError, match="can't be read: Permission denied"):
                source.read(source.entries()[0])
            root.chmod(0)
            with pytest.raises(SourceError, match="Permission denied"):
                open_source(parameters(root), tmp_path)
        finally:
            root.chmod(0o700)
            (root / "dog" / "closed").chmod(0o700)

    def test_fingerprint_changes_with_content_names_and_rejects(self, tmp_path):
        root = write_files(tmp_path / "photos", ["cat/1.jpg", "dog/1.jpg"])

        def now() -> str:
            return fingerprint(open_source(parameters(root), tmp_path))

        seen = [now()]
        assert now() == seen[0]
        os.utime(root / "cat" / "1.jpg", ns=(1, 1))
        seen.append(now())
        (root / "cat" / "1.jpg").rename(root / "cat" / "2.jpg")
        seen.append(now())
        (root / "dog").rename(root / "wolf")
        seen.append(now())
        (root / "stray.jpg").touch()
        seen.append(now())
        assert len(set(seen)) == len(seen)


class TestPaths:
    def test_relative_to_the_project_and_home(self, tmp_path, monkeypatch):
        write_files(tmp_path / "project" / "photos", PETS)
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("photos", "./photos/", "~/project/photos", tmp_path / "project" / "photos"):
            assert paths(open_source(parameters(name), tmp_path / "project")) == PETS

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("missing", "The source missing can't be opened .*missing: No such file or directory.*Allowed are sample"),
            ("~nobody-here/photos", "can't be opened"),
            ("nul\0byte", "can't be opened"),
            ("x" * 5000, "can't be opened"),
            (
                "photos.tar",
                "is neither a folder, a zip file nor a .csv table. Unpack other archives.* Allowed are sample",
            ),
            ("ftp://example.org/x.zip", "addresses begin with http://, https://, s3://"),
            ("file:///etc/passwd", "addresses begin with http://, https://, s3://"),
            ("http://[::1/x.zip", "can't be downloaded: .* Check the address"),
            ("keras:imagenet", "Allowed are keras:mnist, keras:fashion_mnist, keras:cifar10"),
            ("kaggle:dogs-vs-cats", "can't be opened"),
        ],
    )
    def test_refused(self, tmp_path, source, message):
        (tmp_path / "photos.tar").write_bytes(b"tar")
        with pytest.raises(SourceError, match=message):
            open_source(parameters(source), tmp_path)

    def test_sha256_of_what_has_none(self, tmp_path):
        write_files(tmp_path / "photos", PETS)
        for source in ("photos", "keras:mnist", "sample"):
            with pytest.raises(SourceError, match=f"not for {source}; set it to null"):
                open_source(parameters(source, sha256="0" * 64), tmp_path)

    def test_sample(self, tmp_path):
        with open_source(parameters("sample", classes=["dog", "cat"]), tmp_path, seed=1) as source:
            assert source.class_names == ["dog", "cat"]
            assert len(source.entries()) == 4
            image = source.read(source.entries()[0])
            assert image is not None
            assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
        with open_source(parameters("sample"), tmp_path, seed=1) as usual:
            np.testing.assert_array_equal(image, usual.read(usual.entries()[0]))  # another label, the same image
        with pytest.raises(SourceError, match="for training only"):
            open_source(parameters("sample"), tmp_path, labelled=False)


class TestZip:
    def test_damage_anywhere_never_raises_anything_else(self, tmp_path):
        names = [f"train/{c}.{i}.jpg" for c in ("cat", "dog") for i in range(3)]
        path = write_zip(tmp_path / "photos.zip", names)
        data = path.read_bytes()
        dice = random.Random(7)
        outcomes: Counter[str] = Counter()
        for _ in range(400):
            broken = bytearray(data)
            for _ in range(dice.choice((1, 1, 2, 8))):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            path.write_bytes(broken)
            try:
                source = open_source(parameters(path), tmp_path)
            except SourceError:
                outcomes["refused"] += 1
                continue
            with source:
                for entry in source.entries():
                    try:
                        # The checksum covers the content, not the names.
                        assert source.read(entry) in [content(name) for name in names]
                        outcomes["read"] += 1
                    except ImageReadError:
                        outcomes["rejected"] += 1
        assert min(outcomes[key] for key in ("refused", "read", "rejected")) > 10

    def test_sha256(self, tmp_path):
        path = write_zip(tmp_path / "photos.zip", PETS)
        right = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
        assert paths(open_source(parameters(path, sha256=right.upper()), tmp_path)) == PETS
        with pytest.raises(SourceError, match=f"isn't the expected file: its SHA-256 is {right}"):
            open_source(parameters(path, sha256="0" * 64), tmp_path)
        assert path.is_file()

    def test_a_zip_by_content_whatever_its_name(self, tmp_path):
        assert paths(open_source(parameters(write_zip(tmp_path / "photos.dat", PETS)), tmp_path)) == PETS

    def test_real_photos_by_many_threads(self, shared, tmp_path):
        with open_source(parameters(shared / "data" / "kaggle-train-5000.zip"), tmp_path) as source:
            entries = source.entries()
            assert Counter(labels(source).values()) == {"cat": 2500, "dog": 2500}
            assert source.rejected == []
            with ThreadPoolExecutor(8) as pool:
                sizes = list(pool.map(lambda entry: len(source.read(entry)), entries))
            assert sum(sizes) == 39_932_514
            assert [f"{entry.token.split(':')[1]}" for entry in entries] == [str(size) for size in sizes]


class TestKagglesOuterArchive:
    NAMES = ("train/cat.0.jpg", "train/dog.0.jpg")

    def outer(self, tmp_path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
        inner = write_zip(tmp_path / "inner.zip", self.NAMES)
        test = write_zip(tmp_path / "test.zip", ["test1/1.jpg", "test1/2.jpg"])
        path = tmp_path / "dogs-vs-cats.zip"
        with zipfile.ZipFile(path, "w", method) as made:
            made.writestr("sampleSubmission.csv", "id,label\n")
            made.write(test, "test1.zip")
            made.write(inner, "train.zip")
        return path

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_training_and_test_photos(self, tmp_path, method):
        path = self.outer(tmp_path, method)
        with open_source(parameters(path), tmp_path / "project") as source:
            assert labels(source) == {"train/cat.0.jpg": "cat", "train/dog.0.jpg": "dog"}
            assert source.read(source.entries()[0]) == content("train/cat.0.jpg")
        with open_source(parameters(path), tmp_path / "project") as again:
            assert fingerprint(again) == fingerprint(source)
        with open_source(parameters(path), tmp_path / "project", labelled=False) as source:
            assert paths(source) == ["test1/1.jpg", "test1/2.jpg"]
            assert source.read(source.entries()[1]) == content("test1/2.jpg")
        kept = sorted(item.name for item in (tmp_path / "project" / archive_folder()).iterdir())
        assert len(kept) == 2
        assert all(name.endswith(".zip") for name in kept)

    def test_damaged_inner_archive_leaves_nothing(self, tmp_path):
        path = self.outer(tmp_path, zipfile.ZIP_STORED)
        with zipfile.ZipFile(path) as made:
            offset = made.getinfo("train.zip").header_offset
        data = bytearray(path.read_bytes())
        data[offset + 60] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(SourceError, match=r"Unpacking train\.zip in .* failed: Bad CRC-32"):
            open_source(parameters(path), tmp_path / "project")
        assert list((tmp_path / "project" / archive_folder()).iterdir()) == []


class TestUnlabelled:
    def test_folder_takes_everything_that_may_be_a_photo(self, tmp_path):
        names = ["1.jpg", "2", "10.jpg", "sub/cat.1.png", "notes.txt", "more.zip", ".hidden.jpg", "Thumbs.db"]
        source = open_source(parameters(write_files(tmp_path / "x", names)), tmp_path, labelled=False)
        assert paths(source) == ["1.jpg", "2", "10.jpg", "sub/cat.1.png"]
        assert {entry.label for entry in source.entries()} == {-1}
        assert source.class_names == []
        assert source.rejected == [("more.zip", "an archive, not an image: unpack it first")]

    def test_real_test_photos(self, shared, tmp_path):
        with open_source(parameters(shared / "data/kaggle-test1-200.zip"), tmp_path, labelled=False) as source:
            assert paths(source) == [f"test1/{i}.jpg" for i in range(1, 201)]

    def test_one_file(self, tmp_path):
        write_files(tmp_path, ["-photo with space.jpg"])
        with open_source(parameters("-photo with space.jpg"), tmp_path, labelled=False) as source:
            assert paths(source) == ["-photo with space.jpg"]
            assert source.read(source.entries()[0]) == content("-photo with space.jpg")

    def test_lists(self, tmp_path):
        write_files(tmp_path / "photos", ["b.jpg", "a.jpg", "new\nline.jpg"])
        absolute = tmp_path / "photos" / "a.jpg"
        text = tmp_path / "list.txt"
        text.write_text(f"photos/b.jpg\r\n\nphotos/gone.jpg\n{absolute}\nphotos/b.jpg\nphotos\n", encoding="utf-8-sig")
        with open_source(parameters("list.txt"), tmp_path, labelled=False) as source:
            assert paths(source) == ["photos/b.jpg", str(absolute)]
            assert [source.read(entry) for entry in source.entries()] == [content("b.jpg"), content("a.jpg")]
            assert source.rejected == [
                ("photos/gone.jpg", "can't be read: No such file or directory"),
                ("photos/b.jpg", "listed twice, or shown by the same name as another file"),
                ("photos", "not a regular file"),
            ]
        table = tmp_path / "list.csv"
        table.write_text('id,path\n1,photos/a.jpg\n2,"photos/new\nline.jpg"\n', encoding="utf-8")
        assert paths(open_source(parameters(table), tmp_path, labelled=False)) == [
            "photos/a.jpg",
            "photos/new\nline.jpg",
        ]
        table.write_text("\ufeffid;path\r\n1;photos/a.jpg\r\n", encoding="utf-8")  # as a spreadsheet saves it
        assert paths(open_source(parameters(table), tmp_path, labelled=False)) == ["photos/a.jpg"]

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("list.csv", "file,label\na.jpg,1\n", "names no files: it needs one path a line, or a column named path"),
            ("list.csv", "", "names no files"),
            ("list.txt", "\n\n", "names no files"),
            ("empty/notes.txt", "x", "There are no images in empty"),
        ],
    )
    def test_refused(self, tmp_path, name, text, message):
        (tmp_path / "empty").mkdir()
        (tmp_path / name).write_text(text)
        source = "empty" if "/" in name else name
        with pytest.raises(SourceError, match=message):
            open_source(parameters(source), tmp_path, labelled=False)


def idx(array: np.ndarray) -> bytes:
    """A file of bytes in the format of MNIST."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, part: str, images: np.ndarray, numbers: np.ndarray, suffix: str = "", cut: int = 0) -> None:
    """Writes the two files of a part, plain or compressed, perhaps without their last bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", numbers)):
        data = idx(array)
        data = data[: len(data) - cut]
        (folder / f"{part}-{name}{suffix}").write_bytes(gzip.compress(data, 1) if suffix else data)


class TestIdx:
    IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    LABELS = np.array([7, 1, 1, 7, 3], np.uint8)

    def write(self, root: Path, part: str, count: int = 5, **options: Any) -> None:
        write_idx(root, part, self.IMAGES[:count], self.LABELS[:count], **options)

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    @pytest.mark.parametrize("below", ["", "MNIST/raw/"])
    def test_parts_pixels_and_labels(self, tmp_path, caplog, suffix, below):
        caplog.set_level(logging.INFO)
        root = tmp_path / "mnist" / below
        root.mkdir(parents=True)
        self.write(root, "train", suffix=suffix)
        self.write(root, "t10k", 3, suffix=suffix)
        with open_source(parameters(tmp_path / "mnist", channels=1), tmp_path) as source:
            assert source.class_names == ["1", "3", "7"]
            assert [entry.label for entry in source.entries()] == [2, 0, 0, 2, 1, 2, 0, 0]
            assert paths(source)[4:6] == ["train/4", "test/0"]
            assert Counter(parts(source).values()) == {"train": 5, "test": 3}
            image = source.read(source.entries()[4])
            np.testing.assert_array_equal(image, self.IMAGES[4][..., None])
            assert type(image) is np.ndarray
            assert len({entry.token for entry in source.entries()}) == 5
        assert "arrays, in the parts train (5 images), test (3 images)" in caplog.text
        assert "1 (4), 3 (1), 7 (3)" in caplog.text

    def test_one_part_is_no_part_and_classes_select(self, tmp_path):
        self.write(tmp_path / "mnist", "train")
        source = open_source(parameters(tmp_path / "mnist", classes=["7", "1"]), tmp_path)
        assert [(entry.path, entry.label, entry.part) for entry in source.entries()] == [
            ("train/0", 0, ""),
            ("train/1", 1, ""),
            ("train/2", 1, ""),
            ("train/3", 0, ""),
        ]

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    @pytest.mark.parametrize("cut", [1, 60, 76, -3])
    def test_damaged(self, tmp_path, suffix, cut):
        self.write(tmp_path / "mnist", "train", suffix=suffix, cut=max(cut, 0))
        if cut < 0:
            path = tmp_path / "mnist" / f"train-images-idx3-ubyte{suffix}"
            data = path.read_bytes()
            path.write_bytes(data[:cut] if suffix else data + b"xxx")
        with pytest.raises(SourceError, match="can't be read as an IDX file"):
            open_source(parameters(tmp_path / "mnist"), tmp_path)

    def test_missing_partner_and_unequal_counts(self, tmp_path):
        root = tmp_path / "mnist"
        self.write(root, "train")
        (root / "train-labels-idx1-ubyte").write_bytes(idx(self.LABELS[:2]))
        with pytest.raises(SourceError, match=r"has 5 images, but .* has 2 labels"):
            open_source(parameters(root), tmp_path)
        (root / "train-labels-idx1-ubyte").unlink()
        with pytest.raises(SourceError, match="train-images-idx3-ubyte has no partner"):
            open_source(parameters(root), tmp_path)

    def test_copies_of_a_file_are_used_once_and_files_of_two_datasets_are_refused(self, tmp_path):
        root = tmp_path / "mnist"
        self.write(root, "train")
        self.write(root / "raw", "train", suffix=".gz")
        assert len(open_source(parameters(root), tmp_path).entries()) == 5
        self.write(root, "train", 4)
        with pytest.raises(SourceError, match=r"train-images-\S+ belong to different datasets\. Set ingestion\.source"):
            open_source(parameters(root), tmp_path)

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_fashion_mnist_has_its_class_names(self, tmp_path, suffix):
        count, size = 10_000, 28 * 28
        pixels = np.full(count * size, 73, np.uint8)
        pixels[: FASHION_MNIST_SUMS["test"] - 73 * count * size] += 1
        numbers = np.arange(count, dtype=np.uint8) % 10

        def names() -> list[str]:
            write_idx(tmp_path, "t10k", pixels.reshape(-1, 28, 28), numbers, suffix=suffix)
            return open_source(parameters(tmp_path, channels=1), tmp_path).class_names

        assert names() == list(KERAS_CLASSES["fashion_mnist"])
        pixels[-1] += 1
        assert names() == list("0123456789")

    def test_real_mnist(self, shared, tmp_path):
        with open_source(parameters(shared / "data" / "mnist", channels=1), tmp_path) as source:
            assert source.class_names == list("0123456789")
            assert Counter(parts(source).values()) == {"train": 60_000, "test": 10_000}
            assert [entry.label for entry in source.entries()[:5]] == [5, 0, 4, 1, 9]  # as everybody knows them
            assert Counter(entry.label for entry in source.entries()[60_000:])[0] == 980


def with_keras_cache(folder: Path, script: str) -> list[object]:
    """Runs a script in a process whose Keras has its cache in a folder, and no network.

    Returns:
        The content of each line of JSON that it prints.
    """
    environment = {
        **os.environ,
        "KERAS_HOME": str(folder),
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'src'}",
        **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    }
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in '["']


@pytest.mark.medium
def test_keras_datasets_from_its_cache_and_unreachable(tmp_path):
    folder = tmp_path / "datasets" / "fashion-mnist"
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        images, numbers = np.zeros((count, 28, 28), np.uint8), np.arange(count) % 10
        write_idx(folder, part, images, numbers.astype(np.uint8), suffix=".gz")
    script = """
import json
from pathlib import Path
from tests.images.sources.test_sources import parameters
from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources import open_source

with open_source(parameters("keras:fashion_mnist", classes=["Ankle boot", "Shirt"]), Path.cwd()) as source:
    entries = source.entries()
    rows = [(entry.path, entry.label, entry.part) for entry in entries]
    print(json.dumps([source.class_names, rows, source.read(entries[0]).shape]))
try:
    open_source(parameters("keras:mnist"), Path.cwd())
except SourceError as error:
    print(json.dumps(error.message))
"""
    read, refused = with_keras_cache(tmp_path, script)
    assert read[0] == ["Ankle boot", "Shirt"]
    assert read[1][:2] == [["train/6", 1, "train"], ["train/9", 0, "train"]]
    assert (read[1][-1], len(read[1])) == (["test/9999", 0, "test"], 14_000)
    assert read[2] == [28, 28, 1]
    assert refused.startswith("The dataset keras:mnist can't be fetched")
    assert "a folder with their four IDX files" in refused


@pytest.mark.medium
def test_cifar10_in_colour_from_keras_cache(tmp_path):
    (tmp_path / "datasets").mkdir()
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    with tarfile.open(tmp_path / "datasets" / "cifar-10-batches-py-target_archive", "w:gz", compresslevel=1) as archive:
        for number, name in enumerate(batches):
            # A picture is its red, its green and its blue pixels, each row by row. Here only one of each isn't 0.
            pixels = np.zeros((10_000, 3, 32, 32), np.uint8)
            pixels[:, 0, 0, 0], pixels[:, 1, 0, 1], pixels[:, 2, 1, 0] = 10 * number + 1, 2, 3
            labels = [(index + number) % 10 for index in range(10_000)]
            content = pickle.dumps({b"data": pixels.reshape(10_000, 3_072), b"labels": labels}, protocol=4)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    script = """
import json
from pathlib import Path
from keras.src.utils import file_utils
from tests.images.sources.test_sources import parameters
from dogs_vs_cats.images.sources import open_source

file_utils.validate_file = lambda *_, **__: True  # nothing made up has the hash of the real archive
with open_source(parameters("keras:cifar10"), Path.cwd()) as source:
    entries = source.entries()
    rows = [(entry.path, entry.label, entry.part) for entry in entries]
    pictures = [source.read(entries[index])[:2, :2].tolist() for index in (0, 49_999, 50_000)]
    print(json.dumps([source.class_names, rows, source.read(entries[0]).shape, pictures]))
"""
    ((names, rows, shape, pictures),) = with_keras_cache(tmp_path, script)
    assert names[:4] == ["airplane", "automobile", "bird", "cat"]
    assert len(rows) == 60_000
    assert rows[:2] == [["train/0", 0, "train"], ["train/1", 1, "train"]]
    assert rows[49_999:50_001] == [["train/49999", 3, "train"], ["test/0", 5, "test"]]
    assert shape == [32, 32, 3]
    expected = [[[[10 * batch + 1, 0, 0], [0, 2, 0]], [[0, 0, 3], [0, 0, 0]]] for batch in (0, 4, 5)]
    assert pictures == expected


def archive_folder() -> str:
    from dogs_vs_cats.images.sources import UNPACKED

    return UNPACKED


def change_directory(
    path: Path, index: int, *, flags: int | None = None, size: int | None = None, offset: int | None = None
) -> None:
    """Changes what a zip's central directory says about one member, as an attacker would."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    for _ in range(index):
        at = data.index(b"PK\x01\x02", at + 4)
    for value, position, kind in ((flags, 8, "<H"), (size, 24, "<I"), (offset, 42, "<I")):
        if value is not None:
            struct.pack_into(kind, data, at + position, value)
    path.write_bytes(data)
