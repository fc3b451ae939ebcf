"""The base that is developed here, on a generated source task."""

import keras
from keras import layers

from dogs_vs_cats.parameters.backbone import SOURCE_CNN


def source_cnn(image_size: int, channels: int) -> keras.Model:
    """The base that is developed here, untrained: three blocks of two convolutions, the first of which has stride 2.

    Args:
        image_size: Height and width of the images.
        channels: 1 or 3.
    """
    image = keras.Input((image_size, image_size, channels), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(image)
    for block, filters in enumerate((16, 32, 64), start=1):
        for convolution, strides in ((1, 2), (2, 1)):
            name = f"block{block}_convolution{convolution}"
            x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False, name=name)(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
    return keras.Model(image, x, name=SOURCE_CNN)
