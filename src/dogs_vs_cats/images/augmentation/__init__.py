"""Random transforms of training images: Keras's `ImageDataGenerator` and two faster implementations of it.

* `FastImageDataGenerator` is a drop-in for Keras's class with one fused warp in place of its affine step.
* `DeviceAugmentation` is a layer that transforms uint8 batches on the accelerator, inside the training step.
"""

from dogs_vs_cats.images.augmentation.device import DeviceAugmentation
from dogs_vs_cats.images.augmentation.engines import choose_engine, create_generator
from dogs_vs_cats.images.augmentation.generator import FastImageDataGenerator, ImageDataGenerator

__all__ = [
    "DeviceAugmentation",
    "FastImageDataGenerator",
    "ImageDataGenerator",
    "choose_engine",
    "create_generator",
]
