"""Training batches from arrays on disk: shuffled and augmented exactly as `ImageDataGenerator.flow()` would.

`flow(x)` copies all of `x` as float32 and must be read in sequence. These batches read only the rows they need, and
batch i of epoch e is a function of the seed, e and i alone. So the batches don't depend on the number of threads,
and training can resume at any epoch.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, Literal

import keras
import numpy as np

from dogs_vs_cats.compute.parallel import cores
from dogs_vs_cats.images.augmentation.generator import ImageDataGenerator
from dogs_vs_cats.storage.arrays import read_rows

# Keras draws transforms from NumPy's global random state, which all threads share.
_global_random_state = threading.Lock()


class RowBatches(keras.utils.PyDataset):
    """Batches of some rows of an array, such as bottleneck features or images, in their own dtype or augmented.

    Without an augmenter, the order is that of `ImageDataGenerator.flow(array[rows], labels[rows], batch_size, shuffle,
    seed)` read with `next()`. With one, batches are float32, 0..255, and bit for bit those of `augmenter.flow(…)`. For
    training, pass them to `fit` with `shuffle=False`, since they shuffle by themselves, and with their `callback()`.

    Attributes:
        seed: Seed of order and transforms.
        epoch: The present epoch, from 0.
    """

    def __init__(
        self,
        array: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray,
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        augmenter: ImageDataGenerator | None = None,
        workers: int | Literal["auto"] = "auto",
    ):
        """Prepares the batches; nothing is read yet.

        Args:
            array: Any array, preferably a memory map; with an augmenter, uint8 images of shape (n, height, width,
                channels), 0..255.
            rows: Which of its rows to use, int array of shape (m,).
            labels: A label for each row of `array`, used or not.
            batch_size: Rows in a batch; the last one has what is left.
            shuffle: Draws a new order in each epoch.
            seed: Seed of order and transforms, at least 0.
            augmenter: Transforms each image; it may draw random numbers in `get_random_transform` only.
            workers: Threads that transform the images of a batch, which doesn't depend on their number. `auto`
                takes one on up to four cores, which the training step needs itself, else half of the cores up to 8.
        """
        super().__init__()
        self._array = array
        self._rows = np.asarray(rows)
        self._labels = np.asarray(labels)
        self._batch_size = batch_size
        self._shuffle = shuffle
        self.seed = seed
        self._augmenter = augmenter
        # Not Keras's workers: those hand batches of one `fit` on to the next when a backend stops them early.
        threads = _threads() if workers == "auto" else workers
        self._pool = ThreadPoolExecutor(threads) if augmenter is not None and threads > 1 else None
        self.epoch = 0
        self._order = lru_cache(maxsize=1)(self._draw_order)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return -(-len(self._rows) // self._batch_size)

    @property
    def sizes(self) -> list[int]:
        """Rows in each batch."""
        return [min(self._batch_size, len(self._rows) - start) for start in range(0, len(self._rows), self._batch_size)]

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a batch of the present epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} batches, and none has the number {index}")
        return self.batch(self.epoch, index)

    def callback(self) -> keras.callbacks.Callback:
        """Returns the callback through which `fit` passes the number of the epoch to these batches.

        The hooks of a `PyDataset` can't count epochs: `fit` also calls them when it takes a batch to build a model, and
        how often depends on the backend.
        """

        def set_epoch(epoch: int, logs: dict[str, float] | None = None) -> None:
            self.epoch = epoch

        return keras.callbacks.LambdaCallback(on_epoch_begin=set_epoch)

    def batch(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads, and with an augmenter transforms, any batch of any epoch.

        Args:
            epoch: Counted from 0.
            index: 0..len-1.

        Returns:
            The rows, in the array's dtype or, with an augmenter, float32; and their labels.
        """
        places = slice(index * self._batch_size, (index + 1) * self._batch_size)
        rows = self._rows[self._order(epoch)[places]]
        original, labels = read_rows(self._array, rows), self._labels[rows]
        if self._augmenter is None:
            return original, labels
        transforms = self._draw_transforms(self._augmenter, epoch, index, len(rows))
        transformed = np.empty(original.shape, np.float32)
        work = (partial(_transform, self._augmenter), transformed, original, transforms)
        # Going through the results raises what a thread raised.
        for _ in self._pool.map(*work) if self._pool else map(*work):
            pass
        return transformed, labels

    def _random(self, epoch: int, index: int) -> np.random.RandomState:
        """The random state with which Keras's iterator enters a batch."""
        return np.random.RandomState(self.seed + epoch * len(self) + index)

    def _draw_order(self, epoch: int) -> np.ndarray:
        """The order of an epoch, which Keras draws at its first batch."""
        count = len(self._rows)
        return self._random(epoch, 0).permutation(count) if self._shuffle else np.arange(count)

    def _draw_transforms(
        self, augmenter: ImageDataGenerator, epoch: int, index: int, count: int
    ) -> list[dict[str, Any]]:
        """Draws the transforms of a batch, and leaves NumPy's global random state as it was."""
        random = self._random(epoch, index)
        if index == 0 and self._shuffle:
            # Keras draws the order from the same state, before the transforms.
            random.permutation(len(self._rows))
        with _global_random_state:
            state = np.random.get_state()  # noqa: NPY002
            np.random.set_state(random.get_state())  # noqa: NPY002
            try:
                return [augmenter.get_random_transform(self._array.shape[1:]) for _ in range(count)]
            finally:
                np.random.set_state(state)  # noqa: NPY002


def _transform(augmenter: ImageDataGenerator, target: np.ndarray, image: np.ndarray, transform: dict[str, Any]) -> None:
    """Puts a transformed image into `target`, in Keras's order: as float32, transformed, standardized."""
    target[...] = image
    target[...] = augmenter.standardize(augmenter.apply_transform(target, transform))


def _threads() -> int:
    """How many threads keep a training step supplied and leave it its cores."""
    count = cores()
    return min(8, count // 2) if count > 4 else 1
