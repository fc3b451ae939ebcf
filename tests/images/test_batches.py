"""Our batches against those of Keras's `flow()`, in any order and with any number of workers."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from dogs_vs_cats.images.augmentation.generator import FastImageDataGenerator, ImageDataGenerator
from dogs_vs_cats.images.batches import RowBatches

SETTINGS: dict[str, Any] = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
}


def images(count: int = 20, size: int = 12, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


ROWS = np.array([3, 4, 7, 8, 9, 11, 12, 15, 17, 18, 19])
LABELS = np.arange(20) % 2


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 11, 30])
@pytest.mark.parametrize(
    "settings",
    [SETTINGS, {**SETTINGS, "brightness_range": (0.5, 1.5), "fill_mode": "wrap"}, {"vertical_flip": True}, {}],
    ids=["lecture", "brightness", "flip", "nothing"],
)
def test_batches_are_bit_for_bit_those_of_flow(settings: dict[str, Any], batch_size: int, shuffle: bool) -> None:
    array = images()
    generator = ImageDataGenerator(**settings)
    flow = generator.flow(array[ROWS], LABELS[ROWS], batch_size=batch_size, shuffle=shuffle, seed=7)
    ours = RowBatches(array, ROWS, LABELS, batch_size=batch_size, shuffle=shuffle, seed=7, augmenter=generator)
    assert len(ours) == len(flow)
    for epoch in range(3):
        for index in range(len(ours)):
            theirs, their_labels = next(flow)
            batch, labels = ours.batch(epoch, index)
            assert batch.dtype == theirs.dtype == np.float32
            np.testing.assert_array_equal(batch, theirs)
            np.testing.assert_array_equal(labels, their_labels)


def test_fast_batches_are_bit_for_bit_those_of_its_own_flow() -> None:
    array = images(channels=1)
    generator = FastImageDataGenerator(**SETTINGS)
    flow = generator.flow(array[ROWS], LABELS[ROWS], batch_size=4, seed=2)
    ours = RowBatches(array, ROWS, LABELS, batch_size=4, shuffle=True, seed=2, augmenter=generator)
    for epoch, index in product(range(2), range(3)):
        np.testing.assert_array_equal(ours.batch(epoch, index)[0], next(flow)[0])


@pytest.mark.parametrize("kind", [ImageDataGenerator, FastImageDataGenerator])
def test_threads_and_any_order_give_the_same_batches(kind: type[ImageDataGenerator]) -> None:
    single, ours = (
        RowBatches(
            images(),
            ROWS,
            LABELS,
            batch_size=3,
            shuffle=True,
            seed=1,
            augmenter=kind(**SETTINGS),
            workers=workers,
        )
        for workers in (1, 3)
    )
    places = list(product(range(5), range(len(ours))))
    alone = {place: single.batch(*place) for place in places}
    jumbled = [places[i] for i in np.random.default_rng(0).permutation(len(places))]
    with ThreadPoolExecutor(8) as pool:
        together = dict(zip(jumbled, pool.map(lambda place: ours.batch(*place), jumbled), strict=True))
    for place in places:
        for lone, parallel in zip(alone[place], together[place], strict=True):
            np.testing.assert_array_equal(lone, parallel)


def test_without_augmenter_batches_are_the_stored_images() -> None:
    array = images()
    ours = RowBatches(array, ROWS, LABELS, batch_size=4)
    batches = [ours[index] for index in range(len(ours))]
    assert [len(batch) for batch, _ in batches] == [4, 4, 3]
    assert batches[0][0].dtype == np.uint8
    np.testing.assert_array_equal(np.concatenate([batch for batch, _ in batches]), array[ROWS])
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), LABELS[ROWS])


def test_labels_stay_with_their_images_when_shuffled() -> None:
    array = np.arange(20, dtype=np.float32)[:, None]
    ours = RowBatches(array, ROWS, np.arange(20) * 10, batch_size=4, shuffle=True, seed=3)
    orders = []
    for epoch in range(3):
        batches = [ours.batch(epoch, index) for index in range(len(ours))]
        rows = np.concatenate([batch[:, 0] for batch, _ in batches])
        np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), rows * 10)
        np.testing.assert_array_equal(np.sort(rows), ROWS)
        orders.append(tuple(rows))
    assert len(set(orders)) == 3


def test_only_the_rows_of_a_batch_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    batch, _ = RowBatches(mapped, ROWS, LABELS, batch_size=4)[0]
    assert batch.shape == (4, 12, 12, 3)
    assert not isinstance(batch, np.memmap)


def test_the_global_random_state_is_left_alone() -> None:
    ours = RowBatches(images(), ROWS, LABELS, batch_size=4, augmenter=ImageDataGenerator(**SETTINGS))
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    ours.batch(0, 0)
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002


def model(steps_per_execution: int = 1) -> keras.Model:
    """Learns so fast that any other batch, or order of batches, would show in its weights."""
    start = keras.initializers.RandomNormal(stddev=0.01, seed=0)
    network = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(1, "sigmoid", kernel_initializer=start),
        ]
    )
    optimizer = keras.optimizers.SGD(0.1)
    network.compile(optimizer, "binary_crossentropy", steps_per_execution=steps_per_execution)
    return network


def batches(workers: int) -> RowBatches:
    return RowBatches(
        images(),
        ROWS,
        LABELS,
        batch_size=4,
        shuffle=True,
        seed=1,
        augmenter=FastImageDataGenerator(**SETTINGS),
        workers=workers,
    )


def fit(network: keras.Model, training: RowBatches, epochs: int, **arguments: Any) -> np.ndarray:
    network.fit(training, epochs=epochs, shuffle=False, verbose=0, callbacks=[training.callback()], **arguments)
    return network.get_weights()[0]


def test_fit_sees_the_same_batches_with_any_number_of_workers() -> None:
    expected = model()
    for epoch, index in product(range(3), range(3)):
        expected.train_on_batch(*batches(1).batch(epoch, index))
    validation = RowBatches(images(), ROWS, LABELS, batch_size=4)
    for workers, steps_per_execution in ((1, 1), (2, 1), (4, 2)):
        weights = fit(model(steps_per_execution), batches(workers), epochs=3, validation_data=validation)
        np.testing.assert_allclose(weights, expected.get_weights()[0], rtol=1e-4, atol=1e-6)


def test_training_goes_on_as_if_never_interrupted() -> None:
    whole = fit(model(), batches(2), epochs=4)
    resumed = model()
    fit(resumed, batches(2), epochs=3)
    np.testing.assert_array_equal(fit(resumed, batches(2), initial_epoch=3, epochs=4), whole)


def test_class_weights_of_fit_reach_the_batches() -> None:
    start = model().get_weights()[0]
    assert np.abs(fit(model(), batches(1), epochs=1) - start).max() > 1e-4
    np.testing.assert_array_equal(fit(model(), batches(1), epochs=1, class_weight={0: 0.0, 1: 0.0}), start)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_batch_that_does_not_exist_is_refused(index: int) -> None:
    with pytest.raises(IndexError, match="there are 3 batches"):
        batches(1)[index]
