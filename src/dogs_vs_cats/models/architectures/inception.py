"""Inception modules and GoogLeNet (Szegedy et al. 2014; L1).

L1 counts these parameters, biases included:

| module | branches | parameters |
| --- | --- | --- |
| side by side, 32 kernels each, on one channel | 64 + 320 + 832, pooling none | 1,216 |
| the same in sequence | 64 + 9,248 + 25,632 | 34,944 |
| naïve, 8 kernels each, on 256 maps of 28×28 | 2,056 + 18,440 + 51,208 | 71,704 |
| with 1×1 reductions | 2,056 + 2,640 + 3,664 + 2,056 | 10,416 |

L1 calls the first "30 times faster" than the second. 28.7 is the ratio of the parameters (31.1 that of the
multiplications for each pixel); how fast a network is depends on more, and the two don't compute the same.
"""

from dogs_vs_cats.compute.lazy_types import KerasTensor, Model
from dogs_vs_cats.models.output_layers import probabilities

MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Filters of GoogLeNet's modules, from the paper's table 1; their order is that of `reduced_module`."""


def naive_module(x: KerasTensor, filters: int, name: str) -> KerasTensor:
    """Lays 1×1, 3×3 and 5×5 convolutions and a max pooling side by side.

    Args:
        x: Feature maps, shape (n, height, width, channels).
        filters: Kernels of each convolution.
        name: Begins the names of the module's layers.

    Returns:
        Feature maps, shape (n, height, width, 3 · filters + channels).
    """
    from keras import layers

    branches = [_convolved(x, filters, size, f"{name}_{size}x{size}") for size in (1, 3, 5)]
    pooled = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pooling")(x)
    return layers.Concatenate(name=name)([*branches, pooled])


def convolutions_in_sequence(x: KerasTensor, filters: int, name: str) -> KerasTensor:
    """Puts the convolutions of the naïve module one after the other, which L1 compares it with.

    Args:
        x: Feature maps, shape (n, height, width, channels).
        filters: Kernels of each convolution.
        name: Begins the names of the layers.

    Returns:
        Feature maps, shape (n, height, width, filters).
    """
    for size in (1, 3, 5):
        x = _convolved(x, filters, size, f"{name}_{size}x{size}")
    return x


def reduced_module(x: KerasTensor, filters: tuple[int, int, int, int, int, int], name: str) -> KerasTensor:
    """The naïve module with 1×1 convolutions that reduce the number of maps before the expensive ones.

    Args:
        x: Feature maps, shape (n, height, width, channels).
        filters: Kernels of the 1×1 convolution; of the reduction before 3×3, and of 3×3; of the reduction before 5×5,
            and of 5×5; of the 1×1 convolution after pooling.
        name: Name of the last layer; begins the names of the others.

    Returns:
        Feature maps, shape (n, height, width, sum of the four branches' last filters).
    """
    from keras import layers

    single, reduce_3, filters_3, reduce_5, filters_5, after_pooling = filters
    branch_1 = _convolved(x, single, 1, f"{name}_1x1")
    branch_3 = _convolved(_convolved(x, reduce_3, 1, f"{name}_3x3_reduction"), filters_3, 3, f"{name}_3x3")
    branch_5 = _convolved(_convolved(x, reduce_5, 1, f"{name}_5x5_reduction"), filters_5, 5, f"{name}_5x5")
    pooled = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pooling")(x)
    branch_pooling = _convolved(pooled, after_pooling, 1, f"{name}_pooling_1x1")
    return layers.Concatenate(name=name)([branch_1, branch_3, branch_5, branch_pooling])


def _convolved(x: KerasTensor, filters: int, size: int, name: str) -> KerasTensor:
    from keras import layers

    return layers.Conv2D(filters, size, padding="same", activation="relu", name=name)(x)


def with_auxiliary_classifiers(network: Model, classes: int, dropout: float = 0.7) -> Model:
    """Adds two classifiers, which look at the maps of modules 4a and 4d, to be trained with (`auxiliary_losses`).

    Args:
        network: From `googlenet`; it knows nothing of them.
        classes: The same number of classes.
        dropout: Fraction of their dense layers dropped while training.

    Returns:
        A model with the weights of the network and their own, from raw images to three answers, the network's first.
    """
    import keras

    taps = [network.get_layer(name).output for name in ("inception_4a", "inception_4d")]
    auxiliaries = [
        _auxiliary_classifier(tap.shape[1:], classes, dropout, f"auxiliary_{number}")(tap)
        for number, tap in enumerate(taps, start=1)
    ]
    # A copy's `output` may be a list of one, and losses of that list would be those of the first image of a batch.
    return keras.Model(network.input, [*network.outputs, *auxiliaries], name="googlenet_in_training")


def googlenet(input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.4) -> Model:
    """Builds GoogLeNet as it is used: with its main classifier only, and without response normalisation.

    6,998,552 parameters for 1,000 classes. It is trained with two more, see `with_auxiliary_classifiers`. The dropout
    is that of the pooled features.
    """
    import keras
    from keras import layers

    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    x = layers.Conv2D(64, 7, strides=2, padding="same", activation="relu", name="convolution_1")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pooling_1")(x)
    x = layers.Conv2D(64, 1, activation="relu", name="convolution_2_reduction")(x)
    x = layers.Conv2D(192, 3, padding="same", activation="relu", name="convolution_2")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pooling_2")(x)
    for module, filters in MODULES.items():
        if module in ("4a", "5a"):  # the first of a stage
            x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"pooling_before_{module}")(x)
        x = reduced_module(x, filters, name=f"inception_{module}")
    x = layers.GlobalAveragePooling2D(name="pooling")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(image, probabilities(x, classes), name="googlenet")


def _auxiliary_classifier(maps: tuple[int, int, int], classes: int, dropout: float, name: str) -> Model:
    import keras
    from keras import layers

    features = keras.Input(maps, name="features")
    # Images below 65×65 pixels leave fewer than 5×5 positions.
    x = layers.AveragePooling2D((min(5, maps[0]), min(5, maps[1])), strides=3, name="pooling")(features)
    x = layers.Conv2D(128, 1, activation="relu", name="convolution")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(1024, activation="relu", name="dense")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(features, probabilities(x, classes), name=name)
