"""The inside of a model: layers, filters, maps, and the pictures of them."""

import io

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.explanation import grad_cam, inspection
from dogs_vs_cats.lectures import convolution
from dogs_vs_cats.models.architectures import build_architecture
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.explanation import ExplanationParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.pipelines.explanation import nodes
from dogs_vs_cats.reporting import explanation_figures
from tests.parameters.test_parameters import parameters as environment_parameters

CLASSES = ["0", "1", "2"]
RECORD = {"bit_depth": None, "fit": "stretch"}


@pytest.fixture(scope="module")
def lenet5():
    keras.utils.set_random_seed(0)
    return build_architecture("lenet5", (28, 28, 1), 3)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def manifest():
    splits = ["train", "validation", "test", "test", "test", "unused"]
    return pd.DataFrame({"path": [f"test/{i}" for i in range(6)], "label": [0, 1, 2, 0, 1, 2], "split": splits})


def asked(**changes):
    return ExplanationParameters.model_validate({"approach": None, "image": None, "examples": 2, **changes})


def ingestion():
    return IngestionParameters.model_validate(environment_parameters()["ingestion"])


def test_layers_are_listed_with_what_they_cost(lenet5):
    table = inspection.summarise_layers(lenet5, batch_size=1024).set_index("layer")
    assert table["parameters"].sum() == lenet5.count_params()
    assert table.loc["convolution_2", "output"] == "10×10×16"
    assert table.loc["convolution_2", "receptive_field"] == 14
    assert table.loc["dense_1", "receptive_field"] == 28
    # 28 · 28 · 6 values of four bytes for each of 1,024 images.
    assert table.loc["convolution_1", "mebibytes"] == 28 * 28 * 6 * 4 / 1024


def test_the_receptive_field_is_that_of_the_widest_path():
    network = build_architecture("googlenet", (64, 64, 3), 2)
    table = inspection.summarise_layers(network, 1).set_index("layer")
    assert table["parameters"].sum() == network.count_params()
    assert table.loc["convolution_1", "receptive_field"] == 7
    # Before module 3a a value sees 27 pixels, in steps of 8: a 1×1 kernel adds none, 5×5 adds four steps.
    assert table.loc["inception_3a_1x1", "receptive_field"] == 27
    assert table.loc["inception_3a_5x5", "receptive_field"] == 59
    assert table.loc["inception_3a", "receptive_field"] == 59


def receptive_field(layers, size):
    """The receptive field of the last of some layers, each a convolution's kernel and stride, as the table has it."""
    image = x = keras.Input((size, size, 1))
    for kernel, stride in layers:
        x = keras.layers.Conv2D(1, kernel, stride)(x)
    outputs = keras.layers.Dense(1, activation="sigmoid")(x)
    return inspection.summarise_layers(keras.Model(image, outputs), 1)["receptive_field"].iloc[-1]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], 1),
        ([(3, 1)], 3),
        ([(3, 1), (3, 1)], 5),  # two 3×3 see as much as one 5×5,
        ([(3, 1), (3, 1), (3, 1)], 7),  # three as much as one 7×7
        ([(3, 1), (2, 2), (3, 1), (2, 2), (3, 1), (2, 2)], 22),  # the naive CNN
        ([(5, 1), (2, 2), (5, 1), (2, 2), (5, 1)], 32),  # C5 of LeNet-5: all of its 32×32 pixels
        ([(11, 4), (3, 2), (5, 1), (3, 2)], 67),
    ],
)
def test_the_receptive_field_against_hand_computed_figures(layers, expected):
    assert receptive_field(layers, 99) == expected


def test_the_receptive_field_is_what_an_output_depends_on():
    layers = [(3, 1), (2, 2), (3, 2), (5, 1)]
    size = 61
    reached = 0
    for row in range(size):
        # Pixels of one row at a time: an output value that changes depends on that row.
        x = np.zeros((size, size))
        x[row] = 1
        for kernel, stride in layers:
            x = convolution.convolve2d(x, np.ones((kernel, kernel)), stride)
        reached += int(x[0, 0] > 0)
    assert reached == receptive_field(layers, size)


def test_models_within_a_model_are_laid_open():
    inside = build_architecture("lenet5", (28, 28, 1), 3)
    image = keras.Input((28, 28, 1), name="image")
    joined = keras.Model(image, keras.layers.Reshape((3,), name="out")(inside(image)), name="joined")
    table = inspection.summarise_layers(joined, 1)
    assert "convolution_1" in table["layer"].tolist()
    assert table["parameters"].sum() == inside.count_params()


def test_the_first_map_is_what_the_first_filter_gives_by_hand(lenet5, images):
    name, filters = inspection.first_filters(lenet5)
    assert name == "convolution_1"
    assert filters.shape == (6, 5, 5, 1)
    maps = dict(inspection.feature_maps(lenet5, images[0]))
    assert list(maps) == [
        "convolution_1",
        "pooling_1",
        "convolution_2",
        "pooling_2",
        "convolution_3",
    ]
    bias = lenet5.get_layer("convolution_1").get_weights()[1][0]
    by_hand = convolution.convolve2d(images[0, ..., 0] / 255, filters[0, ..., 0], padding=2) + bias
    assert np.allclose(maps["convolution_1"][..., 0], convolution.relu(by_hand), atol=1e-4)


def test_the_first_pooling_is_shown_before_and_after(lenet5, images):
    caption, before, after = inspection.first_pooling(lenet5, images[0])
    assert caption.startswith("pooling_1, windows of 2×2, map ")
    assert np.allclose(after, convolution.average_pool(before, 2), atol=1e-4)


def test_a_model_without_convolutions_shows_what_it_has(images):
    perceptron = build_architecture("mlp", (28, 28, 1), 3)
    name, filters = inspection.first_filters(perceptron)
    assert name == "dense_1"
    assert filters.shape == (128, 28, 28, 1)
    kernel = perceptron.get_layer("dense_1").get_weights()[0]
    assert np.array_equal(filters[3].ravel(), kernel[:, 3])
    assert inspection.feature_maps(perceptron, images[0]) == []
    assert inspection.first_pooling(perceptron, images[0]) is None


def test_deep_models_show_the_last_map_of_each_size():
    base = build_architecture("resnet18", (64, 64, 3), 2)
    sizes = [maps.shape[0] for _, maps in inspection.feature_maps(base, np.zeros((64, 64, 3), np.uint8))]
    assert len(sizes) <= inspection.MOST_MAPS
    assert len(set(sizes)) == len(sizes)
    assert sizes == sorted(sizes, reverse=True)


def drawn(model, images, manifest):
    """All four figures of a model: filters, feature maps, pooling, Grad-CAM."""
    answers = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.5, 0.3, 0.2]])
    predictions = manifest.iloc[2:5].assign(
        probability_0=answers[:, 0], probability_1=answers[:, 1], probability_2=answers[:, 2], predicted=[2, 0, 0]
    )
    chosen = nodes.choose_image(asked(image="test/3"), ingestion(), RECORD, images, manifest)
    info = {"made_with": {"parameters": {"batch_size": 16}}}
    layers, *figures, record = nodes.explain(
        model, info, asked(image="test/3"), chosen, images, manifest, predictions, CLASSES
    )
    assert layers["parameters"].sum() == model.count_params()
    assert record["made_with"] == info["made_with"]
    return figures


def pictures(figure):
    """The arrays that a figure shows, in the order of its panels."""
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def words(figure):
    """All texts of a figure and its panels that aren't empty."""
    titles = [axes.get_title(loc=side) for axes in figure.axes for side in ("left", "center", "right")]
    texts = [text.get_text() for part in (figure, *figure.subfigs, *figure.axes) for text in part.texts]
    return [text for text in (*texts, *titles) if text]


def contrast(figure):
    """Standard deviation of the pixels as they are printed; an empty page has none."""
    file = io.BytesIO()
    figure.savefig(file)
    return np.asarray(Image.open(file).convert("L")).std()


def test_the_pictures_show_filters_maps_pooling_and_heat(lenet5, images, manifest):
    filters, maps, pooling, heat = drawn(lenet5, images, manifest)
    assert "convolution_1: 6 filters of 5×5×1" in words(filters)
    kernels = inspection.first_filters(lenet5)[1][..., 0]
    assert np.array_equal(pictures(filters), kernels)

    layers = inspection.feature_maps(lenet5, images[3])
    expected = [values[..., number] for _, values in layers for number in range(min(12, values.shape[-1]))]
    assert np.array_equal(pictures(maps)[0], images[3, ..., 0])
    assert all(np.array_equal(shown, made) for shown, made in zip(pictures(maps)[1:], expected, strict=True))
    assert "pooling_1\n14×14×6" in words(maps)
    assert "Feature maps of test/3; the first 12 of each layer" in words(maps)

    before, after = pictures(pooling)
    assert after == pytest.approx(convolution.average_pool(before, 2), abs=1e-5)
    assert {"before: 28×28", "after: 14×14"} < set(words(pooling))

    # Of three predictions two are right (test/2 and test/3) and one isn't (test/4).
    rows = ["The image asked for", "Most confident wrong answers", "Most confident right answers"]
    assert [text.get_text() for band in heat.subfigs for text in band.texts] == rows
    assert [text for text in words(heat) if text.startswith("test/")] == ["test/3", "test/4", "test/2", "test/3"]
    assert [text for text in words(heat) if text in ("2 70.0%", "0 60.0%", "0 50.0%")] == [
        "0 50.0%",
        "2 70.0%",
        "0 60.0%",
    ]
    shown = [picture for picture in pictures(heat) if np.array_equal(picture, images[4, ..., 0])]
    assert len(shown) == 2  # as it is, and under its heat
    explain = grad_cam.explainer(lenet5)
    heats = [picture for picture in pictures(heat) if picture.dtype.kind == "f"]
    for heated, (picture, said) in zip(heats[1:], [(4, 0), (2, 2), (3, 0)], strict=True):
        assert heated == pytest.approx(explain(images[picture], said), abs=1e-6)
    assert all(contrast(figure) > 20 for figure in (filters, maps, pooling, heat))


def test_after_a_cross_validation_the_model_answers_the_test_images_itself(lenet5, images, manifest):
    compute = ComputeParameters.model_validate(environment_parameters()["compute"])
    own = nodes.answer_test_images(
        lenet5, predictions_table(manifest[:0], np.empty((0, 3)), CLASSES), images, manifest, CLASSES, compute
    )
    assert own["path"].tolist() == ["test/2", "test/3", "test/4"]
    probabilities = lenet5.predict(images[2:5], verbose=0)
    assert own[[f"probability_{name}" for name in CLASSES]].to_numpy() == pytest.approx(probabilities, abs=1e-6)
    folds = pd.concat([own, own.assign(path=["test/0", "test/1", "test/5"])])  # the answers of other models
    again = nodes.answer_test_images(lenet5, folds, images, manifest, CLASSES, compute)
    pd.testing.assert_frame_equal(again, own)
    changed = own.assign(predicted=2)
    kept = nodes.answer_test_images(lenet5, changed, images, manifest, CLASSES, compute)
    pd.testing.assert_frame_equal(kept, changed)


def test_a_model_without_convolutions_says_what_it_cannot_show(images, manifest):
    filters, *others = drawn(build_architecture("mlp", (28, 28, 1), 3), images, manifest)
    assert "dense_1: 128 filters of 28×28×1, the first 48" in words(filters)
    assert len(pictures(filters)) == 48
    notices = ["no convolutions, so it has no feature maps", "no pooling layers", "no convolutions, so Grad-CAM has"]
    for figure, notice in zip(others, notices, strict=True):
        assert not pictures(figure)
        assert notice in words(figure)[0]
        assert contrast(figure) > 5


def test_a_picture_comes_from_the_manifest_or_from_a_file(images, manifest, tmp_path):
    path, image = nodes.choose_image(asked(), ingestion(), RECORD, images, manifest)
    assert path == "test/2"
    assert np.array_equal(image, images[2])
    assert np.array_equal(
        nodes.choose_image(asked(image="test/5"), ingestion(), RECORD, images, manifest)[1], images[5]
    )
    Image.fromarray(np.full((28, 28), 200, np.uint8)).save(tmp_path / "seven.png")
    path, image = nodes.choose_image(asked(image=str(tmp_path / "seven.png")), ingestion(), RECORD, images, manifest)
    assert path == "seven.png"
    assert image.shape == (28, 28, 1)
    assert (image == 200).all()
    wide = np.zeros((28, 56), np.uint8)
    wide[:, 14:42] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = nodes.choose_image(
        asked(image=str(tmp_path / "wide.png")), ingestion(), RECORD | {"fit": "crop"}, images, manifest
    )
    assert (found[1] == 200).all()
    for name in ("test/99", "x" * 300, str(tmp_path)):
        with pytest.raises(ParameterError, match="neither a path of the manifest"):
            nodes.choose_image(asked(image=name), ingestion(), RECORD, images, manifest)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ParameterError, match=r"broken\.png, which can't be used"):
        nodes.choose_image(asked(image=str(tmp_path / "broken.png")), ingestion(), RECORD, images, manifest)


def test_filters_in_colour_and_in_grey_are_drawn():
    for channels in (1, 3):
        weights = np.random.default_rng(0).normal(size=(60, 3, 3, channels)).astype(np.float32)
        figure = explanation_figures.first_filters("convolution_1", weights)
        shown = pictures(figure)
        assert len(shown) == explanation_figures.FILTERS_SHOWN
        if channels == 1:
            assert np.array_equal(shown, weights[: len(shown), ..., 0])
        else:
            # In colour each is stretched to all that can be shown.
            assert all((picture.min(), picture.max()) == (0, 1) for picture in shown)
            assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.999 for a, b in zip(shown, weights, strict=False))
        assert contrast(figure) > 20
