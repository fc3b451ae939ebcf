"""Copies of one photo are found, other photos are left alone."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dogs_vs_cats.images.decoding import decode
from dogs_vs_cats.images.near_duplicates import THUMBNAIL_SIZE, find_groups, thumbnail


def scene(seed: int, side: int = 160) -> Image.Image:
    """A picture of soft blobs, different for every seed."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def small(image: Image.Image, **options: object) -> np.ndarray:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return thumbnail(decode(buffer.getvalue(), image_size=96, channels=3, max_pixels=10**7).pixels)


COPIES = {
    "the same again": lambda image: small(image, quality=95),
    "much compressed": lambda image: small(image, quality=15),
    "half the size": lambda image: small(image.resize((80, 80)), quality=80),
    "stretched": lambda image: small(image.resize((300, 120)), quality=80),
    "mirrored": lambda image: small(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), quality=80),
    "mirrored, small, compressed": lambda image: small(
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((60, 70)), quality=50
    ),
    "grey": lambda image: small(image.convert("L"), quality=80),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_joins_the_group_of_its_original(kind: str) -> None:
    originals = [scene(seed) for seed in range(40)]
    thumbnails = np.stack([small(image, quality=90) for image in originals] + [COPIES[kind](originals[7])])
    groups = find_groups(thumbnails)
    assert groups.dtype.kind == "i"
    assert groups.tolist() == [*range(40), 7]


def test_other_changes_make_another_picture() -> None:
    image = scene(1)
    others = [
        image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        image.transpose(Image.Transpose.ROTATE_90),
        image.crop((0, 0, 80, 160)),
        Image.fromarray(255 - np.asarray(image)),
    ]
    thumbnails = np.stack([small(picture, quality=90) for picture in [image, *others]])
    assert find_groups(thumbnails).tolist() == [0, 1, 2, 3, 4]


def test_copies_of_copies_are_one_group() -> None:
    image = scene(3)
    copies = [kind(image) for kind in COPIES.values()]
    thumbnails = np.stack([small(scene(4)), *copies, small(scene(5)), small(image)])
    assert find_groups(thumbnails).tolist() == [0, *[1] * len(copies), len(copies) + 1, 1]


def test_flat_pictures_are_nobodys_copies() -> None:
    flat = np.stack([np.full((THUMBNAIL_SIZE, THUMBNAIL_SIZE), level, np.uint8) for level in (0, 0, 128, 255, 255)])
    assert find_groups(flat).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_images(count: int) -> None:
    assert find_groups(np.zeros((count, THUMBNAIL_SIZE, THUMBNAIL_SIZE), np.uint8)).tolist() == list(range(count))


def test_thumbnails_are_grey_and_mirror_with_the_image() -> None:
    pixels = np.asarray(scene(2))
    found = thumbnail(pixels)
    assert found.shape == (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(thumbnail(pixels[:, ::-1].copy()), found[:, ::-1], atol=1)
    np.testing.assert_allclose(thumbnail(np.asarray(Image.fromarray(pixels).convert("L"))[..., None]), found, atol=1)


@settings(max_examples=20)
@given(st.permutations(range(12)))
def test_groups_do_not_depend_on_the_order(order: list[int]) -> None:
    pictures = [small(scene(seed)) for seed in range(8)]
    pictures += [COPIES["mirrored"](scene(2)), COPIES["half the size"](scene(2)), COPIES["grey"](scene(5))]
    pictures.append(np.zeros((THUMBNAIL_SIZE, THUMBNAIL_SIZE), np.uint8))
    groups = find_groups(np.stack([pictures[index] for index in order]))
    together = {frozenset(order[place] for place in np.flatnonzero(groups == group)) for group in groups}
    assert {group for group in together if len(group) > 1} == {frozenset({2, 8, 9}), frozenset({5, 10})}


@pytest.mark.slow
def test_real_photos(shared: Path) -> None:
    """Two of the 5,000 photos are there twice; nothing else is taken for a copy, and every copy made here is found."""
    with zipfile.ZipFile(shared / "data/kaggle-train-5000.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        photos = [archive.read(name) for name in names]
    images = [decode(photo, image_size=150, channels=3, max_pixels=10**7).pixels for photo in photos]
    mirrored = [images[index][:, ::-1].copy() for index in range(0, 5000, 100)]
    compressed = [Image.open(io.BytesIO(photos[index])).resize((120, 90)) for index in range(50, 5000, 100)]
    thumbnails = [thumbnail(image) for image in (*images, *mirrored)] + [
        small(photo, quality=40) for photo in compressed
    ]
    groups = find_groups(np.stack(thumbnails))
    assert groups[5000:].tolist() == [*range(0, 5000, 100), *range(50, 5000, 100)]
    twice = {frozenset({names[group], names[row]}) for row, group in enumerate(groups[:5000]) if group != row}
    assert twice == {
        frozenset({"train/dog.74.jpg", "train/dog.180.jpg"}),
        frozenset({"train/dog.980.jpg", "train/dog.1273.jpg"}),
    }
