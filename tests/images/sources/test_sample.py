"""Drawn pictures: equal everywhere and in any order, all different, and neither blank nor trivial to classify."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from dogs_vs_cats.images.decoding import decode
from dogs_vs_cats.images.generated.drawing import Canvas, Dice
from dogs_vs_cats.images.generated.source_task import SPECIES, source_task_images
from dogs_vs_cats.images.sources.base import fingerprint
from dogs_vs_cats.images.sources.sample import SampleSource

SIZE = 32

KNOWN_SAMPLES = [
    "50f4018cd5682387",
    "827a8a87a6072afe",
    "c9cbe42b0a53fab6",
    "9379a551f5f36ef0",
    "0c5594808c70f8d1",
    "7874b7bd9da9c5c8",
]
KNOWN_GREY_SAMPLES = ["20091b6a78634b33", "ca831d45dee494dc"]
KNOWN_SOURCE_TASK = "6a0fe7d1aefbf493"
KNOWN_GREY_SOURCE_TASK = "848e1f01849b64b5"


def drawn(count: int, seed: int = 0, channels: int = 3, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    source = SampleSource(count, size, channels, seed)
    entries = source.entries()
    return np.stack([source.read(entry) for entry in entries]), np.array([entry.label for entry in entries])


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """400 pictures and their labels, for what only many can show."""
    return drawn(400)


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()[:16]


class TestSampleSource:
    def test_listing(self):
        with SampleSource(5, SIZE, 3, seed=0) as source:
            assert source.class_names == ["cat", "dog"]
            assert source.rejected == []
            listed = [(entry.path, entry.label) for entry in source.entries()]
        assert listed == [
            ("cat/00000.png", 0),
            ("cat/00001.png", 0),
            ("cat/00002.png", 0),
            ("dog/00000.png", 1),
            ("dog/00001.png", 1),
        ]

    @pytest.mark.parametrize("count", [2, 7, 2400])
    def test_classes_are_balanced(self, count):
        labels = [entry.label for entry in SampleSource(count, SIZE, 3, seed=0).entries()]
        assert len(labels) == count
        assert labels.count(0) - labels.count(1) == count % 2

    def test_known_pixels(self):
        # Every machine, NumPy and OpenCV draws these. A change on purpose raises sample.VERSION.
        images, _ = drawn(6, seed=0)
        assert [digest(image) for image in images] == KNOWN_SAMPLES
        grey, _ = drawn(2, seed=0, channels=1)
        assert [digest(image) for image in grey] == KNOWN_GREY_SAMPLES

    def test_neither_order_nor_count_nor_threads_matter(self):
        few, _ = drawn(8, seed=3)
        source = SampleSource(40, SIZE, 3, seed=3)
        by_path = {entry.path: entry for entry in source.entries()}
        paths = [entry.path for entry in SampleSource(8, SIZE, 3, seed=3).entries()]
        with ThreadPoolExecutor(4) as pool:
            backwards = list(pool.map(source.read, [by_path[path] for path in reversed(paths)]))
        np.testing.assert_array_equal(np.stack(backwards[::-1]), few)

    def test_grey_is_the_luma_of_the_colours(self):
        colours, _ = drawn(10)
        grey, _ = drawn(10, channels=1)
        luma = colours.astype(np.float64) @ (0.299, 0.587, 0.114)
        assert np.abs(luma - grey[..., 0]).max() <= 1

    def test_no_two_are_alike(self, pictures):
        images, _ = pictures
        others, _ = drawn(20, seed=1)
        assert len({digest(image) for image in np.concatenate([images, others])}) == 420
        # Not even roughly: no two agree after blurring away everything fine.
        small = np.stack([cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA).ravel() for image in images])
        assert pdist(small.astype(np.float64), "cityblock").min() / small.shape[1] > 5

    def test_pictures_are_exposed_like_photos(self, pictures):
        images, _ = pictures
        means, contrasts = images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3))
        assert 90 < means.mean() < 160
        assert means.std() > 15  # dark ones and bright ones
        assert contrasts.min() > 8  # none is blank
        burnt = ((images == 0) | (images == 255)).mean()
        assert burnt < 0.1

    def test_a_larger_picture_shows_the_same(self):
        small, _ = drawn(6, size=32)
        large, _ = drawn(6, size=96)
        reduced = np.stack([cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA) for image in large]).astype(
            np.float64
        )
        expected = np.stack([cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA) for image in small]).astype(
            np.float64
        )
        assert np.abs(reduced - expected).mean() < 4

    def test_colour_and_brightness_alone_do_not_separate_the_classes(self, pictures):
        images, labels = pictures
        values = images.reshape(len(images), -1, 3).mean(axis=1)
        assert nearest_class_mean(values, labels) < 0.7

    def test_shape_tells_more(self, pictures):
        # Linear discriminant analysis on oriented edges in a coarse grid: much simpler than a CNN, better than chance.
        images, labels = pictures
        train = np.arange(len(labels)) % 2 == 0
        values = np.stack([edges(image[..., 1]) for image in images])
        values = (values - values[train].mean(axis=0)) / values[train].std(axis=0)
        between = values[train & (labels == 1)].mean(axis=0) - values[train & (labels == 0)].mean(axis=0)
        weights = np.linalg.solve(np.cov(values[train].T) + np.eye(values.shape[1]), between)
        accuracy = ((values[~train] @ weights > 0) == labels[~train]).mean()
        assert 0.6 < accuracy < 0.97

    @pytest.mark.parametrize(("size", "channels"), [(32, 1), (32, 3), (150, 3)])
    def test_pictures_are_ingested_as_they_are_drawn(self, size, channels):
        source = SampleSource(2, size, channels, seed=0)
        pixels = source.read(source.entries()[1])
        assert (pixels.shape, pixels.dtype) == ((size, size, channels), np.uint8)
        ingested = decode(pixels, image_size=size, channels=channels, max_pixels=10**6)
        np.testing.assert_array_equal(ingested.pixels, pixels)
        assert (ingested.width, ingested.height) == (size, size)
        smaller = decode(pixels, image_size=16, channels=4 - channels, max_pixels=10**6).pixels
        assert smaller.shape == (16, 16, 4 - channels)
        luma = pixels @ (0.299, 0.587, 0.114) if channels == 3 else pixels
        assert abs((smaller if channels == 3 else smaller[..., 1]).mean() - luma.mean()) < 2

    def test_fingerprint_stands_for_all_that_the_pixels_depend_on(self):
        settings = [(4, 32, 3, 0), (6, 32, 3, 0), (4, 33, 3, 0), (4, 32, 1, 0), (4, 32, 3, 1)]
        prints = [fingerprint(SampleSource(*setting)) for setting in settings]
        assert len(set(prints)) == len(settings)
        assert prints[0] == fingerprint(SampleSource(*settings[0]))


class TestSourceTask:
    def test_shapes_and_balance(self):
        images, labels = source_task_images(45, SIZE, 3, seed=0)
        assert (images.shape, images.dtype) == ((45, SIZE, SIZE, 3), np.uint8)
        counts = np.bincount(labels, minlength=len(SPECIES))
        assert len(counts) == len(SPECIES)
        assert set(counts) == {5, 6}

    def test_known_pixels(self):
        images, _ = source_task_images(10, SIZE, 3, seed=0)
        assert digest(images) == KNOWN_SOURCE_TASK
        grey, _ = source_task_images(10, SIZE, 1, seed=0)
        assert digest(grey) == KNOWN_GREY_SOURCE_TASK

    def test_the_first_ones_do_not_depend_on_the_count(self):
        few, _ = source_task_images(12, SIZE, 1, seed=5)
        many, _ = source_task_images(30, SIZE, 1, seed=5)
        np.testing.assert_array_equal(many[:12], few)

    def test_no_two_are_alike(self):
        images = np.concatenate([source_task_images(100, SIZE, 3, seed)[0] for seed in (0, 1)])
        assert len({digest(image) for image in images}) == 200


def test_too_much_light_stays_white():
    canvas = Canvas(10)
    canvas.gradient((255, 255, 255), (255, 255, 255))
    pictures = np.stack([canvas.photograph(Dice(0, 1, index), 3) for index in range(50)])
    assert pictures.min() > 20
    assert pictures.max() == 255


def nearest_class_mean(values: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy on one half of assigning the nearest class mean of the other."""
    train = np.arange(len(labels)) % 2 == 0
    means = np.stack([values[train & (labels == label)].mean(axis=0) for label in (0, 1)])
    distances = np.abs(values[~train][:, None] - means[None]).sum(axis=2)
    return float((distances.argmin(axis=1) == labels[~train]).mean())


def edges(grey: np.ndarray) -> np.ndarray:
    """Strength of edges in four directions, in each of 4x4 cells."""
    picture = grey.astype(np.float64)
    down, across = np.gradient(picture)
    strengths = [np.abs(down), np.abs(across), np.abs(down + across), np.abs(down - across)]
    cell = grey.shape[0] // 4
    return np.concatenate([part.reshape(4, cell, 4, cell).mean(axis=(1, 3)).ravel() for part in strengths])
