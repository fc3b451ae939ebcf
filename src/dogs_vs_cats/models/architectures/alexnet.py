"""AlexNet (Krizhevsky, Sutskever and Hinton 2012) as the lectures print it: one column, without response normalisation.

| layer | output (227×227×3) | parameters |
| --- | --- | --- |
| conv 96, 11×11, stride 4 | 55×55×96 | 34,944 |
| max pool 3×3, stride 2 | 27×27×96 | |
| conv 256, 5×5, padding 2 | 27×27×256 | 614,656 |
| max pool 3×3, stride 2 | 13×13×256 | |
| conv 384, 3×3, padding 1 | 13×13×384 | 885,120 |
| conv 384, 3×3, padding 1 | 13×13×384 | 1,327,488 |
| conv 256, 3×3, padding 1 | 13×13×256 | 884,992 |
| max pool 3×3, stride 2 | 6×6×256 = 9,216 | |
| dense 4,096 | | 37,752,832 |
| dense 4,096 | | 16,781,312 |
| dense 1,000 | | 4,097,000 |

62,378,344 in all. The slides (L3) print 37,748,737, 16,777,217 and 4,096,001 for the dense layers: they add one bias
instead of one for every unit. They also say that ImageNet's images are 244×244 (224×224), and that the convolutions
hold about 5 % of the parameters (6.0 %).

The other lecture (L4) has images of 224×224. By the formula the first convolution, which isn't padded, then gives
floor((224 − 11)/4 + 1) = 54, not 55, and only 5×5×256 = 6,400 numbers would reach the dense layers (50,844,008
parameters). With three rows and columns of zeros added, as here, all other sizes and all counts are those above.
"""

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.models.output_layers import image_classifier


def alexnet(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds AlexNet for images of 227×227."""
    return _alexnet("alexnet", input_shape, classes)


def alexnet_224(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds AlexNet for images of 224×224, which it pads to 227×227."""
    return _alexnet("alexnet_224", input_shape, classes, is_padded=True)


def _alexnet(name: str, input_shape: tuple[int, int, int], classes: int, is_padded: bool = False) -> Model:
    from keras import layers

    hidden = [
        layers.Conv2D(96, 11, strides=4, activation="relu", name="convolution_1"),
        layers.MaxPooling2D(3, strides=2, name="pooling_1"),
        layers.Conv2D(256, 5, padding="same", activation="relu", name="convolution_2"),
        layers.MaxPooling2D(3, strides=2, name="pooling_2"),
        layers.Conv2D(384, 3, padding="same", activation="relu", name="convolution_3"),
        layers.Conv2D(384, 3, padding="same", activation="relu", name="convolution_4"),
        layers.Conv2D(256, 3, padding="same", activation="relu", name="convolution_5"),
        layers.MaxPooling2D(3, strides=2, name="pooling_3"),
        layers.Flatten(name="flatten"),
        # The dropout is the paper's; the slides leave it out.
        layers.Dense(4096, activation="relu", name="dense_1"),
        layers.Dropout(0.5, name="dropout_1"),
        layers.Dense(4096, activation="relu", name="dense_2"),
        layers.Dropout(0.5, name="dropout_2"),
    ]
    padding = [layers.ZeroPadding2D(((1, 2), (1, 2)), name="padding")] if is_padded else []
    return image_classifier(name, input_shape, classes, [*padding, *hidden])
