"""Random transforms of training images: Keras's `ImageDataGenerator` and two faster implementations of it.

* `generator.FastImageDataGenerator` is a drop-in for Keras's class with one fused warp in place of its affine step.
* `device.DeviceAugmentation` is a layer that transforms uint8 batches on the accelerator, inside the training step.
"""
