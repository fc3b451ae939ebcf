"""The networks of the lectures; printed layers and counts are claims, see `tests/lectures/test_claims.py`.

The large ones are built without drawing their weights: shapes and counts need none.
"""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_iris, make_friedman1
from sklearn.preprocessing import StandardScaler

from dogs_vs_cats.compute.precision import with_dtype_policy
from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.models.architectures import ARCHITECTURES, build_architecture, has_dropout
from dogs_vs_cats.models.architectures.inception import (
    googlenet,
    naive_module,
    with_auxiliary_classifiers,
)
from dogs_vs_cats.models.architectures.lenet import digit_pictures
from dogs_vs_cats.models.architectures.mlp import boston_mlp, iris_mlp
from dogs_vs_cats.models.architectures.resnet import residual_block
from dogs_vs_cats.models.layer_arithmetic import convolution_parameters, mlp_parameters
from dogs_vs_cats.training.auxiliary_losses import AuxiliaryLosses
from dogs_vs_cats.training.measures import loss_function

DIGITS = (28, 28, 1)
SIZES = {
    "alexnet": (227, 227, 3),
    "alexnet_224": (224, 224, 3),
    "googlenet": (224, 224, 3),
    "resnet10": (96, 96, 3),
    "resnet18": (224, 224, 3),
    "resnet34": (224, 224, 3),
    "vgg16": (224, 224, 3),
}
"""Sizes of the images of networks that aren't made for digits."""


def without_weights(build: Callable[[], keras.Model]) -> keras.Model:
    """Builds a model whose weights have shapes but no values, in no time and no memory."""
    with keras.StatelessScope(initialize_variables=False):
        return build()


def outline(name: str, classes: int = 10) -> keras.Model:
    return without_weights(lambda: build_architecture(name, SIZES.get(name, DIGITS), classes))


def counts(model: keras.Model) -> dict[str, int]:
    """Parameters of each layer that has any."""
    return {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}


def shapes(model: keras.Model, *names: str) -> list[tuple[int, ...]]:
    """Output shapes of some layers, without the batch."""
    return [tuple(model.get_layer(name).output.shape[1:]) for name in names]


def size(weights: list[keras.Variable]) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


# The networks, one by one


def test_the_original_lenet5_pads_digits_of_28_pixels():
    padded, whole = (
        without_weights(lambda size=size: build_architecture("lenet5_original", (size, size, 1), 10))
        for size in (28, 32)
    )
    names = ("c1", "s2", "c3", "s4", "c5", "f6", "distances")
    assert shapes(padded, *names) == shapes(whole, *names)
    assert padded.count_params() == whole.count_params() == 60_900


def test_the_60000_parameters_of_the_lenet_paper():
    model = outline("lenet5_original")
    # In its C3 six maps see 3, nine see 4 and one sees all 6 of S2's maps; ours all see all.
    partial = sum(convolution_parameters(5, maps, number) for number, maps in ((6, 3), (9, 4), (1, 6)))
    assert model.count_params() - counts(model)["c3"] + partial == 60_000


def test_rbf_output_is_the_squared_distance_from_each_digits_picture():
    pictures = digit_pictures()
    assert pictures.shape == (10, 84)
    assert set(np.unique(pictures)) == {-1, 1}
    assert len(np.unique(pictures, axis=0)) == 10
    model = build_architecture("lenet5_original", DIGITS, 10)
    inside = keras.Model(model.input, [model.get_layer("f6").output, model.get_layer("distances").output, model.output])
    images = np.random.default_rng(3).integers(0, 256, (4, *DIGITS))
    f6, distances, probabilities = (keras.ops.convert_to_numpy(part) for part in inside(images))
    expected = ((f6[:, np.newaxis] - pictures) ** 2).sum(axis=-1)
    assert distances == pytest.approx(expected, rel=1e-4)
    likelihoods = np.exp(-(expected - expected.min(axis=1, keepdims=True)) / 2)
    assert probabilities == pytest.approx(likelihoods / likelihoods.sum(axis=1, keepdims=True), rel=1e-3, abs=1e-6)
    assert (probabilities.argmax(axis=1) == expected.argmin(axis=1)).all()


def test_lenet_pooling_scales_and_shifts_the_average():
    model = build_architecture("lenet5_original", DIGITS, 10)
    scales, biases = np.linspace(-1, 1, 6, dtype=np.float32), np.linspace(0, 1, 6, dtype=np.float32)
    model.get_layer("s2").set_weights([scales.reshape(1, 1, 6, 1), biases])
    inside = keras.Model(model.input, [model.get_layer("c1").output, model.get_layer("s2").output])
    maps, pooled = (keras.ops.convert_to_numpy(part) for part in inside(np.full((1, *DIGITS), 99)))
    average = maps.reshape(1, 14, 2, 14, 2, 6).mean(axis=(2, 4))
    assert pooled == pytest.approx(np.tanh(average * scales + biases), abs=1e-5)


def test_alexnet_on_224_pixels_has_the_sizes_and_counts_of_alexnet():
    padded, whole = (outline(name, classes=1_000) for name in ("alexnet_224", "alexnet"))
    names = [layer.name for layer in whole.layers[2:]]  # without the images and their division by 255
    assert shapes(padded, *names) == shapes(whole, *names)
    assert counts(padded) == counts(whole)


def test_vgg16():
    model = outline("vgg16", classes=1_000)
    assert shapes(model, *(f"block{block}_pooling" for block in range(1, 6)), "flatten") == [
        (112, 112, 64),
        (56, 56, 128),
        (28, 28, 256),
        (14, 14, 512),
        (7, 7, 512),
        (25_088,),
    ]
    assert model.count_params() == 138_357_544
    assert model.count_params() - sum(list(counts(model).values())[-3:]) == 14_714_688
    reference = without_weights(lambda: keras.applications.VGG16(weights=None))
    assert list(counts(model).values()) == list(counts(reference).values())


def test_the_pooling_branch_of_the_naive_module_hands_on_all_maps():
    assert naive_module(keras.Input((28, 28, 256)), 8, "module").shape == (None, 28, 28, 3 * 8 + 256)


def test_googlenet():
    model = outline("googlenet", classes=1_000)
    assert model.count_params() == 6_998_552
    assert shapes(
        model, "pooling_2", "inception_3a", "inception_3b", "inception_4a", "inception_4e", "inception_5b"
    ) == [
        (28, 28, 192),
        (28, 28, 256),
        (28, 28, 480),
        (14, 14, 512),
        (14, 14, 832),
        (7, 7, 1_024),
    ]
    # The paper's auxiliary classifiers see 4×4×512 and 4×4×528.
    training = without_weights(lambda: with_auxiliary_classifiers(outline("googlenet", classes=1_000), 1_000))
    assert size(training.weights) == 13_378_280


@pytest.mark.parametrize(
    ("name", "convolutions", "weights"), [("resnet18", 17, 11_689_512), ("resnet34", 33, 21_797_672)]
)
def test_resnet(name, convolutions, weights):
    model = outline(name, classes=1_000)
    assert size(model.trainable_weights) == weights
    main = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D) and "shortcut" not in layer.name]
    assert len(main) == convolutions  # and the output makes 18 or 34
    assert shapes(model, "stem_convolution", "stem_pooling") == [(112, 112, 64), (56, 56, 64)]
    assert shapes(model, *(f"stage{stage}_block2_relu" for stage in range(1, 5))) == [
        (56, 56, 64),
        (28, 28, 128),
        (14, 14, 256),
        (7, 7, 512),
    ]


def test_resnet10_halves_the_maps_five_times_and_has_less_than_five_million_parameters():
    model = outline("resnet10", classes=2)
    assert size(model.trainable_weights) == 4_906_305
    convolutions = [layer for layer in model.layers if getattr(layer, "kernel_size", None) in ((3, 3), (7, 7))]
    assert len(convolutions) == 9  # and the output makes 10
    assert shapes(model, *(f"stage{stage}_block1_relu" for stage in range(1, 5))) == [
        (24, 24, 64),
        (12, 12, 128),
        (6, 6, 256),
        (3, 3, 512),
    ]


def test_a_residual_block_whose_convolutions_answer_0_passes_its_input_on():
    maps = keras.Input((6, 6, 4))
    block = keras.Model(maps, residual_block(maps, 4, 1, "block"))
    block.get_layer("block_2_convolution").set_weights([np.zeros((3, 3, 4, 4))])
    x = np.random.default_rng(1).random((2, 6, 6, 4), dtype=np.float32)
    assert keras.ops.convert_to_numpy(block(x)) == pytest.approx(x)


# The two perceptrons on tables


@pytest.mark.medium
def test_iris_mlp_learns_the_iris_table():
    keras.utils.set_random_seed(0)
    model = iris_mlp()
    assert model.count_params() == mlp_parameters([4, 25, 15, 3]) == 563
    table = load_iris()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(table.data, table.target, batch_size=10, epochs=40, verbose=0)
    # 98.7 % in the lecture: 148 of the 150 flowers that it was trained on.
    assert model.evaluate(table.data, table.target, batch_size=150, verbose=0)[1] >= 0.97


@pytest.mark.medium
def test_boston_mlp_learns_a_table_of_13_columns():
    # Boston housing has to be downloaded. Friedman's function, on 5 of 13 columns, has the same shape of problem.
    keras.utils.set_random_seed(0)
    model = boston_mlp()
    assert model.count_params() == mlp_parameters([13, 8, 6, 1]) == 173
    columns, prices = make_friedman1(n_samples=506, n_features=13, random_state=0)
    columns = StandardScaler().fit_transform(columns)
    model.compile(keras.optimizers.Adam(0.02), "mse")
    model.fit(columns[:400], prices[:400], batch_size=20, epochs=20, verbose=0)
    error = np.sqrt(np.mean((model.predict(columns[400:], verbose=0)[:, 0] - prices[400:]) ** 2))
    assert error < 0.5 * prices.std()


# The contract of all of them


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_keeps_the_model_contract(name):
    for classes in (2, 10):
        if name == "lenet5_original" and classes != 10:
            continue
        model = outline(name, classes)
        assert model.output_shape == (None, 1 if classes == 2 else classes)
        assert model.output.dtype == "float32"
        config = json.loads(model.to_json())["config"]
        first = next(layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer))
        assert first.get_config()["scale"] == 1 / 255
        for layer in config["layers"]:
            # Nothing of this package, so that a file of it opens anywhere in safe mode.
            assert layer["module"] == "keras.layers"
            assert layer["registered_name"] is None
        # A second one in the same process has the same names: none was left to Keras's counting.
        assert [layer.name for layer in outline(name, classes).layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize(
    "name", ["lenet5", "lenet5_original", "mlp", "mnist_cnn", "mnist_cnn_batchnorm", "mnist_cnn_pytorch"]
)
def test_a_saved_network_answers_as_before(name, tmp_path: Path):
    model = build_architecture(name, DIGITS, 10)
    images = np.random.default_rng(0).integers(0, 256, (3, *DIGITS), dtype=np.uint8)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    answer = keras.ops.convert_to_numpy(model(images))
    assert keras.ops.convert_to_numpy(loaded(images)).tolist() == answer.tolist()
    assert answer.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert keras.ops.convert_to_numpy(model(images.astype("float32"))) == pytest.approx(answer, abs=1e-6)


@pytest.mark.parametrize(
    "name", ["lenet5", "lenet5_original", "mlp", "mnist_cnn", "mnist_cnn_batchnorm", "mnist_cnn_pytorch"]
)
def test_a_network_learns_two_easy_digits(name):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (64, *DIGITS), dtype=np.uint8)
    labels = np.arange(64) % 2
    images[labels == 0, 4:24, 12:16] = 250
    images[labels == 1, 4:24, 6:10] = 250
    images[labels == 1, 4:24, 18:22] = 250
    model = build_architecture(name, DIGITS, 10)
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=16, epochs=6, verbose=0)
    answers = keras.ops.convert_to_numpy(model(images))
    assert (answers.argmax(axis=1) == labels).mean() >= 0.95


def test_options_reach_the_network():
    model = without_weights(lambda: build_architecture("mnist_cnn_batchnorm", DIGITS, 10, dropout=0.1))
    assert [model.get_layer(f"dropout_{number}").rate for number in (1, 2, 3)] == [0.1, 0.1, 0.1]


def test_an_unknown_network_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="'lenet6'; there are alexnet, "):
        build_architecture("lenet6", DIGITS, 10)


def test_a_network_has_dropout_where_its_builder_takes_one():
    with_dropout = [name for name in sorted(ARCHITECTURES) if has_dropout(name)]
    assert with_dropout == ["googlenet", "mnist_cnn", "mnist_cnn_batchnorm", "mnist_cnn_pytorch"]


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "lenet5"])
def test_images_that_are_too_small_are_refused(name):
    with keras.StatelessScope(initialize_variables=False), pytest.raises(ParameterError, match="8×8×1 are too small"):
        build_architecture(name, (8, 8, 1), 10)


def test_the_original_lenet_is_for_ten_digits():
    with pytest.raises(ParameterError, match="ten digits"):
        build_architecture("lenet5_original", DIGITS, 2)
    with pytest.raises(ParameterError, match="32×32"):
        build_architecture("lenet5_original", (30, 30, 1), 10)


# Auxiliary losses


@pytest.fixture(scope="module")
def small_googlenet() -> keras.Model:
    return googlenet((65, 65, 3), 4, dropout=0)


@pytest.mark.medium
def test_the_loss_of_googlenet_adds_two_auxiliary_ones_while_training(small_googlenet):
    training = AuxiliaryLosses(with_auxiliary_classifiers(small_googlenet, 4, dropout=0))
    # Without a step the weights stay, so that the loss can be recomputed.
    training.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (3, 65, 65, 3), dtype=np.uint8), np.array([0, 3, 1])
    losses = [
        float(-np.log(keras.ops.convert_to_numpy(answer)[np.arange(3), labels]).mean())
        for answer in training(images, training=True)
    ]
    assert len(losses) == 3
    reported = training.train_on_batch(images, labels, return_dict=True)
    assert reported["loss"] == pytest.approx(losses[0] + 0.3 * losses[1] + 0.3 * losses[2], rel=1e-4)
    evaluated = training.test_on_batch(images, labels, return_dict=True)
    assert evaluated["loss"] == pytest.approx(losses[0], rel=1e-4)
    # Metrics are the main classifier's in both.
    assert reported["accuracy"] == evaluated["accuracy"]
    assert set(reported) == {"loss", "accuracy"}


@pytest.mark.medium
@pytest.mark.parametrize("classes", [2, 3])
def test_the_loss_of_the_copy_that_is_trained_is_that_of_all_images(classes):
    network = with_dtype_policy(googlenet((32, 32, 3), classes, dropout=0), "float32")
    training = AuxiliaryLosses(with_auxiliary_classifiers(network, classes, dropout=0))
    loss = loss_function(classes)
    training.compile(keras.optimizers.SGD(0.0), loss)
    images, labels = np.random.default_rng(0).random((3, 32, 32, 3)) * 255, np.array([0, 1, 1])
    main, *auxiliaries = (float(loss(labels[:, None], answer)) for answer in training(images, training=True))
    reported = training.train_on_batch(images, labels, return_dict=True)["loss"]
    assert reported == pytest.approx(main + 0.3 * sum(auxiliaries), rel=1e-4)


@pytest.mark.medium
def test_googlenet_is_trained_in_place_and_saved_without_its_auxiliaries(small_googlenet, tmp_path: Path):
    training = AuxiliaryLosses(with_auxiliary_classifiers(small_googlenet, 4))
    training.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    images, labels = np.random.default_rng(0).random((2, 65, 65, 3)) * 255, np.array([0, 3])
    before = small_googlenet.get_weights()
    training.fit(images, labels, batch_size=2, epochs=1, verbose=0)
    assert all((old != new).any() for old, new in zip(before, small_googlenet.get_weights(), strict=True))
    answers = training.predict_on_batch(images)
    assert answers.shape == (2, 4)
    small_googlenet.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in small_googlenet.layers]
    assert size(loaded.weights) < size(training.weights)
    assert keras.ops.convert_to_numpy(loaded(images)) == pytest.approx(answers, abs=1e-6)


def test_auxiliary_classifiers_average_over_what_small_images_leave():
    training = without_weights(lambda: with_auxiliary_classifiers(googlenet((32, 32, 3), 10), 10))
    assert training.get_layer("auxiliary_1").input_shape == (None, 2, 2, 512)
    assert training.output_shape == [(None, 10)] * 3
