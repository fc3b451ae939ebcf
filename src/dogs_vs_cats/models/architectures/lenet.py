"""LeNet-5 twice: as a lecture rebuilds it with tf.keras (L2), and as its table has it (L2, L4; LeCun et al. 1998)."""

import numpy as np

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.models.output_layers import image_classifier

# One picture of 12×7 pixels for each digit, as in the paper, whose own pictures aren't printed in the lectures.
_PICTURES = """
..###.. ...#... .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.#...#. ..##... ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##
##...## .###... .....## .....## ..#.##. ##..... ##..... ....##. ##...## ##...##
##...## ...#... .....## .....## .##.##. ##..... ##..... ....##. ##...## ##...##
##...## ...#... ....##. .....## ##..##. ######. ##.###. ...##.. .##.##. ##...##
##...## ...#... ....##. ..####. ##..##. .....## ###..## ...##.. ..###.. .######
##...## ...#... ...##.. .....## ##..##. .....## ##...## ..##... .##.##. .....##
##...## ...#... ..##... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...#... ..##... .....## ....##. .....## ##...## .##.... ##...## .....##
##...## ...#... .##.... .....## ....##. .....## ##...## .##.... ##...## .....##
.#...#. ...#... ##..... ##...## ....##. ##...## ##...## .##.... ##...## ....##.
..###.. .#####. ####### .#####. ....##. .#####. .#####. .##.... .#####. .####..
"""


def digit_pictures() -> np.ndarray:
    """Returns the centres of the output units of `lenet5_original`.

    Returns:
        float32 array of shape (10, 84): for each digit the 12 rows of 7 pixels of its picture, 1 for ink, −1 for paper.
    """
    parts = _PICTURES.split()
    pictures = ["".join(parts[digit::10]) for digit in range(10)]
    return np.array([[1 if pixel == "#" else -1 for pixel in picture] for picture in pictures], dtype=np.float32)


def lenet5(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds LeNet-5 as the tf.keras lecture (L2) does, with ReLU and a softmax.

    On 28×28×1 images and ten classes: 156 + 2,416 + 2,040 + 252,084 + 850 = 257,546 parameters, 98 % of them in the
    dense layers. The third convolution is 1×1 here, where the original has 5×5: that is why 3,000 numbers reach the
    first dense layer, and why the network is four times as large as the original.
    """
    from keras import layers

    hidden = [
        layers.Conv2D(6, 5, padding="same", activation="relu", name="convolution_1"),
        layers.AveragePooling2D(2, name="pooling_1"),
        layers.Conv2D(16, 5, activation="relu", name="convolution_2"),
        layers.AveragePooling2D(2, name="pooling_2"),
        layers.Conv2D(120, 1, activation="relu", name="convolution_3"),
        layers.Flatten(name="flatten"),
        layers.Dense(84, activation="relu", name="dense_1"),
    ]
    return image_classifier("lenet5", input_shape, classes, hidden)


def lenet5_original(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds LeNet-5 as in the table: 32×32 in, C1, S2, C3, S4, C5, F6 with tanh, and an RBF output.

    | layer | output | parameters |
    | --- | --- | --- |
    | C1 convolution 5×5 | 28×28×6 | 156 |
    | S2 average pooling with a learned scale and bias for each map | 14×14×6 | 12 |
    | C3 convolution 5×5 | 10×10×16 | 2,416 |
    | S4 pooling, likewise | 5×5×16 | 32 |
    | C5 convolution 5×5 | 1×1×120 | 48,120 |
    | F6 dense | 84 | 10,164 |
    | output: distances to ten pictures | 10 | none that are learned |

    60,900 parameters. The paper's C3 joins each of its maps with only some of S2's (1,516 parameters, 60,000 in all);
    the lectures' table doesn't, and neither does this network.

    An output unit computes y_i = Σ_j (x_j − w_ij)², the squared distance of F6's 84 values from a fixed picture of its
    digit, so the smallest answer wins. As probabilities, which the model contract asks for, this is the softmax of
    −y/2: each digit a Gaussian of variance 1 around its picture, all digits equally frequent. Pooling's scale and bias
    are a 1×1 depthwise convolution, the pictures the means of a normalisation: Keras's own layers throughout.

    Args:
        input_shape: (32, 32, channels), or (28, 28, channels), which is padded to 32×32 as the paper does.
        classes: 10; there is a picture for each digit.

    Returns:
        An uncompiled model from raw images, 0..255, to probabilities. Its layer `distances` has y.

    Raises:
        ParameterError: Another number of classes, or another size.
    """
    import keras
    from keras import layers

    pictures = digit_pictures()
    if classes != len(pictures) or input_shape[:2] not in ((28, 28), (32, 32)):
        raise ParameterError(
            "lenet5_original takes images of 32×32, or of 28×28, which it pads, of the ten digits; these are of "
            f"{input_shape[0]}×{input_shape[1]}, in {classes} classes. Set ingestion.image_size to 32, or use lenet5."
        )
    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    if input_shape[0] == 28:
        x = layers.ZeroPadding2D(2, name="padding")(x)
    x = layers.Conv2D(6, 5, activation="tanh", name="c1")(x)
    x = layers.AveragePooling2D(2, name="s2_average")(x)
    x = layers.DepthwiseConv2D(1, activation="tanh", name="s2")(x)
    x = layers.Conv2D(16, 5, activation="tanh", name="c3")(x)
    x = layers.AveragePooling2D(2, name="s4_average")(x)
    x = layers.DepthwiseConv2D(1, activation="tanh", name="s4")(x)
    x = layers.Conv2D(120, 5, activation="tanh", name="c5")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(84, activation="tanh", dtype="float32", name="f6")(x)
    x = layers.RepeatVector(classes, dtype="float32", name="f6_for_each_digit")(x)
    x = layers.Normalization(
        axis=(1, 2), mean=pictures, variance=np.ones_like(pictures), dtype="float32", name="differences"
    )(x)
    x = layers.Multiply(dtype="float32", name="squared_differences")([x, x])
    x = layers.GlobalAveragePooling1D(data_format="channels_first", dtype="float32", name="mean_squared_differences")(x)
    x = layers.Rescaling(pictures.shape[1], dtype="float32", name="distances")(x)
    x = layers.Rescaling(-1 / 2, dtype="float32", name="log_likelihoods")(x)
    return keras.Model(image, layers.Softmax(dtype="float32", name="probabilities")(x), name="lenet5_original")
