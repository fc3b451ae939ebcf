"""VGG-16 with its top (Simonyan and Zisserman 2014), in the lectures the network behind transfer learning (L1, L5).

On 224×224×3 images and 1,000 classes: five blocks of 3×3 convolutions, 7×7×512 = 25,088 numbers, and three dense
layers of 102,764,544, 16,781,312 and 4,097,000 parameters; 138,357,544 in all ("roughly 138 million"), 14,714,688 of
them in the convolutions.
"""

from dogs_vs_cats.compute.lazy_types import Layer, Model
from dogs_vs_cats.models.output_layers import image_classifier

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Filters and number of the convolutions of each block."""


def vgg16(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds VGG-16, to be trained from scratch.

    With pretrained weights it would need the preprocessing that these were trained with, which isn't division by 255:
    that is what `backbones` is for.
    """
    from keras import layers

    hidden: list[Layer] = []
    for block, (filters, convolutions) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_convolution{number}"
            hidden.append(layers.Conv2D(filters, 3, padding="same", activation="relu", name=name))
        hidden.append(layers.MaxPooling2D(2, name=f"block{block}_pooling"))
    hidden += [
        layers.Flatten(name="flatten"),
        layers.Dense(4096, activation="relu", name="dense_1"),
        layers.Dense(4096, activation="relu", name="dense_2"),
    ]
    return image_classifier("vgg16", input_shape, classes, hidden)
