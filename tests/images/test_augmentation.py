"""Our transforms against Keras's: same draws, same pixels."""

import os
import subprocess
import sys
import textwrap
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from pydantic import ValidationError

from dogs_vs_cats.images.augmentation.device import DeviceAugmentation, affine_transform, transform_matrices
from dogs_vs_cats.images.augmentation.generator import (
    FastImageDataGenerator,
    ImageDataGenerator,
    choose_engine,
    create_generator,
)
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.pipelines.augmentation.nodes import ORIGINALS, VERSIONS, preview
from tests.conftest import PROJECT, SOURCE

TOLERANCE = 0.01
LECTURE: dict[str, Any] = {
    "rotation_range": 40.0,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
}


def parameters(**changes: Any) -> AugmentationParameters:
    neutral = {
        "engine": "auto",
        "channel_shift_range": 0.0,
        "brightness_range": None,
        "horizontal_flip": False,
        "vertical_flip": False,
        "fill_mode": "nearest",
        "cval": 0.0,
        "interpolation_order": 1,
    }
    return AugmentationParameters.model_validate({**neutral, **LECTURE, **changes})


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Black and white noise: no image is harder to interpolate."""
    return (np.random.default_rng(seed).integers(0, 2, shape) * 255).astype(np.uint8)


# --- the fused warp ---------------------------------------------------------------------------------------------------

shifts = st.sampled_from([0.0, 0.2, 0.9, 3, [1, 5]])
generator_settings = st.fixed_dictionaries(
    {
        "rotation_range": st.sampled_from([0, 40, 180]),
        "width_shift_range": shifts,
        "height_shift_range": shifts,
        "shear_range": st.sampled_from([0.0, 0.2, 60.0]),
        "zoom_range": st.sampled_from([0.0, 0.2, 0.9, [0.5, 4.0]]),
        "channel_shift_range": st.sampled_from([0.0, 60.0]),
        "fill_mode": st.sampled_from(["nearest", "reflect"]),
        "horizontal_flip": st.booleans(),
        "vertical_flip": st.booleans(),
        "rescale": st.sampled_from([None, 1 / 255]),
        "featurewise_center": st.booleans(),
        "featurewise_std_normalization": st.booleans(),
        "samplewise_center": st.booleans(),
    }
)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150)
@given(
    chosen=generator_settings,
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3, 4]),
    seed=st.integers(0, 2**31),
)
def test_flow_of_the_drop_in_is_that_of_keras(
    chosen: dict[str, Any], height: int, width: int, channels: int, seed: int
) -> None:
    images = noise(5, height, width, channels, seed=seed)
    usual, ours = ImageDataGenerator(**chosen), FastImageDataGenerator(**chosen)
    for generator in (usual, ours):
        generator.fit(images)
    flows = [generator.flow(images, np.arange(5), batch_size=2, seed=seed) for generator in (usual, ours)]
    for _ in range(4):
        (theirs, their_labels), (fast, our_labels) = (next(flow) for flow in flows)
        assert fast.dtype == theirs.dtype == np.float32
        np.testing.assert_array_equal(our_labels, their_labels)
        unit = np.float32(chosen["rescale"] or 1)
        if chosen["featurewise_std_normalization"]:
            unit = unit / (usual.std + 1e-6)
        assert np.all(np.abs(fast - theirs) <= TOLERANCE * unit)


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect"])
@pytest.mark.parametrize("size", [150, 256, 300, 512])
def test_large_images_keep_the_tolerance(fill_mode: str, size: int) -> None:
    usual, ours = (kind(**LECTURE, fill_mode=fill_mode) for kind in (ImageDataGenerator, FastImageDataGenerator))
    image = noise(size, size, 1).astype(np.float32)
    for seed in range(4):
        transform = usual.get_random_transform(image.shape, seed)
        difference = np.abs(ours.apply_transform(image, transform) - usual.apply_transform(image, transform))
        assert difference.max() <= TOLERANCE


def test_known_pixels_of_a_shift_by_half_a_pixel() -> None:
    image = np.array([[0, 100, 200]], np.float32)[..., None]
    # x is the horizontal axis here, although Keras draws its shift from `height_shift_range`.
    shifted = FastImageDataGenerator().apply_transform(image, {"tx": 0.5})
    # The last place lies half a pixel outside, where `nearest` repeats the border.
    assert shifted.ravel().tolist() == [50, 150, 200]


def test_an_image_too_large_for_the_bound_is_bit_for_bit_that_of_keras() -> None:
    image = noise(9, 520, 1).astype(np.float32)
    usual, ours = (kind(**LECTURE) for kind in (ImageDataGenerator, FastImageDataGenerator))
    transform = usual.get_random_transform(image.shape, 3)
    np.testing.assert_array_equal(ours.apply_transform(image, transform), usual.apply_transform(image, transform))


@pytest.mark.parametrize(
    "chosen",
    [
        {"fill_mode": "constant", "cval": 7.0},
        {"fill_mode": "wrap"},
        {"interpolation_order": 2},
    ],
)
def test_what_is_not_fused_is_keras_itself(chosen: dict[str, Any]) -> None:
    assert type(create_generator(parameters(**chosen), "warp")) is ImageDataGenerator


def test_a_change_of_brightness_truncates_either_way() -> None:
    images = noise(8, 60, 60, 3)
    chosen = parameters(brightness_range=[0.5, 1.5], horizontal_flip=True)
    fast, usual = (create_generator(chosen, engine) for engine in ("warp", "keras"))
    ours, theirs = (next(generator.flow(images, batch_size=8, seed=2)) for generator in (fast, usual))
    assert np.abs(ours - theirs).max() <= 2
    assert (np.abs(ours - theirs) > TOLERANCE).mean() < 0.01


def test_the_image_given_is_not_changed() -> None:
    image = noise(8, 8, 3).astype(np.float32)
    before = image.copy()
    FastImageDataGenerator(**LECTURE, channel_shift_range=20, horizontal_flip=True).random_transform(image, seed=1)
    np.testing.assert_array_equal(image, before)


# --- on the accelerator -----------------------------------------------------------------------------------------------


def on_device(images: np.ndarray, transforms: list[dict[str, Any]], fill_mode: str, cval: float) -> np.ndarray:
    def column(name: str) -> np.ndarray:
        return np.array([transform[name] for transform in transforms], np.float32)

    shifts = {name: column(name) for name in ("theta", "tx", "ty", "shear", "zx", "zy")}
    flips = {"horizontal": 1 - 2 * column("flip_horizontal"), "vertical": 1 - 2 * column("flip_vertical")}
    matrices = transform_matrices(shifts | flips, *images.shape[1:3])
    return ops.convert_to_numpy(affine_transform(images, matrices, fill_mode, cval))


@pytest.mark.parametrize("shape", [(150, 150, 3), (20, 33, 1), (33, 20, 4), (1, 5, 3)])
@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "constant", "wrap"])
def test_device_pixels_are_those_of_keras(fill_mode: str, shape: tuple[int, int, int]) -> None:
    generator = ImageDataGenerator(
        **{**LECTURE, "shear_range": 30}, horizontal_flip=True, vertical_flip=True, fill_mode=fill_mode, cval=99
    )
    images = noise(6, *shape)
    transforms = [generator.get_random_transform(shape, seed) for seed in range(len(images))]
    theirs = [
        generator.apply_transform(image.astype(np.float32), transform)
        for image, transform in zip(images, transforms, strict=True)
    ]
    ours = on_device(images, transforms, fill_mode, 99.0)
    assert np.abs(ours - np.stack(theirs)).max() <= TOLERANCE


def test_device_draws_from_the_distribution_of_keras() -> None:
    # Uneven settings, so that swapped axes would show.
    chosen = parameters(
        rotation_range=20.0,
        height_shift_range=0.3,
        width_shift_range=0.05,
        shear_range=25.0,
        horizontal_flip=True,
        channel_shift_range=40.0,
        brightness_range=[0.5, 1.2],
        fill_mode="constant",
        cval=30.0,
    )
    image = np.add.outer(np.arange(12) * 12, np.arange(12) * 6)[..., None].astype(np.uint8)
    count = 4000
    ours = ops.convert_to_numpy(
        DeviceAugmentation(chosen, seed=1)(np.repeat(image[None], count, axis=0), training=True)
    )
    generator = create_generator(chosen)
    theirs = np.stack([generator.random_transform(image.astype(np.float32), seed) for seed in range(count)])
    assert np.abs(ours.mean(axis=0) - theirs.mean(axis=0)).max() < 4
    assert np.abs(ours.std(axis=0) - theirs.std(axis=0)).max() < 4
    assert ours.min() >= 0
    assert ours.max() <= 255


def test_device_layer_repeats_differs_between_images_and_rests_outside_training() -> None:
    images = np.repeat(noise(1, 16, 16, 3), 3, axis=0)
    first, second = (ops.convert_to_numpy(DeviceAugmentation(parameters(), 5)(images, training=True)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first[0] - first[1]).max() > 1
    resting = DeviceAugmentation(parameters(), 5)(images)
    assert keras.backend.standardize_dtype(resting.dtype) == "float32"
    np.testing.assert_array_equal(ops.convert_to_numpy(resting), images)


def test_device_layer_keeps_float32_under_mixed_precision() -> None:
    images = noise(2, 16, 16, 3)
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = DeviceAugmentation(parameters(), 5)(images, training=True)
    finally:
        keras.config.set_dtype_policy(kept)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(mixed), ops.convert_to_numpy(DeviceAugmentation(parameters(), 5)(images, training=True))
    )


def test_device_layer_trains_in_front_of_a_model() -> None:
    images = noise(10, 8, 8, 3)
    image = keras.Input((8, 8, 3), dtype="uint8")
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    training = keras.Model(image, inner(DeviceAugmentation(parameters(), 0)(image)))
    training.compile("sgd", "mse")
    before = inner.get_weights()[0]
    # Batches of different sizes go through one compiled step.
    training.fit(images, np.zeros(10), batch_size=4, epochs=2, verbose=0)
    assert np.abs(inner.get_weights()[0] - before).max() > 0
    np.testing.assert_allclose(
        training.predict(images, verbose=0), inner.predict(images.astype(np.float32), verbose=0), rtol=1e-6
    )


@pytest.mark.slow
def test_everything_runs_under_jax_without_tensorflow() -> None:
    program = """
        import sys

        class NoTensorFlow:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "tensorflow":
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, NoTensorFlow())
        from tests.images import test_augmentation, test_batches

        assert test_augmentation.keras.backend.backend() == "jax"
        for fill_mode in ("nearest", "reflect", "constant", "wrap"):
            test_augmentation.test_device_pixels_are_those_of_keras(fill_mode, (150, 150, 3))
        test_augmentation.test_device_layer_trains_in_front_of_a_model()
        test_augmentation.test_known_pixels_of_a_shift_by_half_a_pixel()
        test_batches.test_fit_sees_the_same_batches_with_any_number_of_workers()
    """
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": f"{SOURCE}{os.pathsep}{PROJECT}"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- parameters -------------------------------------------------------------------------------------------------------


def test_engines() -> None:
    assert type(create_generator(parameters(), "keras")) is ImageDataGenerator
    assert type(create_generator(parameters(), "warp")) is FastImageDataGenerator
    assert choose_engine(parameters(engine="keras")) == "keras"
    expected = "device" if keras.distribution.list_devices("gpu") else "warp"
    assert choose_engine(parameters()) == expected
    assert choose_engine(parameters(interpolation_order=3)) == "warp"


def test_every_setting_reaches_the_generator() -> None:
    chosen = {
        "fill_mode": "wrap",
        "cval": 9.0,
        "horizontal_flip": True,
        "vertical_flip": True,
        "interpolation_order": 2,
    }
    generator = create_generator(parameters(**chosen, brightness_range=[0.5, 1.5], channel_shift_range=3.0))
    for name, value in {**LECTURE, **chosen, "channel_shift_range": 3.0, "brightness_range": [0.5, 1.5]}.items():
        assert getattr(generator, name) == ([0.8, 1.2] if name == "zoom_range" else value)
    assert generator.rescale is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rotation_range": 200.0}, "less than or equal to 180"),
        ({"width_shift_range": 1.0}, "less than 1"),
        ({"fill_mode": "mirror"}, "'nearest', 'reflect', 'constant' or 'wrap'"),
        ({"brightness_range": [1.2, 0.8]}, "lowest, highest"),
        ({"brightness_range": [1.2]}, "at least 2 items"),
        ({"engine": "device", "interpolation_order": 3}, "interpolation_order: 1 only"),
        ({"rotate": 3}, "Extra inputs"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parameters(**wrong)


# --- the preview ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_preview_shows_originals_above_versions_of_training_images_only(channels: int) -> None:
    splits = ["validation", "train", "test", "train", "train", "unused"] * 3
    labels = [0, 0, 1, 0, 1, 1] * 3
    manifest = pd.DataFrame(
        {"split": splits, "label": labels, "class_name": [["cat", "dog"][label] for label in labels]}
    )
    # An image of one value keeps it through any warp: it tells which row a panel shows.
    images = np.repeat(np.arange(18, dtype=np.uint8) * 10, 8 * 8 * channels).reshape(18, 8, 8, channels)
    figure = preview(images, manifest, parameters(), seed=0)
    panels = np.array(figure.axes).reshape(1 + VERSIONS, ORIGINALS)
    shown = [[np.unique(axes.images[0].get_array()).tolist() for axes in line] for line in panels]
    cats_and_dogs_in_turn = [1, 4, 3, 10, 7, 16]
    assert shown == [[[row * 10] for row in cats_and_dogs_in_turn]] * (1 + VERSIONS)
    assert [axes.get_title() for axes in panels[0]] == ["cat", "dog"] * 3
    assert [axes.get_ylabel() for axes in panels[:, 0]][:2] == ["original", "version 1"]
