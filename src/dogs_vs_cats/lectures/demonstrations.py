"""Figures that only a run can show: how networks behave, and how Keras treats pixels."""

import itertools
import math
from typing import Any

import numpy as np

from dogs_vs_cats.evaluation.significance import fraction_interval
from dogs_vs_cats.lectures.convolution import convolve2d


def figures() -> dict[str, Any]:
    """Runs every demonstration of `claims.yml`."""
    from scipy.special import softmax

    from dogs_vs_cats.training.measures import loss_function

    return {
        "rbf_outputs": _rbf_outputs(),
        "loss_of_two_classes": loss_function(2).name.replace("_", " ").replace("crossentropy", "cross-entropy"),
        "loss_of_ten_classes": _loss_of_ten_classes(),
        "googlenet": _googlenet(),
        "own_model": _own_model(),
        "iris": _iris(),
        "softmax_of_one": softmax(np.linspace(-9, 9, 7)[:, np.newaxis], axis=1),
        "vgg16_input": _vgg16_input(),
        "validation_order": _validation_order(),
        "largest_shear": _largest_shear,
        "meaning_of_convolution": _meaning_of_convolution(),
        "first_answer": _first_answer(),
        "toy_images": np.array(list(itertools.product((-1, 1), repeat=4))).reshape(-1, 2, 2),
    }


def _rbf_outputs() -> str:
    """Compares the output units of the original LeNet-5 with squared distances, on random images."""
    import keras

    from dogs_vs_cats.models.architectures import build_architecture
    from dogs_vs_cats.models.architectures.lenet import digit_pictures

    network = build_architecture("lenet5_original", (32, 32, 1), 10)
    inside = keras.Model(network.input, [network.get_layer(name).output for name in ("f6", "distances")])
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1))
    f6, distances = (keras.ops.convert_to_numpy(part) for part in inside(images))
    expected = ((f6[:, np.newaxis] - digit_pictures()) ** 2).sum(axis=-1)
    return "RBF" if np.allclose(distances, expected, rtol=1e-3) else "something else"


def _loss_of_ten_classes() -> str:
    """Compares the project's loss for ten classes with categorical cross-entropy, on random answers."""
    import keras

    from dogs_vs_cats.training.measures import loss_function

    answers, labels = np.random.default_rng(0).dirichlet(np.ones(10), 8).astype(np.float32), np.arange(8)
    theirs = keras.losses.CategoricalCrossentropy()(np.eye(10, dtype=np.float32)[labels], answers)
    ours = loss_function(10)
    is_same = math.isclose(float(ours(labels, answers)), theirs, rel_tol=1e-5)
    return "categorical cross-entropy" if is_same else ours.name


def _googlenet() -> dict[str, Any]:
    """Gives GoogLeNet's loss three answers, one of them uncertain, and so finds the weight of each classifier."""
    import keras

    from dogs_vs_cats.models.architectures.inception import googlenet, with_auxiliary_classifiers
    from dogs_vs_cats.training.auxiliary_losses import AuxiliaryLosses

    with keras.StatelessScope(initialize_variables=False):
        training = AuxiliaryLosses(with_auxiliary_classifiers(googlenet((65, 65, 3), 3), 3))
        image = keras.Input((65, 65, 3))
        in_training, outside = (len(keras.tree.flatten(training(image, training=mode))) for mode in (True, False))
    training.compile(loss="sparse_categorical_crossentropy")
    certain, uncertain = (np.array([answer], np.float32) for answer in ([1, 0, 0], [0.5, 0.25, 0.25]))

    def loss(answers: Any) -> float:
        return float(training.compute_loss(y=np.array([0]), y_pred=answers))

    weights = np.array([loss([uncertain if this else certain for this in row]) for row in np.eye(3)]) / loss(uncertain)
    return {"weights": weights.round(3), "in_training": in_training, "outside": outside}


def _own_model() -> dict[str, Any]:
    """Trains one's own earlier model for a step, with all of its layers frozen and with the first three."""
    import keras

    from dogs_vs_cats.models.architectures import build_architecture
    from dogs_vs_cats.models.backbones import without_last_layers

    keras.utils.set_random_seed(0)
    earlier = build_architecture("lenet5", (28, 28, 1), 10)
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (32, 28, 28, 1), dtype=np.uint8), np.arange(32) % 3

    def unchanged(frozen: int | None) -> list[bool]:
        """Whether a step leaves each layer unchanged, to the bit, when the first ones are frozen."""
        base = without_last_layers(earlier, 2)
        # Rescaling, which has no weights, is the first layer here, and the third is a pooling.
        layers = base.layers[1:]
        for layer in layers[:frozen]:
            layer.trainable = False
        before = [layer.get_weights() for layer in layers]
        model = keras.Sequential([base, keras.layers.Dense(3, activation="softmax", name="probabilities")])
        # Compiling a single step takes longer than the step.
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
        model.train_on_batch(images, labels)
        return [all(map(np.array_equal, old, layer.get_weights())) for old, layer in zip(before, layers, strict=True)]

    all_frozen = unchanged(None)
    return {
        "popped": len(earlier.layers) - 1 - len(all_frozen),
        "frozen_all": "all that are left" if all(all_frozen) else all_frozen.index(False),
        "frozen_first": unchanged(3).index(False),
    }


def _iris() -> dict[str, Any]:
    """Trains the perceptron for 40 passes over the table that scikit-learn includes."""
    import keras
    from sklearn.datasets import load_iris

    from dogs_vs_cats.models.architectures.mlp import iris_mlp

    table = load_iris()
    flowers = len(table.target)
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(flowers) for _ in range(40)])
    keras.utils.set_random_seed(0)
    network = iris_mlp()
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    # One epoch over all passes: 40 short epochs would spend most of their time starting and ending.
    network.fit(table.data[order], table.target[order], batch_size=10, shuffle=False, verbose=0)
    answers = keras.ops.convert_to_numpy(network(table.data)).argmax(axis=1)
    correct = int((answers == table.target).sum())
    low, high = fraction_interval(correct / flowers, flowers)
    return {"correct": correct, "flowers": flowers, "low": low, "high": high}


def _vgg16_input() -> dict[str, Any]:
    """Preprocesses a black, a white and a red pixel as VGG16's weights were trained."""
    from keras.applications.vgg16 import preprocess_input

    black, white, red = preprocess_input(np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.float32))[0]
    return {"black": black, "white": white, "red": red}


def _validation_order() -> str:
    from dogs_vs_cats.images.batches import RowBatches

    rows = np.arange(8)
    first_batch = RowBatches(rows, rows, rows, batch_size=8)[0][0]
    return "not shuffled" if (first_batch == rows).all() else "shuffled"


def _largest_shear(degrees: float) -> float:
    """How far Keras moves a pixel of a 150×150 image sideways, measured on an image whose values are its columns."""
    from dogs_vs_cats.images.augmentation.generator import ImageDataGenerator

    columns = np.tile(np.arange(150, dtype=np.float32)[:, np.newaxis], (150, 1, 1))
    moved = ImageDataGenerator().apply_transform(columns.copy(), {"shear": degrees}) - columns
    # Beyond the edges of the image Keras repeats the last pixels.
    return float(np.abs(moved[:, 37:-37]).max())


def _meaning_of_convolution() -> str:
    import keras

    image, kernel = np.arange(16, dtype=np.float32).reshape(4, 4) ** 2, np.arange(9, dtype=np.float32).reshape(3, 3)
    theirs = keras.ops.conv(image[np.newaxis, ..., np.newaxis], kernel[..., np.newaxis, np.newaxis], padding="valid")
    is_correlation = np.allclose(keras.ops.convert_to_numpy(theirs)[0, ..., 0], convolve2d(image, kernel))
    return "cross-correlation" if is_correlation else "the convolution of mathematics"


def _first_answer() -> str:
    """Sets one weight of a 3×3 kernel to 1 at a time, to find the pixel of a 4×4 image that it meets first."""
    numbers = np.arange(1, 17).reshape(4, 4)
    pixels = [convolve2d(numbers, weights.reshape(3, 3))[0, 0] for weights in np.eye(9)]
    return " + ".join(f"a{pixel:.0f}·k{number}" for number, pixel in enumerate(pixels, start=1))
