"""ResNet-18 and ResNet-34 (He et al. 2015), from residual blocks (L4), and a shallower one for few images.

A residual block adds its input to what two convolutions make of it, so the convolutions only learn the difference, and
gradients have a way around them. Without biases in the convolutions, which the batch normalisation after them makes
superfluous, and with 1,000 classes there are 11,689,512 and 21,797,672 trained parameters.
"""

from dogs_vs_cats.compute.lazy_types import KerasTensor, Model
from dogs_vs_cats.models.output_layers import probabilities


def resnet10(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds ResNet with 10 layers: a convolution, 1 + 1 + 1 + 1 blocks of two, and the output.

    The paper has none this shallow. With two classes, 4,906,305 parameters are trained.
    """
    return _resnet(input_shape, classes, blocks=(1, 1, 1, 1), name="resnet10")


def resnet18(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds ResNet with 18 layers: a convolution, 2 + 2 + 2 + 2 blocks of two, and the output."""
    return _resnet(input_shape, classes, blocks=(2, 2, 2, 2), name="resnet18")


def resnet34(input_shape: tuple[int, int, int], classes: int) -> Model:
    """Builds ResNet with 34 layers: a convolution, 3 + 4 + 6 + 3 blocks of two, and the output."""
    return _resnet(input_shape, classes, blocks=(3, 4, 6, 3), name="resnet34")


def _resnet(input_shape: tuple[int, int, int], classes: int, blocks: tuple[int, ...], name: str) -> Model:
    import keras
    from keras import layers

    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    x = _convolution(x, 64, 7, stride=2, name="stem")
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pooling")(x)
    for stage, number in enumerate(blocks):
        for block in range(number):
            # Every stage but the first halves the maps and doubles their number.
            stride = 2 if stage > 0 and block == 0 else 1
            x = residual_block(x, 64 * 2**stage, stride, name=f"stage{stage + 1}_block{block + 1}")
    x = layers.GlobalAveragePooling2D(name="pooling")(x)
    return keras.Model(image, probabilities(x, classes), name=name)


def residual_block(x: KerasTensor, filters: int, stride: int, name: str) -> KerasTensor:
    """Adds the input to what two 3×3 convolutions make of it.

    Args:
        x: Feature maps, shape (n, height, width, channels).
        filters: Number of maps that come out.
        stride: Step of the first convolution. Where it isn't 1 or the number of maps changes, a 1×1 convolution brings
            the input to the same shape.
        name: Begins the names of the block's layers.

    Returns:
        Feature maps, shape (n, ceil(height / stride), ceil(width / stride), filters).
    """
    from keras import layers

    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = _convolution(x, filters, 1, stride, name=f"{name}_shortcut")
    x = _convolution(x, filters, 3, stride, name=f"{name}_1")
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = _convolution(x, filters, 3, 1, name=f"{name}_2")
    x = layers.Add(name=f"{name}_sum")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def _convolution(x: KerasTensor, filters: int, kernel: int, stride: int, name: str) -> KerasTensor:
    from keras import layers

    x = layers.Conv2D(
        filters, kernel, stride, "same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_convolution"
    )(x)
    return layers.BatchNormalization(name=f"{name}_normalization")(x)
