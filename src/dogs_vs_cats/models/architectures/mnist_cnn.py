"""Three small convolutional networks for 28×28 digits, one from each of three lectures."""

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.models.output_layers import image_classifier


def mnist_cnn(input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.2) -> Model:
    """Builds the baseline CNN of L1: 832 + 589,952 + 1,290 = 592,074 parameters on 28×28×1 images and ten classes.

    The lecture has its images channels first, 1×28×28; the counts are the same, only the order of the 4,608 flattened
    numbers differs. The dropout is that of the pooled values.
    """
    from keras import layers

    hidden = [
        layers.Conv2D(32, 5, activation="relu", name="convolution_1"),
        layers.MaxPooling2D(2, name="pooling_1"),
        layers.Dropout(dropout, name="dropout_1"),
        layers.Flatten(name="flatten"),
        layers.Dense(128, activation="relu", name="dense_1"),
    ]
    return image_classifier("mnist_cnn", input_shape, classes, hidden)


def mnist_cnn_batchnorm(input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.25) -> Model:
    """Builds the CNN with batch normalisation of L4.

    On 28×28×1 images and ten classes: 1,040 + 11,552 + 73,792 + 256 + 650 = 87,290 parameters, of which 128, the moving
    means and variances of the normalisation, are not trained. The dropout follows each pooling and the normalisation.
    """
    from keras import layers

    hidden = [
        layers.Conv2D(40, 5, padding="same", activation="relu", name="convolution_1"),
        layers.MaxPooling2D(2, name="pooling_1"),
        layers.Dropout(dropout, name="dropout_1"),
        layers.Conv2D(32, 3, activation="relu", kernel_initializer="he_normal", name="convolution_2"),
        layers.MaxPooling2D(2, name="pooling_2"),
        layers.Dropout(dropout, name="dropout_2"),
        layers.Flatten(name="flatten"),
        layers.Dense(64, activation="relu", name="dense_1"),
        layers.BatchNormalization(name="normalization_1"),
        layers.Dropout(dropout, name="dropout_3"),
    ]
    return image_classifier("mnist_cnn_batchnorm", input_shape, classes, hidden)


def mnist_cnn_pytorch(input_shape: tuple[int, int, int], classes: int, *, dropout: float = 0.5) -> Model:
    """Builds the CNN of L3's PyTorch slides.

    On 28×28×1 images: 24×24×16 (416 parameters), 12×12, 8×8×24 (9,624), 4×4×24 = 384 flattened, dense 64 (24,640) and,
    for ten classes, 650; 35,330 in all. The dropout is that of the dense layer.
    """
    from keras import layers

    hidden = [
        layers.Conv2D(16, 5, activation="relu", name="convolution_1"),
        layers.MaxPooling2D(2, name="pooling_1"),
        layers.Conv2D(24, 5, activation="relu", name="convolution_2"),
        layers.MaxPooling2D(2, name="pooling_2"),
        layers.Flatten(name="flatten"),
        layers.Dense(64, activation="relu", name="dense_1"),
        layers.Dropout(dropout, name="dropout_1"),
    ]
    return image_classifier("mnist_cnn_pytorch", input_shape, classes, hidden)
