"""Exported files: the same answers as the model's in the format's own runtime, and a description in each."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from dogs_vs_cats.errors import ExportError, ModelFileError
from dogs_vs_cats.export.checking import answers_of, compare
from dogs_vs_cats.export.description import Description
from dogs_vs_cats.export.files import file_name, write
from dogs_vs_cats.export.runtimes import classify, open_file
from dogs_vs_cats.project import child_environment

for package in ("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"):
    pytest.importorskip(package, reason="exporting needs it: make dev")

SIZE = 24
ROWS = np.arange(50)
IMAGES = np.random.default_rng(0).integers(0, 256, (50, SIZE, SIZE, 3), np.uint8)
FORMATS = ["onnx", "litert", "saved_model"]


def description(classes):
    return Description("small", classes, SIZE, 3, "crop", None)


@pytest.fixture(scope="module")
def model():
    """Three classes, with batch normalisation and a depthwise convolution, in bfloat16 but for its output."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, dtype="mixed_bfloat16", name="rescale")(image)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", dtype="mixed_bfloat16", name="convolution")(x)
    x = layers.DepthwiseConv2D(3, dtype="mixed_bfloat16", name="depthwise")(x)
    x = layers.BatchNormalization(dtype="mixed_bfloat16", name="normalisation")(x)
    x = layers.GlobalAveragePooling2D(name="average", dtype="mixed_bfloat16")(x)
    outputs = layers.Dense(3, activation="softmax", kernel_initializer="he_normal", dtype="float32", name="answer")(x)
    return keras.Model(image, outputs, name="small")


@pytest.fixture(scope="module")
def expected(model):
    """The answers in float32."""
    from dogs_vs_cats.compute.precision import with_dtype_policy

    return with_dtype_policy(model, "float32").predict(IMAGES.astype(np.float32), verbose=0)


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """A file of each format in float32."""
    folder = tmp_path_factory.mktemp("exported")
    paths = {kind: folder / file_name("small", kind, "none") for kind in FORMATS}
    for kind, path in paths.items():
        write(model, path, kind, "none", IMAGES[:0], description(["cat", "dog", "hän"]))
    return paths


@pytest.mark.parametrize("kind", FORMATS)
def test_the_answers_are_those_of_the_model_in_float32_whatever_the_batch(written, expected, kind):
    run, _ = open_file(written[kind])

    assert np.abs(classify(run, IMAGES, ROWS) - expected).max() < 1e-5  # in batches of 32 and 18
    assert np.abs(classify(run, IMAGES, ROWS[::-3]) - expected[::-3]).max() < 1e-5
    assert np.abs(run(IMAGES[7:8].astype(np.float32)) - expected[7:8]).max() < 1e-5


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_describes_itself(written, kind):
    _, found = open_file(written[kind])

    assert found == description(["cat", "dog", "hän"])


def test_other_tools_find_the_labels(written):
    import onnx

    properties = {entry.key: entry.value for entry in onnx.load(written["onnx"]).metadata_props}
    assert json.loads(properties["classes"]) == ["cat", "dog", "hän"]
    with zipfile.ZipFile(written["litert"]) as archive:
        assert archive.read("labels.txt").decode().split() == ["cat", "dog", "hän"]


def test_a_litert_file_has_built_in_operations_alone(written):
    from ai_edge_litert.interpreter import Interpreter

    operations = {entry["op_name"] for entry in Interpreter(str(written["litert"]))._get_ops_details()}

    assert "CONV_2D" in operations
    assert not {name for name in operations if name.startswith("Flex")}


WITHOUT_KERAS = (
    "import sys; from dogs_vs_cats.export import runtimes; runtimes.main(); assert 'keras' not in sys.modules"
)


def test_a_file_is_run_in_a_process_without_keras(written, expected, tmp_path):
    images, rows = tmp_path / "images.npy", tmp_path / "rows.npy"
    np.save(images, IMAGES)
    np.save(rows, ROWS[40:])

    found, milliseconds = answers_of(written["saved_model"], images, ROWS[40:], threads=1)
    assert np.abs(found - expected[40:]).max() < 1e-5
    assert milliseconds > 0
    for kind in ("onnx", "litert"):  # TensorFlow imports Keras by itself
        arguments = map(str, (written[kind], images, rows, tmp_path / "answers.npy", 1))
        subprocess.run([sys.executable, "-c", WITHOUT_KERAS, *arguments], check=True, env=child_environment())
        assert np.abs(np.load(tmp_path / "answers.npy") - expected[40:]).max() < 1e-5


@pytest.mark.parametrize("kind", ["onnx", "litert"])
def test_float16_halves_the_weights_and_int8_quarters_them(tmp_path, kind):
    import keras
    from keras import layers

    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Conv2D(64, 3, strides=2, activation="relu", name="first")(image)
    x = layers.Conv2D(256, 3, strides=2, activation="relu", name="second")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    large = keras.Model(image, layers.Dense(1, activation="sigmoid", name="answer")(x), name="large")
    sizes = []
    for quantise in ("none", "float16", "int8"):
        path = tmp_path / file_name("large", kind, quantise)
        write(large, path, kind, quantise, IMAGES, description(["cat", "dog"]))
        run, _ = open_file(path)
        answers = classify(run, IMAGES, ROWS)
        assert answers.shape == (50, 1)
        assert answers.dtype == np.float32
        assert np.abs(answers - large.predict(IMAGES.astype(np.float32), verbose=0)).max() < 0.05
        sizes.append(path.stat().st_size)

    assert sizes[0] / sizes[1] == pytest.approx(2, rel=0.05)
    assert sizes[0] / sizes[2] == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("kind", ["onnx", "litert"])
def test_int8_keeps_the_answers_of_a_depthwise_network_whose_channels_differ(tmp_path, kind):
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="rescale")(image)
    x = layers.ReLU(6, name="relu_1")(layers.Conv2D(32, 3, strides=2, use_bias=False, name="convolution")(x))
    x = layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(x)
    x = layers.ReLU(6, name="relu_2")(layers.BatchNormalization(name="normalisation")(x))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    outputs = layers.Dense(1, activation="sigmoid", name="answer")(x)
    network = keras.Model(image, outputs, name="depthwise_network")
    depthwise, normalisation, answer = (network.get_layer(name) for name in ("depthwise", "normalisation", "answer"))
    scale = np.logspace(-2, 2, 32, dtype=np.float32)
    depthwise.set_weights([weights * scale[:, None] for weights in depthwise.get_weights()])
    gamma, beta, mean, variance = normalisation.get_weights()
    normalisation.set_weights([gamma, beta, mean, variance * (0.1 * scale) ** 2])
    answer.set_weights([4 * answer.get_weights()[0], answer.get_weights()[1]])
    smooth = np.repeat(np.repeat(IMAGES[:, ::8, ::8], 8, axis=1), 8, axis=2)
    path = tmp_path / file_name("depthwise_network", kind, "int8")

    write(network, path, kind, "int8", smooth, description(["cat", "dog"]))

    found, expected = classify(open_file(path)[0], smooth, ROWS), network.predict(smooth.astype(np.float32), verbose=0)
    assert expected.std() > 0.02
    assert np.abs(found - expected).max() < 0.02


def test_an_answer_that_is_no_number_is_wrong():
    expected = np.array([[0.2], [0.3], [0.9]], np.float32)
    found = np.array([[np.nan], [0.3], [0.9]], np.float32)

    row = compare(expected, found, np.array([0, 0, 1]))

    assert (row["changed_answers"], row["accuracy"]) == (1, pytest.approx(2 / 3))


def test_equal_models_give_equal_litert_files(model, tmp_path):
    first, second = tmp_path / "a.tflite", tmp_path / "b.tflite"
    for path in (first, second):
        write(model, path, "litert", "none", IMAGES[:0], description(["cat", "dog", "hän"]))

    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        assert [entry.date_time for entry in one.infolist()] == [entry.date_time for entry in other.infolist()]


def test_a_comparison_counts_the_answers_that_change():
    expected = np.array([[0.4], [0.6], [0.9], [0.1]], np.float32)
    found = np.array([[0.4], [0.49], [0.8], [0.1]], np.float32)

    row = compare(expected, found, np.array([0, 1, 1, 1]))

    assert row["changed_answers"] == 1
    assert row["largest_difference"] == pytest.approx(0.11)
    assert (row["accuracy"], row["keras_accuracy"]) == (0.5, 0.75)


def test_a_file_that_cannot_be_opened_says_why_in_one_line(tmp_path):
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(b"no model")

    with pytest.raises(ModelFileError, match="can't be opened"):
        open_file(damaged)
    with pytest.raises(ModelFileError, match=r"There is no model"):
        open_file(tmp_path / "model.keras")
    with pytest.raises(ExportError, match=r"^\S*model\.onnx can't be opened"):
        answers_of(damaged, damaged, ROWS, threads=None)


@pytest.mark.parametrize("quantise", ["none", "int8"])
def test_a_constant_such_as_vgg16s_mean_colour_is_no_input_of_an_onnx_file(tmp_path, quantise):
    import keras
    import onnx

    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = keras.layers.Conv2D(4, 3)(keras.applications.vgg16.preprocess_input(image))
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(image, outputs, name="made").save(tmp_path / "made.keras")
    model = keras.models.load_model(tmp_path / "made.keras")
    path = tmp_path / file_name("made", "onnx", quantise)

    write(model, path, "onnx", quantise, IMAGES, description(["cat", "dog"]))

    assert [given.name for given in onnx.load(path).graph.input] == ["image"]
    run, _ = open_file(path)
    assert np.abs(classify(run, IMAGES, ROWS) - model.predict(IMAGES.astype(np.float32), verbose=0)).max() < (
        1e-5 if quantise == "none" else 0.1
    )
