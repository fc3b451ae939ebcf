"""Training on accelerators: which ones, a batch split among several of them, images that stay on them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from dogs_vs_cats.compute.backend import accelerators
from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.images.batches import RowBatches
from dogs_vs_cats.images.soft_batches import SoftBatches
from dogs_vs_cats.parameters.compute import ComputeParameters

RESIDENT_BYTES = 2 << 30
"""With `images_on_device: auto`, more bytes of images than this stay in the host's memory map."""


def training_devices(compute: ComputeParameters) -> list[str]:
    """Chooses the devices that train.

    Args:
        compute: Its `devices`: `auto` takes every accelerator there is, else one CPU device.

    Returns:
        Names of one or more devices.

    Raises:
        ParameterError: There are fewer devices than asked for.
    """
    found = accelerators() or keras.distribution.list_devices("cpu")
    wanted = (len(accelerators()) or 1) if compute.devices == "auto" else compute.devices
    if wanted > len(found):
        raise ParameterError(
            f"compute.devices is {wanted}, but {keras.backend.backend()} sees {len(found)} "
            f"({', '.join(found)}). Allowed are auto and 1 to {len(found)}."
        )
    return found[:wanted]


@contextmanager
def data_parallel(devices: list[str]) -> Iterator[None]:
    """Models made and trained in this block have a copy on each device, and each batch is split among them.

    Under TensorFlow that is `MirroredStrategy`, since `keras.distribution` does nothing there; under JAX
    `keras.distribution.DataParallel`. Batches need `EvenBatches`.

    Args:
        devices: Names of the devices. A single one changes nothing.
    """
    if len(devices) == 1:
        yield
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.distribute.MirroredStrategy([name.upper() for name in devices]).scope():
            yield
    else:
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)


class EvenBatches(keras.utils.PyDataset):
    """Batches that can be split evenly among several devices, with a weight for each row.

    A batch is filled up with copies of its first rows, which weigh nothing. As each device averages over the rows it
    has, the others weigh so much more that the loss and its gradient are those of the batch as it was. In the mean over
    an epoch that Keras shows, a smaller last batch then counts a little too much. Where that mean is the result, as in
    validation, all rows weigh the same instead, which makes it exact.
    """

    def __init__(
        self,
        batches: RowBatches | SoftBatches,
        devices: int,
        class_weight: dict[int, float] | None,
        sizes: Sequence[int] = (),
    ):
        """Wraps batches; nothing is read yet.

        Args:
            batches: The batches to read.
            devices: Number of devices.
            class_weight: A weight for each label; None weighs all alike. Soft batches have their own weights.
            sizes: Rows in each batch, where the mean over all of them is to be exact.
        """
        super().__init__()
        self._batches = batches
        self._devices = devices
        self._class_weight = class_weight
        self._weight = sum(map(self._filled, sizes)) / sum(sizes) if sizes else None

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Reads a batch of the present epoch: rows, labels, and float32 weights."""
        rows, labels, *own = self._batches[index]
        count = len(labels)
        full = self._filled(count)
        weights = np.zeros(full, np.float32)
        weights[:count] = self._weight or full / count
        if own:
            weights[:count] *= own[0]
        elif self._class_weight is not None:
            weights[:count] *= [self._class_weight[int(label)] for label in labels]
        places = np.arange(full) % count
        return rows[places], labels[places], weights

    def _filled(self, count: int) -> int:
        return -(-count // self._devices) * self._devices


def keeps_images(compute: ComputeParameters, size: int) -> bool:
    """Returns whether the images stay on the training devices.

    Args:
        compute: Its `images_on_device`: `auto` keeps them on accelerators, up to `RESIDENT_BYTES`.
        size: All bytes of the images.
    """
    if compute.images_on_device == "auto":
        return bool(accelerators()) and size <= RESIDENT_BYTES
    return compute.images_on_device


class ResidentImages(keras.layers.Layer):
    """Images in the memory of the device that trains: takes their numbers, so that a step gets nothing else sent.

    It belongs before a model while that model is trained, never into the model that is saved.
    """

    def __init__(self, images: np.ndarray):
        """Copies the images to the device, or to each of several.

        Args:
            images: uint8 array, (n, height, width, channels), 0..255.
        """
        super().__init__(name="resident_images", trainable=False)
        self._images = keras.Variable(images, dtype="uint8", trainable=False, autocast=False, name="images")

    def call(self, numbers: Any) -> Any:
        """Looks images up.

        Args:
            numbers: int32 tensor of shape (b,), 0..n-1.

        Returns:
            uint8 tensor of shape (b, height, width, channels).
        """
        return ops.take(self._images, numbers, axis=0)
